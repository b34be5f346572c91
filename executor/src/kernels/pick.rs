//! The lowest i in block b with c[b-1] + y[first of b] + ... + y[i] >= draw + 1, the block's last if there is none.
//! Inputs: kept weights y, cumulative block sums c, block b, draw.

use super::operands::{Operands, at, coordinate};
use crate::numerics::{Exact, OutOfDomain, sum};

pub(super) fn pick(x: &Operands<'_>, block: u32) -> Exact<Vec<i64>> {
    let (kept, sums) = (x.row(0)?, x.row(1)?);
    let b = usize::try_from(x.element(2, 0)?).map_err(|_| OutOfDomain("pick"))?;
    let target = sum(x.element(3, 0)?, 1)?;
    let mut acc = match b.checked_sub(1) {
        Some(previous) => at(sums, previous)?,
        None => 0,
    };
    let width = block.max(1) as usize;
    let part = kept.chunks(width).nth(b).ok_or(OutOfDomain("pick"))?;
    let mut i = part.len().saturating_sub(1);
    for (k, w) in part.iter().enumerate() {
        acc = sum(acc, *w)?;
        if acc >= target {
            i = k;
            break;
        }
    }
    Ok(vec![coordinate(b.saturating_mul(width).saturating_add(i))?])
}
