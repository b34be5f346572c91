//! y[b] = sum of x over block b; the last block may be shorter.

use super::operands::Operands;
use crate::numerics::{Exact, sum};

pub(super) fn blocksum(x: &Operands<'_>, block: u32) -> Exact<Vec<i64>> {
    x.row(0)?
        .chunks(block.max(1) as usize)
        .map(|part| part.iter().try_fold(0, |acc, v| sum(acc, *v)))
        .collect()
}
