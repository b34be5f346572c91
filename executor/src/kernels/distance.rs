//! d[i] = min(round_shift((max - x[i]) * inverse, shift), 2^25 - 1), in 2^-20 doublings;
//! inverse = divide(round(log2(e) 2^32), temperature): log2(e) / T with 16 fractional bits.

use super::operands::{Operands, TEMPERATURE_MAX, TEMPERATURE_MIN};
use crate::numerics::{Exact, OutOfDomain, difference, divide, product, round_shift};

/// round(log2(e) * 2^32)
const LOG2_E: i64 = 6_196_328_019;

/// log2(e) divided by the request's temperature, 16 fractional bits.
pub(crate) fn inverse_temperature(temperature: u32) -> Exact<i64> {
    if !(TEMPERATURE_MIN..=TEMPERATURE_MAX).contains(&temperature) {
        return Err(OutOfDomain("distance"));
    }
    divide(LOG2_E, temperature.into())
}

pub(super) fn distance(x: &Operands<'_>, shift: i32) -> Exact<Vec<i64>> {
    let inverse = inverse_temperature(x.sampling.temperature)?;
    let top = x.element(1, 0)?;
    x.row(0)?
        .iter()
        .map(|v| Ok(round_shift(product(difference(top, *v)?, inverse)?, shift)?.clamp(0, (1 << 25) - 1)))
        .collect()
}
