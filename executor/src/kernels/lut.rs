//! y[i] = sat32(round_shift(T(x[i]), shift)).

use super::constant::Constant;
use super::operands::Operands;
use crate::numerics::{Exact, product, round_shift, sat32, sum};

/// The row of a table for v, and the rest of 13 bits: u = round_shift(v, in_shift) + 16 * 2^20 within 0 ..= 2^25 - 1
/// (so v in [-16, 16)); u >> 13, u & 8191.
pub(crate) fn table_cell(v: i64, in_shift: i32) -> Exact<(i64, i64)> {
    let u = round_shift(v, in_shift)?.saturating_add(16 << 20).clamp(0, (32 << 20) - 1);
    Ok((u >> 13, u & 8191))
}

/// T with 23 fractional bits: base + round_shift(difference * rest, 13).
pub(crate) fn interpolate(base: i64, difference: i64, rest: i64) -> Exact<i64> {
    sum(base, round_shift(product(difference, rest)?, 13)?)
}

/// T(v).
pub(super) fn table_value(table: &Constant<'_>, v: i64, in_shift: i32) -> Exact<i64> {
    let (i, rest) = table_cell(v, in_shift)?;
    interpolate(table.at(i, 0)?, table.at(i, 1)?, rest)
}

pub(super) fn lut(x: &Operands<'_>, in_shift: i32, shift: i32) -> Exact<Vec<i64>> {
    let table = x.constant(0)?;
    x.row(0)?
        .iter()
        .map(|v| Ok(sat32(round_shift(table_value(table, *v, in_shift)?, shift)?).into()))
        .collect()
}
