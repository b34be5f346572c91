//! y[j] = sat32(round_shift(w[i][j] * multiplier[i], shift[i] + shift)), i the token or the position.

use super::operands::{Operands, coordinate, shift as as_shift};
use crate::numerics::{Exact, product, round_shift, sat32, sum};
use crate::program::op::Index;

pub(super) fn embed(x: &Operands<'_>, index: Index, shift: i32) -> Exact<Vec<i64>> {
    let (weights, multipliers, shifts) = (x.constant(0)?, x.constant(1)?, x.constant(2)?);
    let i = match index {
        Index::Token => i64::from(x.token),
        Index::Position => i64::from(x.position),
    };
    let multiplier = multipliers.at(0, i)?;
    let s = as_shift(sum(shifts.at(0, i)?, shift.into())?)?;
    (0..weights.info.columns as usize)
        .map(|j| Ok(sat32(round_shift(product(weights.at(i, coordinate(j)?)?, multiplier)?, s)?).into()))
        .collect()
}
