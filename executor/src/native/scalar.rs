//! The kernels' formulas, element by element in the scalar arithmetic: what every instruction set is held to.

use crate::numerics::{Exact, product, round_shift, sat32, sum};

/// One element of a product: y of one channel for one token.
pub(crate) fn linear(
    w: impl Iterator<Item = i16>,
    x: &[i16],
    mult: u16,
    shift: i32,
    bias: Option<i32>,
) -> Exact<i32> {
    let acc = w.zip(x).map(|(w, &x)| i64::from(w) * i64::from(x)).sum();
    let y = sat32(round_shift(product(acc, i64::from(mult))?, shift)?);
    Ok(sat32(sum(i64::from(y), i64::from(bias.unwrap_or(0)))?))
}
