//! w[h][s] = T[(d >> 8) & 4095] >> min(31, d >> 20), d = max[h] - score[h][s]; T[i] = 2^31 2^(-i/4096) less one unit.

use super::constant::Constant;
use super::operands::Operands;
use crate::numerics::{Exact, OutOfDomain, difference};

/// The column of the table for a distance.
pub(crate) fn power_column(d: i64) -> i64 {
    (d >> 8) & 4095
}

/// 2^-d as a weight of 31 bits, d in units of 2^-20, given its entry of the table.
pub(crate) fn power(entry: i64, d: i64) -> Exact<i64> {
    if d < 0 {
        return Err(OutOfDomain("exp2w"));
    }
    Ok(entry >> (d >> 20).min(31))
}

pub(super) fn weight(table: &Constant<'_>, d: i64) -> Exact<i64> {
    power(table.at(0, power_column(d))?, d)
}

pub(super) fn exp2w(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let table = x.constant(0)?;
    let maxima = x.row(1)?;
    let mut out = Vec::new();
    for (scores, top) in x.groups(0, x.row_groups)?.zip(maxima) {
        for score in scores {
            out.push(weight(table, difference(*top, *score)?)?);
        }
    }
    Ok(out)
}
