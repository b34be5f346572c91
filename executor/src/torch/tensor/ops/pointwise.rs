//! Operations on single elements.

use tch::Tensor;

use super::super::math::{Made, round_shift, sat32};
use super::super::operands::Operands;

/// y[i] = sat32(a[i] + b[i]).
pub(super) fn add(x: &Operands<'_>) -> Made {
    sat32(&x.own(0)?.f_add(x.own(1)?)?)
}

/// y[i] = sat32(round_shift(x[i] * multiplier, shift)).
pub(super) fn rescale(x: &Operands<'_>, multiplier: i32, shift: i32) -> Made {
    round_shift(&x.own(0)?.f_mul_scalar(i64::from(multiplier))?, shift.into())
}

/// T(x[i]): u = round_shift(x, in_shift) + 2^24 within 0 ..= 2^25 - 1; base[u >> 13] + round_shift(difference[u >> 13] * (u & 8191), 13).
fn table_value(x: &Operands<'_>, in_shift: i32) -> Made {
    let table = x.constant(0)?;
    let u = round_shift(x.own(0)?, in_shift.into())?.f_add_scalar(1 << 24)?.f_clamp(0, (1 << 25) - 1)?;
    // (base, difference) pairs, one after the other.
    let i = u.f_bitwise_right_shift_tensor_scalar(13)?.f_bitwise_left_shift_tensor_scalar(1)?;
    let difference = table.f_take(&i.f_add_scalar(1)?)?;
    // 2^24 * 2^13 at most: the saturation of `round_shift` changes nothing.
    let part = round_shift(&difference.f_mul(&u.f_bitwise_and(8191)?)?, 13)?;
    table.f_take(&i)?.f_add(&part)
}

/// y[i] = sat32(round_shift(T(x[i]), shift)).
pub(super) fn lut(x: &Operands<'_>, in_shift: i32, shift: i32) -> Made {
    round_shift(&table_value(x, in_shift)?, shift.into())
}

/// y[i] = sat32(round_shift(x[i] * T(x[i]), shift)).
pub(super) fn act(x: &Operands<'_>, in_shift: i32, shift: i32) -> Made {
    round_shift(&x.own(0)?.f_mul(&table_value(x, in_shift)?)?, shift.into())
}

/// y[i] = sat32(round_shift(sat32(round_shift(x[i] * T(x[i]), 23)) * u[i], shift)).
pub(super) fn glu(x: &Operands<'_>, in_shift: i32, shift: i32) -> Made {
    let gate: Tensor = act(x, in_shift, 23)?;
    round_shift(&gate.f_mul(x.own(1)?)?, shift.into())
}

/// y[i] = min(max(x[i], low), high).
pub(super) fn clamp(x: &Operands<'_>, low: i32, high: i32) -> Made {
    x.own(0)?.f_clamp(i64::from(low), i64::from(high))
}

/// y[i] = sat32(round_shift(a[i] * b[i], shift)).
pub(super) fn mul(x: &Operands<'_>, shift: i32) -> Made {
    round_shift(&x.own(0)?.f_mul(x.own(1)?)?, shift.into())
}
