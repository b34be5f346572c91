//! y[i] = sat32(divide(sum over all positions of x[i], positions)).

use super::operands::{Operands, at, coordinate};
use crate::numerics::{Exact, OutOfDomain, divide, sat32, sum};

pub(super) fn pool(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let rows = x.visible(0)?;
    let width = rows.first().ok_or(OutOfDomain("pool"))?.len();
    (0..width)
        .map(|i| {
            let total = rows.iter().try_fold(0, |acc, row| sum(acc, at(row, i)?))?;
            Ok(sat32(divide(total, coordinate(rows.len())?)?).into())
        })
        .collect()
}
