//! y[i] = sat32(round_shift(x[i] * multiplier, shift)).

use super::operands::Operands;
use crate::numerics::{Exact, product, round_shift, sat32};

pub(super) fn rescale(x: &Operands<'_>, multiplier: i32, shift: i32) -> Exact<Vec<i64>> {
    x.row(0)?.iter().map(|v| Ok(sat32(round_shift(product(*v, multiplier.into())?, shift)?).into())).collect()
}
