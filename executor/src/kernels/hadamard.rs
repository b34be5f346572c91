//! y[i] = sat32(round_shift(sum_j (-1)^popcount(i & j) x[j], shift)) within each block.

use super::operands::Operands;
use crate::numerics::{Exact, difference, round_shift, sat32, sum};

pub(super) fn hadamard(x: &Operands<'_>, block: u32, shift: i32) -> Exact<Vec<i64>> {
    let mut out = Vec::new();
    for part in x.row(0)?.chunks_exact(block.max(1) as usize) {
        for i in 0..part.len() {
            let total = part.iter().enumerate().try_fold(0, |acc, (j, v)| {
                if (i & j).count_ones() & 1 == 0 { sum(acc, *v) } else { difference(acc, *v) }
            })?;
            out.push(sat32(round_shift(total, shift)?).into());
        }
    }
    Ok(out)
}
