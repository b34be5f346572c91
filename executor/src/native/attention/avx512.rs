//! Scores and weights with AVX-512.
//!
//! A query is two signed digits, `q = 256 * q1 + q0`, |digit| <= 128. A lane of `vpdpwssd` sums digit times key over
//! the head's dims: 128 * 32,767 * 512 < 2^31, so the sums are exact and the dot product is `256 * sum1 + sum0`.

use super::cache::{HEAD_DIM_MAX, HeadCache, TILE};
use super::mix512;
use super::scratch::CHUNK;
use super::{EXP_ENTRIES, Law, Query, Scratch, finish};
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
        scratch.digits.resize(heads * 3 * scratch.stride, 0);
        scratch.depths.resize(heads * scratch.stride / CHUNK, 0);
        for head in 0..heads {
            weigh(cache, law.exp, &tiles, scratch, head);
        }
        mix512::mix::<NARROW>(cache, scratch, heads);
    }
    finish(law, scratch, cache.head_dim(), out);
}

/// The tiles of a query's visible positions.
struct Tiles {
    base: usize,
    count: usize,
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
    fn mask(&self, tile: usize) -> u16 {
        let first = if tile == 0 { u16::MAX << self.before } else { u16::MAX };
        let last = if tile + 1 == self.count { u16::MAX >> (TILE - self.last) } else { u16::MAX };
        first & last
    }
}

/// Elements of a digit of a query, padded.
const ROW: usize = HEAD_DIM_MAX;

/// Digits of some queries (heads, head_dim): `[head] [q1, q0] [ROW]`, zero from head_dim to a whole vector.
#[target_feature(enable = "avx512f,avx512bw")]
fn split(q: &[i16], head_dim: usize, queries: &mut Vec<i16>) {
    queries.resize(2 * HEADS * ROW, 0);
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
    split(&query.q[first * dims..][..G * dims], dims, &mut scratch.queries);
    let tiles = Tiles::of(query, scratch);
    let mut tops = [_mm512_set1_epi32(i32::MIN); G];
    for tile in (0..tiles.count).step_by(2) {
        let pair = (tiles.count - tile).min(2);
        let at = tiles.base / TILE + tile;
        // SAFETY: one or two tiles with visible positions, and the digits of G queries.
        let sums = unsafe {
            let keys = (tile_at::<NARROW>(cache, at), tile_at::<NARROW>(cache, at + pair - 1));
            dots::<G, NARROW>(cache.pairs(), keys.0, keys.1, scratch.queries.as_ptr())
        };
        for (part, tile) in (tile..tile + pair).enumerate() {
            let (mask, place) = (tiles.mask(tile), tile * TILE);
            // SAFETY: exponents of a tile with a visible position.
            let exponents =
                unsafe { _mm512_loadu_si512(cache.key_exponents().add(tiles.base + place).cast()) };
            for g in 0..G {
                let shift = law.shift - query.exponents[first + g];
                let totals = _mm512_sub_epi32(_mm512_set1_epi32(shift), exponents);
                let score = scale(sums[g][part], totals, law.multiplier, mask);
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

fn tile_at<const NARROW: bool>(cache: &HeadCache, tile: usize) -> *const u8 {
    if NARROW { cache.keys::<i8>(tile).cast() } else { cache.keys::<i16>(tile).cast() }
}

/// Keys (2 tiles, 16, head_dim) . digits of q (G, head_dim) -> sums [head][tile][q1, q0] of 16 lanes.
///
/// # Safety
/// Both tiles have `pairs` pairs of dims, `queries` the digits of G queries.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn dots<const G: usize, const NARROW: bool>(
    pairs: usize,
    mut left: *const u8,
    mut right: *const u8,
    queries: *const i16,
) -> [[[__m512i; 2]; 2]; G] {
    let mut sums = [[[_mm512_setzero_si512(); 2]; 2]; G];
    for pair in 0..pairs {
        // SAFETY: as many pairs as promised.
        let keys = unsafe { [mix512::load::<NARROW>(left), mix512::load::<NARROW>(right)] };
        for (g, sums) in sums.iter_mut().enumerate() {
            let [one, other] = sums;
            for (digit, (one, other)) in one.iter_mut().zip(other).enumerate() {
                let at = (2 * g + digit) * ROW + 2 * pair;
                // SAFETY: two elements of the digit.
                let q = _mm512_set1_epi32(unsafe { queries.add(at).cast::<i32>().read_unaligned() });
                *one = _mm512_dpwssd_epi32(*one, keys[0], q);
                *other = _mm512_dpwssd_epi32(*other, keys[1], q);
            }
        }
        left = left.wrapping_add(mix512::bytes::<NARROW>());
        right = right.wrapping_add(mix512::bytes::<NARROW>());
    }
    sums
}

/// sat32(round_shift((256 * sum1 + sum0) * multiplier, total)) of 16 lanes; those outside of the mask are anything.
///
/// Even and odd lanes go separately: `vpmuldq` multiplies the even 32-bit lanes into 64 bits in one step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
fn scale(sums: [__m512i; 2], totals: __m512i, multiplier: u32, mask: u16) -> __m512i {
    let factor = _mm512_set1_epi64(i64::from(multiplier));
    let product = |odd: bool| {
        let lanes = |v: __m512i| if odd { _mm512_srli_epi64(v, 32) } else { v };
        let high = _mm512_mul_epi32(lanes(sums[0]), factor);
        _mm512_add_epi64(_mm512_slli_epi64(high, 8), _mm512_mul_epi32(lanes(sums[1]), factor))
    };
    if _mm512_mask_cmplt_epi32_mask(mask, totals, _mm512_set1_epi32(1)) != 0 {
        return scale_left([product(false), product(true)], totals, mask);
    }
    let (one, low) = (_mm512_set1_epi64(1), _mm512_set1_epi64(0xffff_ffff));
    let rounded = |odd: bool| {
        let total = if odd { _mm512_srli_epi64(totals, 32) } else { _mm512_and_si512(totals, low) };
        let round = _mm512_sllv_epi64(one, _mm512_sub_epi64(total, one));
        let y = _mm512_srav_epi64(_mm512_add_epi64(product(odd), round), total);
        let y = _mm512_max_epi64(y, _mm512_set1_epi64(i32::MIN.into()));
        _mm512_min_epi64(y, _mm512_set1_epi64(i32::MAX.into()))
    };
    _mm512_mask_blend_epi32(0xaaaa, rounded(false), _mm512_slli_epi64(rounded(true), 32))
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

#[inline]
#[target_feature(enable = "avx512f")]
fn half_of(v: __m512i, half: i32) -> __m256i {
    if half == 0 { _mm512_castsi512_si256(v) } else { _mm512_extracti64x4_epi64(v, 1) }
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

/// Weights of a head, their sum, and the digits of the weights aligned to the values.
///
/// # Safety
/// As [`attend`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn weigh(
    cache: &HeadCache,
    exp: &[i32; EXP_ENTRIES],
    tiles: &Tiles,
    scratch: &mut Scratch,
    head: usize,
) {
    let stride = scratch.stride;
    let top = _mm512_set1_epi32(scratch.tops[head]);
    let vtop = _mm512_set1_epi32(scratch.vtop);
    let far = _mm512_set1_epi32(31);
    let mut total = _mm512_setzero_si512();
    let [low, middle, high] = {
        let (low, rest) = scratch.digits[head * 3 * stride..][..3 * stride].split_at_mut(stride);
        let (middle, high) = rest.split_at_mut(stride);
        [low, middle, high]
    };
    for chunk in 0..stride / CHUNK {
        let mut seen = [_mm512_setzero_si512(); 3];
        for tile in chunk * CHUNK / TILE..(chunk + 1) * CHUNK / TILE {
            let place = tile * TILE;
            let mut digits = [_mm512_setzero_si512(); 3];
            if tile < tiles.count {
                let mask = tiles.mask(tile);
                // SAFETY: 16 scores and exponents of a tile with a visible position; table indices below 4096.
                let (weight, exponents) = unsafe {
                    let score = _mm512_loadu_si512(scratch.scores.as_ptr().add(head * stride + place).cast());
                    let d = _mm512_sub_epi32(top, score);
                    let index =
                        _mm512_and_si512(_mm512_srli_epi32(d, 8), _mm512_set1_epi32(EXP_ENTRIES as i32 - 1));
                    let octaves = _mm512_srli_epi32(d, 20);
                    let near = _mm512_mask_cmplt_epu32_mask(mask, octaves, far);
                    let zero = _mm512_setzero_si512();
                    let entry = if near == 0 {
                        zero
                    } else {
                        _mm512_mask_i32gather_epi32::<4>(zero, near, index, exp.as_ptr())
                    };
                    let exponents = cache.value_exponents().add(tiles.base + place);
                    (_mm512_srlv_epi32(entry, octaves), _mm512_loadu_si512(exponents.cast()))
                };
                // SAFETY: 16 weights.
                unsafe {
                    _mm512_storeu_si512(
                        scratch.weights.as_mut_ptr().add(head * stride + place).cast(),
                        weight,
                    )
                };
                let wide = _mm512_add_epi64(
                    _mm512_cvtepu32_epi64(half_of(weight, 0)),
                    _mm512_cvtepu32_epi64(half_of(weight, 1)),
                );
                total = _mm512_add_epi64(total, wide);
                let below = _mm512_min_epu32(_mm512_sub_epi32(vtop, exponents), far);
                digits = mix512::split(_mm512_srlv_epi32(weight, below));
            }
            for ((digit, seen), to) in
                digits.into_iter().zip(&mut seen).zip([&mut *low, &mut *middle, &mut *high])
            {
                *seen = _mm512_or_si512(*seen, digit);
                let to = &mut to[place..place + TILE];
                // SAFETY: 16 digits of 2 bytes.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(digit)) };
            }
        }
        let depth =
            (0..3).rev().find(|&i| _mm512_test_epi32_mask(seen[i], seen[i]) != 0).map_or(0, |i| i + 1);
        scratch.depths[head * (stride / CHUNK) + chunk] = depth as u8;
    }
    scratch.totals[head] = _mm512_reduce_add_epi64(total);
}
