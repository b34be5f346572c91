//! y[i] = x[0] + ... + x[i].

use super::operands::Operands;
use crate::numerics::{Exact, sum};

pub(super) fn cumsum(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let mut acc = 0;
    x.row(0)?
        .iter()
        .map(|v| {
            acc = sum(acc, *v)?;
            Ok(acc)
        })
        .collect()
}
