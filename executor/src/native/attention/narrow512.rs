//! Scores and weighted sums of keys and values of 8 bits with AVX-512.
//!
//! A dot product of a query and a narrow key fits 32 bits: 32,767 * 127 * 512 < 2^31. A weight of 31 bits is four
//! unsigned digits, its bytes; a lane of `vpdpbusd` sums digit times value: 255 * 127 * 65,536 < 2^31.

use super::cache::{HEAD_DIM_MAX, HeadCache, TILE, lane};
use super::mix512::half_of;
use super::scratch::{CHUNK, Scratch};
use crate::native::aligned::Lines;
use std::arch::x86_64::*;
use std::ops::Range;

/// Chunks whose weighted values are summed before the sums are widened.
const CHUNKS: usize = 65_536 / CHUNK;

const DIGITS: usize = 4;

/// Bytes of a vector of values.
const VECTOR: usize = 64;

/// Elements of a query, padded.
const ROW: usize = HEAD_DIM_MAX;

/// Copies some queries (heads, head_dim): `[head] [ROW]`, zero from head_dim to a whole vector.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn copy(q: &[i16], head_dim: usize, queries: &mut Lines<i16>) {
    queries.resize(q.len() / head_dim * ROW);
    for (q, row) in q.chunks_exact(head_dim).zip(queries.chunks_exact_mut(ROW)) {
        for (q, row) in q.chunks(32).zip(row.chunks_exact_mut(32)) {
            // SAFETY: a masked load of the part, a store of 32 elements.
            unsafe {
                let q = _mm512_maskz_loadu_epi16(u32::MAX >> (32 - q.len()), q.as_ptr());
                _mm512_storeu_si512(row.as_mut_ptr().cast(), q);
            }
        }
    }
}

/// Keys (2 tiles, 16, head_dim) . queries (G, head_dim) -> sums [head][tile] of 16 lanes, each in two parts.
///
/// # Safety
/// Both tiles have `pairs` pairs of dims, `queries` G rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) unsafe fn dots<const G: usize>(
    pairs: usize,
    tiles: [*const i8; 2],
    queries: *const i16,
) -> [[[__m512i; 2]; 2]; G] {
    // Sums of even pairs and of odd ones: twice as many that do not wait for each other.
    let (mut even, mut odd) = ([[_mm512_setzero_si512(); 2]; G], [[_mm512_setzero_si512(); 2]; G]);
    // SAFETY: by the caller's promise.
    unsafe {
        for two in 0..pairs / 2 {
            add_pair(2 * two, tiles, queries, &mut even);
            add_pair(2 * two + 1, tiles, queries, &mut odd);
        }
        if pairs % 2 == 1 {
            add_pair(pairs - 1, tiles, queries, &mut even);
        }
    }
    std::array::from_fn(|g| std::array::from_fn(|tile| [even[g][tile], odd[g][tile]]))
}

/// Adds the products of one pair of dims.
///
/// # Safety
/// As [`dots`]; the pair is there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn add_pair<const G: usize>(
    pair: usize,
    tiles: [*const i8; 2],
    queries: *const i16,
    sums: &mut [[__m512i; 2]; G],
) {
    // SAFETY: 32 keys of each tile.
    let keys = tiles
        .map(|tile| unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(tile.add(pair * 2 * TILE).cast())) });
    for (g, sums) in sums.iter_mut().enumerate() {
        // SAFETY: two elements of a query.
        let q = unsafe { queries.add(g * ROW + 2 * pair).cast::<i32>().read_unaligned() };
        for (sum, keys) in sums.iter_mut().zip(keys) {
            *sum = _mm512_dpwssd_epi32(*sum, keys, _mm512_set1_epi32(q));
        }
    }
}

/// Bytes of 16 weights, `[4 positions] [4 digits]` of each lane of 128 bits as `[4 digits] [4 positions]`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn digits(weights: __m512i) -> __m512i {
    let order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_shuffle_epi8(weights, _mm512_broadcast_i32x4(order))
}

/// Digits of weights that are not all zero, of which `all` has every bit.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn depth(all: __m512i) -> u8 {
    (i32::BITS - _mm512_reduce_or_epi32(all).leading_zeros()).div_ceil(8) as u8
}

/// Adds to `acc` (heads, width) the values of all visible positions under the digits of their weights.
///
/// # Safety
/// As [`super::attend`]; bytes and depths are those of `heads` heads, zero where a position is not visible.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) unsafe fn mix(cache: &HeadCache, scratch: &mut Scratch, heads: usize) {
    let (stride, width) = (scratch.stride, cache.width());
    // All positions of a lane are there: caches have room for whole tiles.
    let lanes = scratch.seen().div_ceil(lane::<i8>());
    for head in 0..heads {
        let part = Head {
            values: cache.values(scratch.base),
            row: width / 16 * VECTOR,
            digits: scratch.bytes[head * stride..][..stride].as_ptr(),
            depths: &scratch.depths[head * (stride / CHUNK)..][..stride / CHUNK],
            lanes,
        };
        // SAFETY: `lanes` rows of `width` values, and as many of digits.
        unsafe { part.add(&mut scratch.acc[head * width..][..width]) };
    }
}

/// The visible positions for one head.
struct Head<'a> {
    values: *const i8,
    /// Bytes of a lane of values.
    row: usize,
    digits: *const i32,
    depths: &'a [u8],
    lanes: usize,
}

impl Head<'_> {
    /// # Safety
    /// There are `lanes` lanes of values of `acc.len()` dims, and of digits.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn add(&self, acc: &mut [i64]) {
        for (block, acc) in acc.chunks_mut(64).enumerate() {
            let values = self.values.wrapping_add(block * 4 * VECTOR);
            // SAFETY: the vectors of these dims.
            unsafe {
                match acc.len() / 16 {
                    1 => self.dims::<1>(values, acc),
                    2 => self.dims::<2>(values, acc),
                    3 => self.dims::<3>(values, acc),
                    _ => self.dims::<4>(values, acc),
                }
            }
        }
    }

    /// Digits (4, lanes) . values (lanes, 16 N) -> acc (16 N).
    ///
    /// # Safety
    /// As [`Self::add`], and `acc` has 16 N elements.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn dims<const N: usize>(&self, values: *const i8, acc: &mut [i64]) {
        const LANES: usize = CHUNK / lane::<i8>();
        let mut sums = [[_mm512_setzero_si512(); N]; DIGITS];
        for (chunk, depth) in self.depths.iter().enumerate() {
            let lanes = chunk * LANES..self.lanes.min((chunk + 1) * LANES);
            // SAFETY: by the caller's promise.
            unsafe {
                match depth {
                    0 => {}
                    1 => self.chunk::<N, 1>(lanes, values, &mut sums),
                    2 => self.chunk::<N, 2>(lanes, values, &mut sums),
                    3 => self.chunk::<N, 3>(lanes, values, &mut sums),
                    _ => self.chunk::<N, 4>(lanes, values, &mut sums),
                }
            }
            if (chunk + 1) % CHUNKS == 0 {
                widen(&sums, acc);
                sums = [[_mm512_setzero_si512(); N]; DIGITS];
            }
        }
        widen(&sums, acc);
    }

    /// Adds the D lower digits of a chunk.
    ///
    /// # Safety
    /// As [`Self::dims`]; the lanes are there.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn chunk<const N: usize, const D: usize>(
        &self,
        lanes: Range<usize>,
        values: *const i8,
        sums: &mut [[__m512i; N]; DIGITS],
    ) {
        let mut own: [[__m512i; N]; D] = std::array::from_fn(|d| sums[d]);
        for lane in lanes {
            // SAFETY: by the caller's promise; the four positions of a digit are together.
            unsafe {
                let from = values.add(lane * self.row);
                let rows: [__m512i; N] =
                    std::array::from_fn(|n| _mm512_loadu_si512(from.add(n * VECTOR).cast()));
                for (d, sums) in own.iter_mut().enumerate() {
                    let digit = _mm512_set1_epi32(self.digits.add(lane * DIGITS + d).read());
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = _mm512_dpbusd_epi32(*sum, digit, row);
                    }
                }
            }
        }
        sums[..D].copy_from_slice(&own);
    }
}

/// Adds sums of digits, lowest first, to `acc` (16 N).
#[inline]
#[target_feature(enable = "avx512f")]
fn widen<const N: usize>(sums: &[[__m512i; N]; DIGITS], acc: &mut [i64]) {
    for (n, acc) in acc.chunks_exact_mut(16).enumerate() {
        for (half, acc) in acc.chunks_exact_mut(8).enumerate() {
            let mut sum = _mm512_setzero_si512();
            for sums in sums.iter().rev() {
                let part = half_of(sums[n], half);
                sum = _mm512_add_epi64(_mm512_slli_epi64(sum, 8), _mm512_cvtepi32_epi64(part));
            }
            // SAFETY: 8 elements of 8 bytes.
            unsafe {
                let before = _mm512_loadu_si512(acc.as_ptr().cast());
                _mm512_storeu_si512(acc.as_mut_ptr().cast(), _mm512_add_epi64(before, sum));
            }
        }
    }
}
