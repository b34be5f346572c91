//! Attention as plain loops over the cache's tiles.

use super::cache::{HeadCache, TILE, lane};
use super::{EXP_ENTRIES, Law, Query, Scratch, finish};
use crate::native::shift::Shift;

/// # Safety
/// As [`super::attend`], which has checked the shapes; `T` is the cache's element; the machine has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2<T: Copy + Into<i32>>(
    cache: &HeadCache,
    query: &Query<'_>,
    law: &Law<'_>,
    scratch: &mut Scratch,
    out: &mut [i32],
) {
    // SAFETY: by the caller's promise.
    unsafe { portable::<T>(cache, query, law, scratch, out) }
}

/// # Safety
/// As [`super::attend`], which has checked the shapes; `T` is the cache's element.
#[inline(always)]
pub(super) unsafe fn portable<T: Copy + Into<i32>>(
    cache: &HeadCache,
    query: &Query<'_>,
    law: &Law<'_>,
    scratch: &mut Scratch,
    out: &mut [i32],
) {
    let (base, stride, visible) = (scratch.base, scratch.stride, query.visible.clone());
    let inside = visible.start - base..visible.end - base;
    // SAFETY: both have room for whole tiles up to the last visible position, which are only read now.
    let (key_exponents, value_exponents) = unsafe {
        let len = visible.end - base;
        (
            std::slice::from_raw_parts(cache.key_exponents().add(base), len),
            std::slice::from_raw_parts(cache.value_exponents().add(base), len),
        )
    };
    scratch.vtop = value_exponents[inside.clone()].iter().copied().max().unwrap_or(0);
    for (h, q) in query.q.chunks_exact(cache.head_dim()).enumerate() {
        let scores = &mut scratch.scores[h * stride..][..stride];
        let shift = law.shift - query.exponents[h];
        for (tile, scores) in scores.chunks_exact_mut(TILE).enumerate().take(inside.end.div_ceil(TILE)) {
            // SAFETY: a tile with a visible position.
            let dots = unsafe { dots(cache.keys::<T>(base / TILE + tile), q) };
            for (s, (score, dot)) in (tile * TILE..).zip(scores.iter_mut().zip(dots)) {
                if inside.contains(&s) {
                    *score = Shift::new(shift - key_exponents[s]).apply(dot * i64::from(law.multiplier));
                }
            }
        }
        let scores = &scores[inside.clone()];
        let top = scores.iter().copied().max().unwrap_or(0);
        let weights = &mut scratch.weights[h * stride..][inside.clone()];
        scratch.totals[h] = weigh(scores, top, law.exp, weights);
        scratch.tops[h] = top;
        let acc = &mut scratch.acc[h * cache.width()..][..cache.width()];
        for (s, &w) in inside.clone().zip(&*weights) {
            let w = i64::from(w >> (scratch.vtop - value_exponents[s]).min(31));
            let position = base + s;
            // SAFETY: the lanes of a visible position have `width` values of each of their positions.
            let values = unsafe {
                let first = cache.values::<T>(position / lane::<T>() * lane::<T>());
                std::slice::from_raw_parts(first, cache.width() * lane::<T>())
            };
            for (acc, v) in acc.iter_mut().zip(values.chunks_exact(lane::<T>())) {
                *acc += w * i64::from(v[position % lane::<T>()].into());
            }
        }
    }
    finish(law, scratch, cache.head_dim(), out);
}

/// Keys (16, head_dim) of a tile . q (head_dim) -> (16)
///
/// # Safety
/// `keys` is a tile of head_dim dims.
#[inline(always)]
unsafe fn dots<T: Copy + Into<i32>>(keys: *const T, q: &[i16]) -> [i64; TILE] {
    let mut dots = [0; TILE];
    for (pair, q) in q.chunks(2).enumerate() {
        let q: [i32; 2] = std::array::from_fn(|i| q.get(i).map_or(0, |&q| i32::from(q)));
        // SAFETY: inside of the tile.
        let keys = unsafe { &*keys.add(pair * TILE * 2).cast::<[[T; 2]; TILE]>() };
        for (dot, k) in dots.iter_mut().zip(keys) {
            // 2 * 32,767^2 < 2^31.
            *dot += i64::from(q[0] * k[0].into() + q[1] * k[1].into());
        }
    }
    dots
}

/// Weights of scores, and their sum.
#[inline(always)]
fn weigh(scores: &[i32], top: i32, exp: &[i32; EXP_ENTRIES], weights: &mut [i32]) -> i64 {
    let mut total = 0;
    for (weight, &score) in weights.iter_mut().zip(scores) {
        // The distance of two i32 is a u32.
        let d = top.wrapping_sub(score) as u32;
        *weight = exp[(d >> 8) as usize % EXP_ENTRIES] >> (d >> 20).min(31);
        total += i64::from(*weight);
    }
    total
}
