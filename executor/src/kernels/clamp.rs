//! y[i] = min(max(x[i], low), high).

use super::operands::Operands;
use crate::numerics::{Exact, OutOfDomain};

pub(super) fn clamp(x: &Operands<'_>, low: i32, high: i32) -> Exact<Vec<i64>> {
    if low > high {
        return Err(OutOfDomain("clamp"));
    }
    Ok(x.row(0)?.iter().map(|v| (*v).clamp(low.into(), high.into())).collect())
}
