//! Weighted sums of values with AVX-512.
//!
//! A weight of 31 bits is three signed digits to the base 2^11, |digit| <= 1,024. A lane of `vpdpwssd` sums digit
//! times value over a chunk of 64 positions: 1,024 * 32,767 * 64 < 2^31, so it is exact; then the digits' sums are
//! put together in 64 bits.

use super::cache::HeadCache;
use super::scratch::{CHUNK, Scratch};
use std::arch::x86_64::*;

const DIGIT_BITS: u32 = 11;

/// Three digits of weights of 31 bits, lowest first.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn split(weight: __m512i) -> [__m512i; 3] {
    let half = _mm512_set1_epi32(1 << (DIGIT_BITS - 1));
    let below = _mm512_set1_epi32((1 << DIGIT_BITS) - 1);
    let cut = |w: __m512i| {
        let up = _mm512_add_epi32(w, half);
        (_mm512_srli_epi32(up, DIGIT_BITS), _mm512_sub_epi32(_mm512_and_si512(up, below), half))
    };
    let (rest, low) = cut(weight);
    let (high, middle) = cut(rest);
    [low, middle, high]
}

/// Digits of weights that are not all zero, of which `all` has every bit: the second begins at 2^10, the third at
/// 2^21 - 2^10.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn depth(all: __m512i) -> u8 {
    match _mm512_reduce_or_epi32(all) {
        0 => 0,
        1..0x400 => 1,
        0x400..0x1f_fc00 => 2,
        _ => 3,
    }
}

/// The lower half of a vector (0), or the upper one.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn half_of(v: __m512i, half: usize) -> __m256i {
    if half == 0 { _mm512_castsi512_si256(v) } else { _mm512_extracti64x4_epi64(v, 1) }
}

/// Elements of a vector.
const VECTOR: usize = 32;

/// Adds to `acc` (heads, width) the values of all visible positions under the digits of their weights.
///
/// # Safety
/// As [`super::attend`]; digits and depths are those of `heads` heads, zero where a position is not visible.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) unsafe fn mix(cache: &HeadCache, scratch: &mut Scratch, heads: usize) {
    let (stride, width) = (scratch.stride, cache.width());
    // Both positions of a pair are there: caches have room for whole tiles.
    let end = scratch.seen().next_multiple_of(2);
    for chunk in 0..stride / CHUNK {
        let first = chunk * CHUNK;
        let pairs = (end - first).min(CHUNK) / 2;
        let position = scratch.base + first;
        for head in 0..heads {
            let depth = scratch.depths[head * (stride / CHUNK) + chunk];
            let part = Part {
                values: cache.values(position),
                row: width / 16 * VECTOR,
                digits: scratch.digits[head * 3 * stride + first..].as_ptr(),
                stride,
                pairs,
            };
            let acc = &mut scratch.acc[head * width..][..width];
            // SAFETY: `pairs` pairs of rows of `width` values, and as many of each digit.
            unsafe {
                match depth {
                    0 => {}
                    1 => part.add::<1>(acc),
                    2 => part.add::<2>(acc),
                    _ => part.add::<3>(acc),
                }
            }
        }
    }
}

/// A chunk of positions for one head.
struct Part {
    values: *const i16,
    /// Elements of a pair of values.
    row: usize,
    digits: *const i16,
    /// Elements between two digits of a weight.
    stride: usize,
    pairs: usize,
}

impl Part {
    /// # Safety
    /// The chunk has `pairs` pairs of values of `acc.len()` dims and of D digits.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn add<const D: usize>(&self, acc: &mut [i64]) {
        for (block, acc) in acc.chunks_mut(64).enumerate() {
            let values = self.values.wrapping_add(block * 4 * VECTOR);
            // SAFETY: the vectors of these dims.
            unsafe {
                match acc.len() / 16 {
                    1 => self.dims::<1, D>(values, acc),
                    2 => self.dims::<2, D>(values, acc),
                    3 => self.dims::<3, D>(values, acc),
                    _ => self.dims::<4, D>(values, acc),
                }
            }
        }
    }

    /// Digits (D, 2 pairs) . values (2 pairs, 16 N) -> acc (16 N).
    ///
    /// # Safety
    /// As [`Self::add`], and `acc` has 16 N elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn dims<const N: usize, const D: usize>(&self, mut values: *const i16, acc: &mut [i64]) {
        let mut sums = [[_mm512_setzero_si512(); N]; D];
        let mut digits = self.digits.cast::<i32>();
        for _ in 0..self.pairs {
            let mut rows = [_mm512_setzero_si512(); N];
            for (n, row) in rows.iter_mut().enumerate() {
                // SAFETY: by the caller's promise.
                *row = unsafe { _mm512_loadu_si512(values.add(n * VECTOR).cast()) };
            }
            for (d, sums) in sums.iter_mut().enumerate() {
                // SAFETY: as above; two digits of 16 bits.
                let digit = unsafe { _mm512_set1_epi32(digits.add(d * self.stride / 2).read_unaligned()) };
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum = _mm512_dpwssd_epi32(*sum, row, digit);
                }
            }
            digits = digits.wrapping_add(1);
            values = values.wrapping_add(self.row);
        }
        for (n, acc) in acc.chunks_exact_mut(16).enumerate() {
            for (half, acc) in acc.chunks_exact_mut(8).enumerate() {
                let mut sum = _mm512_setzero_si512();
                for sums in sums.iter().rev() {
                    let part = half_of(sums[n], half);
                    sum = _mm512_add_epi64(_mm512_slli_epi64(sum, DIGIT_BITS), _mm512_cvtepi32_epi64(part));
                }
                // SAFETY: 8 elements of 8 bytes.
                unsafe {
                    let before = _mm512_loadu_si512(acc.as_ptr().cast());
                    _mm512_storeu_si512(acc.as_mut_ptr().cast(), _mm512_add_epi64(before, sum));
                }
            }
        }
    }
}
