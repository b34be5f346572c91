//! The mean of the visible values under the weights. For head h with key head g and element j:
//! acc = sum_s (w[h][s] >> (top[g] - e_s[g] within 0 ..= 31)) * v_s[g][j];
//! L = bit_length(total[h]); a = floor(acc / 2^(L-16)); n = round_shift(total[h], L - 31); r = floor(2^61 / n);
//! y = sat32(round_shift(a * r, shift - top[g])). a * r * 2^-46 is acc / total with 31 bits.

use super::operands::{Operands, at, shift as as_shift};
use super::score::{head, key_head};
use crate::numerics::{Exact, OutOfDomain, bit_length, difference, product, round_shift, sat32};

pub(super) fn mix(x: &Operands<'_>, heads: u32, kv_heads: u32, shift: i32) -> Exact<Vec<i64>> {
    let (weights, totals) = (x.row(0)?, x.row(1)?);
    let (values, exponents, tops) = (x.visible(2)?, x.visible(3)?, x.row(4)?);
    let mut out = Vec::new();
    for h in 0..heads as usize {
        let g = key_head(h, heads, kv_heads)?;
        let weights = head(weights, h, heads as usize)?;
        let (total, top) = (at(totals, h)?, at(tops, g)?);
        let s = as_shift(difference(shift.into(), top)?)?;
        let width = head(values.first().ok_or(OutOfDomain("mix"))?, g, kv_heads as usize)?.len();
        for j in 0..width {
            let mut acc = 0_i64;
            for ((w, v), e) in weights.iter().zip(values).zip(exponents) {
                acc = accumulate(acc, (*w, at(head(v, g, kv_heads as usize)?, j)?), at(e, g)?, top)?;
            }
            out.push(sat32(round_shift(mean(acc, total)?, s)?).into());
        }
    }
    Ok(out)
}

/// acc plus a weight aligned to its value's exponent times the value.
pub(crate) fn accumulate(acc: i64, (w, v): (i64, i64), e: i64, top: i64) -> Exact<i64> {
    let aligned = w >> difference(top, e)?.clamp(0, 31);
    aligned.checked_mul(v).and_then(|term| acc.checked_add(term)).ok_or(OutOfDomain("mix"))
}

/// acc / total with 46 fractional bits.
pub(crate) fn mean(acc: i64, total: i64) -> Exact<i64> {
    let length = bit_length(total.unsigned_abs());
    if total < 1 << 30 || length > 48 {
        return Err(OutOfDomain("mix"));
    }
    let a = acc >> length.saturating_sub(16);
    let n = round_shift(total, length.saturating_sub(31))?;
    let r = (1_i64 << 61).checked_div(n).ok_or(OutOfDomain("mix"))?;
    product(a, r)
}
