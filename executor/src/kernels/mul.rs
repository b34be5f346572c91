//! y[i] = sat32(round_shift(a[i] * b[i], shift)).

use super::operands::Operands;
use crate::numerics::{Exact, product, round_shift, sat32};

pub(super) fn mul(x: &Operands<'_>, shift: i32) -> Exact<Vec<i64>> {
    x.row(0)?
        .iter()
        .zip(x.row(1)?)
        .map(|(a, b)| Ok(sat32(round_shift(product(*a, *b)?, shift)?).into()))
        .collect()
}
