//! y[g] = max over the visible s of e_s[g].

use super::operands::Operands;
use crate::numerics::{Exact, OutOfDomain};

pub(super) fn timemax(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let mut rows = x.visible(0)?.iter();
    let mut out = rows.next().ok_or(OutOfDomain("timemax"))?.to_vec();
    for row in rows {
        out.iter_mut().zip(row.iter()).for_each(|(most, e)| *most = (*most).max(*e));
    }
    Ok(out)
}
