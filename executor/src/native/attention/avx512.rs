//! Scores with AVX-512.
//!
//! A query is two signed digits, `q = 256 * q1 + q0`, |digit| <= 128. A lane of `vpdpwssd` sums digit times key over
//! the head's dims: 128 * 32,767 * 512 < 2^31, so the sums are exact and the dot product is `256 * sum1 + sum0`.

use super::cache::{HEAD_DIM_MAX, HeadCache, TILE};
use super::scratch::CHUNK;
use super::{Law, Query, Scratch, finish};
use super::{mix512, narrow512, weigh512};
use crate::native::aligned::Lines;
use crate::native::shift::Shift;
use std::arch::x86_64::*;

/// Heads whose sums fit the registers together with two tiles.
const HEADS: usize = 4;

/// # Safety
/// As [`super::attend`], which has checked the shapes; NARROW is the cache's; the machine has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) unsafe fn attend<const NARROW: bool>(
    cache: &HeadCache,
    query: &Query<'_>,
    law: &Law<'_>,
    scratch: &mut Scratch,
    out: &mut [i32],
) {
    let heads = query.exponents.len();
    for first in (0..heads).step_by(HEADS) {
        let heads = first..(first + HEADS).min(heads);
        // SAFETY: by the caller's promise.
        unsafe {
            match heads.len() {
                1 => scores::<1, NARROW>(cache, query, law, scratch, first),
                2 => scores::<2, NARROW>(cache, query, law, scratch, first),
                3 => scores::<3, NARROW>(cache, query, law, scratch, first),
                _ => scores::<4, NARROW>(cache, query, law, scratch, first),
            }
        }
    }
    let tiles = Tiles::of(query, scratch);
    // SAFETY: exponents of the tiles of visible positions.
    unsafe {
        scratch.vtop = top_exponent(cache, &tiles);
        if NARROW {
            scratch.bytes.resize(heads * scratch.stride);
        } else {
            scratch.digits.resize(heads * 3 * scratch.stride);
        }
        scratch.depths.resize(heads * scratch.stride / CHUNK, 0);
        for head in 0..heads {
            weigh512::weigh::<NARROW>(cache, law.exp, &tiles, scratch, head);
        }
        if NARROW { narrow512::mix(cache, scratch, heads) } else { mix512::mix(cache, scratch, heads) }
    }
    finish(law, scratch, cache.head_dim(), out);
}

/// The tiles of a query's visible positions.
pub(super) struct Tiles {
    pub(super) base: usize,
    pub(super) count: usize,
    /// Positions before the first visible one.
    before: usize,
    /// Visible positions of the last tile.
    last: usize,
}

impl Tiles {
    fn of(query: &Query<'_>, scratch: &Scratch) -> Self {
        let len = query.visible.end - scratch.base;
        let count = len.div_ceil(TILE);
        Self {
            base: scratch.base,
            count,
            before: query.visible.start - scratch.base,
            last: len - (count - 1) * TILE,
        }
    }

    /// Visible positions of a tile.
    pub(super) fn mask(&self, tile: usize) -> u16 {
        let first = if tile == 0 { u16::MAX << self.before } else { u16::MAX };
        let last = if tile + 1 == self.count { u16::MAX >> (TILE - self.last) } else { u16::MAX };
        first & last
    }
}

/// Elements of a digit of a query, padded.
const ROW: usize = HEAD_DIM_MAX;

/// Digits of some queries (heads, head_dim): `[head] [q1, q0] [ROW]`, zero from head_dim to a whole vector.
#[target_feature(enable = "avx512f,avx512bw")]
fn split(q: &[i16], head_dim: usize, queries: &mut Lines<i16>) {
    queries.resize(2 * HEADS * ROW);
    for (q, digits) in q.chunks_exact(head_dim).zip(queries.chunks_exact_mut(2 * ROW)) {
        let (high, low) = digits.split_at_mut(ROW);
        for ((q, high), low) in q.chunks(32).zip(high.chunks_exact_mut(32)).zip(low.chunks_exact_mut(32)) {
            // SAFETY: a masked load of the part, stores of 32 elements.
            unsafe {
                let q = _mm512_maskz_loadu_epi16(u32::MAX >> (32 - q.len()), q.as_ptr());
                let q0 = _mm512_srai_epi16(_mm512_slli_epi16(q, 8), 8);
                // floor((q + 128) / 256) without leaving 16 bits.
                let q1 =
                    _mm512_srai_epi16(_mm512_add_epi16(_mm512_srai_epi16(q, 7), _mm512_set1_epi16(1)), 1);
                _mm512_storeu_si512(high.as_mut_ptr().cast(), q1);
                _mm512_storeu_si512(low.as_mut_ptr().cast(), q0);
            }
        }
    }
}

/// Scores of G heads from `first` on, and their tops.
///
/// # Safety
/// As [`attend`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn scores<const G: usize, const NARROW: bool>(
    cache: &HeadCache,
    query: &Query<'_>,
    law: &Law<'_>,
    scratch: &mut Scratch,
    first: usize,
) {
    let dims = cache.head_dim();
    let q = &query.q[first * dims..][..G * dims];
    if NARROW {
        narrow512::copy(q, dims, &mut scratch.queries);
    } else {
        split(q, dims, &mut scratch.queries);
    }
    let tiles = Tiles::of(query, scratch);
    let mut tops = [_mm512_set1_epi32(i32::MIN); G];
    for tile in (0..tiles.count).step_by(2) {
        let pair = (tiles.count - tile).min(2);
        let at = tiles.base / TILE + tile;
        // SAFETY: one or two tiles with visible positions, and the digits of G queries.
        let sums = unsafe {
            let (pairs, queries) = (cache.pairs(), scratch.queries.as_ptr());
            if NARROW {
                narrow512::dots::<G>(pairs, [cache.keys(at), cache.keys(at + pair - 1)], queries)
            } else {
                dots::<G>(pairs, [cache.keys(at), cache.keys(at + pair - 1)], queries)
            }
        };
        for (part, tile) in (tile..tile + pair).enumerate() {
            let (mask, place) = (tiles.mask(tile), tile * TILE);
            // SAFETY: exponents of a tile with a visible position.
            let exponents =
                unsafe { _mm512_loadu_si512(cache.key_exponents().add(tiles.base + place).cast()) };
            for g in 0..G {
                let shift = law.shift - query.exponents[first + g];
                let totals = _mm512_sub_epi32(_mm512_set1_epi32(shift), exponents);
                let score = scale::<NARROW>(sums[g][part], totals, law.multiplier, mask);
                tops[g] = _mm512_mask_max_epi32(tops[g], mask, tops[g], score);
                let scores = &mut scratch.scores[(first + g) * scratch.stride + place..][..TILE];
                // SAFETY: 16 scores.
                unsafe { _mm512_storeu_si512(scores.as_mut_ptr().cast(), score) };
            }
        }
    }
    for (g, top) in tops.into_iter().enumerate() {
        scratch.tops[first + g] = _mm512_reduce_max_epi32(top);
    }
}

/// Keys (2 tiles, 16, head_dim) . digits of q (G, head_dim) -> sums [head][tile][q1, q0] of 16 lanes.
///
/// # Safety
/// Both tiles have `pairs` pairs of dims, `queries` the digits of G queries.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn dots<const G: usize>(
    pairs: usize,
    tiles: [*const i16; 2],
    queries: *const i16,
) -> [[[__m512i; 2]; 2]; G] {
    let mut sums = [[[_mm512_setzero_si512(); 2]; 2]; G];
    for pair in 0..pairs {
        // SAFETY: 32 keys of each tile, as many pairs as promised.
        let keys = tiles.map(|tile| unsafe { _mm512_loadu_si512(tile.add(pair * 2 * TILE).cast()) });
        for (g, sums) in sums.iter_mut().enumerate() {
            for digit in 0..2 {
                let at = (2 * g + digit) * ROW + 2 * pair;
                // SAFETY: two elements of the digit.
                let q = _mm512_set1_epi32(unsafe { queries.add(at).cast::<i32>().read_unaligned() });
                for (sums, keys) in sums.iter_mut().zip(keys) {
                    sums[digit] = _mm512_dpwssd_epi32(sums[digit], keys, q);
                }
            }
        }
    }
    sums
}

/// sat32(round_shift(dot * multiplier, total)) of 16 lanes; those outside of the mask are anything. A dot product is
/// `256 * sum1 + sum0`, or the sum of both parts of narrow keys.
///
/// Even and odd lanes go separately: `vpmuldq` multiplies the even 32-bit lanes into 64 bits in one step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
fn scale<const NARROW: bool>(sums: [__m512i; 2], totals: __m512i, multiplier: u32, mask: u16) -> __m512i {
    let factor = _mm512_set1_epi64(i64::from(multiplier));
    let product = |odd: bool| {
        let times = |v: __m512i| _mm512_mul_epi32(if odd { _mm512_srli_epi64(v, 32) } else { v }, factor);
        if NARROW {
            times(_mm512_add_epi32(sums[0], sums[1]))
        } else {
            _mm512_add_epi64(_mm512_slli_epi64(times(sums[0]), 8), times(sums[1]))
        }
    };
    if _mm512_mask_cmplt_epi32_mask(mask, totals, _mm512_set1_epi32(1)) != 0 {
        return scale_left([product(false), product(true)], totals, mask);
    }
    let rounded = |odd: bool| {
        let total = if odd {
            _mm512_srli_epi64(totals, 32)
        } else {
            _mm512_and_si512(totals, _mm512_set1_epi64(0xffff_ffff))
        };
        // 2^(total - 1): the one bit turned from the end of the word.
        let half = _mm512_rolv_epi64(_mm512_set1_epi64(i64::MIN), total);
        let y = _mm512_srav_epi64(_mm512_add_epi64(product(odd), half), total);
        let y = _mm512_max_epi64(y, _mm512_set1_epi64(i32::MIN.into()));
        _mm512_min_epi64(y, _mm512_set1_epi64(i32::MAX.into()))
    };
    _mm512_mask_shuffle_epi32(rounded(false), 0xaaaa, rounded(true), _MM_PERM_CDAB)
}

/// [`scale`] where a shift goes to the left; `products` of even and of odd lanes.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
fn scale_left(products: [__m512i; 2], totals: __m512i, mask: u16) -> __m512i {
    let (mut shifts, mut scores) = ([0_i32; TILE], [0_i32; TILE]);
    let mut halves = [[0_i64; TILE / 2]; 2];
    // SAFETY: 2 x 8 lanes of 8 bytes and 16 of 4 bytes.
    unsafe {
        _mm512_storeu_si512(halves[0].as_mut_ptr().cast(), products[0]);
        _mm512_storeu_si512(halves[1].as_mut_ptr().cast(), products[1]);
        _mm512_storeu_si512(shifts.as_mut_ptr().cast(), totals);
    }
    for lane in (0..TILE).filter(|lane| mask >> lane & 1 == 1) {
        scores[lane] = Shift::new(shifts[lane]).apply(halves[lane % 2][lane / 2]);
    }
    // SAFETY: 16 lanes of 4 bytes.
    unsafe { _mm512_loadu_si512(scores.as_ptr().cast()) }
}

/// Largest exponent of the visible values.
///
/// # Safety
/// As [`attend`].
#[target_feature(enable = "avx512f")]
unsafe fn top_exponent(cache: &HeadCache, tiles: &Tiles) -> i32 {
    let mut top = _mm512_set1_epi32(i32::MIN);
    for tile in 0..tiles.count {
        // SAFETY: exponents of a tile with a visible position.
        let exponents =
            unsafe { _mm512_loadu_si512(cache.value_exponents().add(tiles.base + tile * TILE).cast()) };
        top = _mm512_mask_max_epi32(top, tiles.mask(tile), top, exponents);
    }
    _mm512_reduce_max_epi32(top)
}
