//! (r, h)[g]: total = s[g] + round_shift(eps, 2 e[g] + 16) within 1 ..= 2^62 - 1; t = (62 - bit_length(total)) & ~1;
//! q = isqrt(total * 2^t); r = divide(root, q); h = t / 2. So r * 2^(h - 55) = sqrt(elements) / sqrt(total).

use super::operands::{Operands, shift};
use crate::numerics::{Exact, WIDE_LIMIT, bit_length, divide, isqrt, product, round_shift, sum};

pub(super) fn rnorm(x: &Operands<'_>, groups: u32, eps: i64, root: i64) -> Exact<Vec<i64>> {
    let mut out = Vec::new();
    for (s, e) in x.row(0)?.iter().zip(x.row(1)?).take(groups as usize) {
        let (r, h) = reciprocal_root(*s, *e, eps, root)?;
        out.extend([r, h]);
    }
    Ok(out)
}

/// The pair of one group.
pub(crate) fn reciprocal_root(s: i64, e: i64, eps: i64, root: i64) -> Exact<(i64, i64)> {
    let eps = round_shift(eps, shift(sum(product(e, 2)?, 16)?)?)?;
    let total = s.saturating_add(eps).clamp(1, WIDE_LIMIT.saturating_sub(1)).unsigned_abs();
    // total has 1 to 62 bits, so t is 0 to 60 and total * 2^t has 61 or 62 bits.
    let t = 62_i32.saturating_sub(bit_length(total)) & !1;
    let q = isqrt(total << t);
    Ok((divide(root, q as i64)?, i64::from(t >> 1)))
}
