//! w[i] = 2^-d[i] as in `exp2w` where d[i] <= limit, else 0; limit = (upper << 14) | (lower << 3) | 7.

use super::exp2w::weight;
use super::operands::Operands;
use crate::numerics::Exact;

/// The largest distance of a lower bin.
pub(crate) fn limit(upper: i64, lower: i64) -> i64 {
    ((upper & 2047) << 14) | ((lower & 2047) << 3) | 7
}

pub(super) fn weigh(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let table = x.constant(0)?;
    let limit = limit(x.element(1, 0)?, x.element(2, 0)?);
    x.row(0)?.iter().map(|d| if *d <= limit { weight(table, *d) } else { Ok(0) }).collect()
}
