//! e[g] = bit_length(max |x|) - (bits - 1) over the elements of group g.

use super::operands::Operands;
use crate::numerics::{Exact, row_exponent};

pub(super) fn rowexp(x: &Operands<'_>, bits: u32, groups: u32) -> Exact<Vec<i64>> {
    x.groups(0, groups)?
        .map(|group| {
            let magnitude = group.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0);
            Ok(row_exponent(magnitude, bits).into())
        })
        .collect()
}
