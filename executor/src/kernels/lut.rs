//! y[i] = sat32(round_shift(T(x[i]), shift)).

use super::constant::Constant;
use super::operands::Operands;
use crate::numerics::{Exact, product, round_shift, sat32, sum};

/// T(v) with 23 fractional bits: u = round_shift(v, in_shift) + 16 * 2^20 within 0 ..= 2^25 - 1 (so v in [-16, 16));
/// i = u >> 13; T = table[i][0] + round_shift(table[i][1] * (u & 8191), 13).
pub(super) fn table_value(table: &Constant<'_>, v: i64, in_shift: i32) -> Exact<i64> {
    let u = round_shift(v, in_shift)?.saturating_add(16 << 20).clamp(0, (32 << 20) - 1);
    let i = u >> 13;
    sum(table.at(i, 0)?, round_shift(product(table.at(i, 1)?, u & 8191)?, 13)?)
}

pub(super) fn lut(x: &Operands<'_>, in_shift: i32, shift: i32) -> Exact<Vec<i64>> {
    let table = x.constant(0)?;
    x.row(0)?
        .iter()
        .map(|v| Ok(sat32(round_shift(table_value(table, *v, in_shift)?, shift)?).into()))
        .collect()
}
