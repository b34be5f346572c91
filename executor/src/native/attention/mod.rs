//! Softmax attention of the query heads that share a key head, for one token.
//!
//! ```text
//! score[h][s] = sat32(round_shift((q[h] . k[s]) * multiplier, shift - qe[h] - ke[s]))
//! weight[h][s] = T[(d >> 8) & 4095] >> min(31, d >> 20),  d = top[h] - score[h][s],  top[h] = max_s score[h][s]
//! total[h] = sum_s weight[h][s],  vtop = max_s ve[s]
//! acc[h][j] = sum_s (weight[h][s] >> min(31, vtop - ve[s])) * v[s][j]
//! L = bit_length(total); a = floor(acc / 2^(L-16)); n = round_shift(total, L-31); r = floor(2^61 / n)
//! y[h][j] = sat32(round_shift(a * r, mix_shift - vtop))
//! ```

#[cfg(target_arch = "x86_64")]
mod avx512;
mod cache;
#[cfg(target_arch = "x86_64")]
mod mix512;
#[cfg(target_arch = "x86_64")]
mod narrow512;
mod plain;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod weigh512;

pub use cache::{HEAD_DIM_MAX, HeadCache};
pub use scratch::Scratch;

use super::isa::{Isa, Level};
use super::shift::{Shift, round_right};
use crate::numerics::bit_length;
use std::ops::Range;

/// Entries of the table of 2^-x.
pub const EXP_ENTRIES: usize = 4096;

/// What the attentions of a node have in common.
#[derive(Clone, Copy, Debug)]
pub struct Law<'a> {
    /// Scale of the scores, mantissa: below 2^17.
    pub multiplier: u32,
    /// Scale of the scores, shift.
    pub shift: i32,
    /// T: 31 bits, the first entry 2^31 - 1.
    pub exp: &'a [i32; EXP_ENTRIES],
    /// 46 plus the change of format from values to y.
    pub mix_shift: i32,
}

/// The query heads of one token that read one key head.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// (heads, head_dim) mantissas of 16 bits.
    pub q: &'a [i16],
    /// (heads).
    pub exponents: &'a [i32],
    /// Positions that it sees, at least one.
    pub visible: Range<usize>,
}

/// y (heads, head_dim) of a query. What led to it stays in `scratch`.
///
/// # Safety
/// The visible positions are written, and until the next barrier nobody writes to the cache.
pub unsafe fn attend(
    isa: Isa,
    cache: &HeadCache,
    query: &Query<'_>,
    law: &Law<'_>,
    scratch: &mut Scratch,
    out: &mut [i32],
) {
    let Query { q, exponents, visible } = query;
    let heads = exponents.len();
    assert!(
        q.len() == heads * cache.head_dim() && out.len() == q.len(),
        "operands of an attention do not fit"
    );
    assert!(
        visible.start < visible.end && visible.end <= cache.positions(),
        "an attention sees what is not there"
    );
    scratch.prepare(heads, cache.width(), visible);
    // SAFETY: the level is of this machine, shapes were checked, the cache is only read as promised.
    unsafe {
        match (isa.level(), cache.narrow()) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512, false) => avx512::attend::<false>(cache, query, law, scratch, out),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512, true) => avx512::attend::<true>(cache, query, law, scratch, out),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, false) => plain::avx2::<i16>(cache, query, law, scratch, out),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, true) => plain::avx2::<i8>(cache, query, law, scratch, out),
            (_, false) => plain::portable::<i16>(cache, query, law, scratch, out),
            (_, true) => plain::portable::<i8>(cache, query, law, scratch, out),
        }
    }
}

/// y of each head from its sums.
#[inline(always)]
fn finish(law: &Law<'_>, scratch: &Scratch, head_dim: usize, out: &mut [i32]) {
    let last = Shift::new(law.mix_shift - scratch.vtop);
    let sums = scratch.acc.chunks_exact(head_dim.next_multiple_of(16));
    for ((y, acc), &total) in out.chunks_exact_mut(head_dim).zip(sums).zip(&scratch.totals) {
        let length = bit_length(total as u64);
        debug_assert!((31..=48).contains(&length), "total {total}");
        let r = (1 << 61) / round_right(total, length - 31);
        for (y, acc) in y.iter_mut().zip(acc) {
            *y = last.apply((acc >> (length - 16)) * r);
        }
    }
}
