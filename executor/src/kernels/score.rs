//! y[h][s] = sat32(round_shift((q[h] . k_s[g]) * multiplier, shift - qe[h] - ke_s[g])) for every visible s,
//! g = h / (heads / kv_heads).

use super::operands::{Operands, at, dot, shift as as_shift};
use crate::numerics::{Exact, OutOfDomain, difference, product, round_shift, sat32};

/// Head `h` of `heads` equal parts of a row.
pub(super) fn head(row: &[i64], h: usize, heads: usize) -> Exact<&[i64]> {
    let width = row.len().checked_div(heads).filter(|w| *w > 0).ok_or(OutOfDomain("head"))?;
    row.chunks_exact(width).nth(h).ok_or(OutOfDomain("head"))
}

/// The key head that query head `h` reads.
pub(super) fn key_head(h: usize, heads: u32, kv_heads: u32) -> Exact<usize> {
    let share = heads.checked_div(kv_heads).ok_or(OutOfDomain("head"))?;
    h.checked_div(share as usize).ok_or(OutOfDomain("head"))
}

pub(super) fn score(
    x: &Operands<'_>,
    heads: u32,
    kv_heads: u32,
    multiplier: u32,
    shift: i32,
) -> Exact<Vec<i64>> {
    let (q, qe, k, ke) = (x.row(0)?, x.row(1)?, x.visible(2)?, x.visible(3)?);
    let mut out = Vec::new();
    for h in 0..heads as usize {
        let g = key_head(h, heads, kv_heads)?;
        for (k, ke) in k.iter().zip(ke) {
            let acc = dot(head(q, h, heads as usize)?, head(k, g, kv_heads as usize)?)?;
            let s = difference(difference(shift.into(), at(qe, h)?)?, at(ke, g)?)?;
            out.push(sat32(round_shift(product(acc, multiplier.into())?, as_shift(s)?)?).into());
        }
    }
    Ok(out)
}
