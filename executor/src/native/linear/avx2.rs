//! Products with `vpmaddwd` on weights widened to 16 bits: 16 channels by up to 2 rows at a time.
//!
//! A 256-bit vector holds 4 channels by 4 terms; `vpmaddwd` leaves two 32-bit sums for each channel.

use super::{LinearWeights, Output};
use crate::native::packed::PackedRows;
use crate::native::panels::STEP;
use std::arch::x86_64::*;
use std::ops::Range;

const HALF: usize = 16;
/// Bytes of one digit of four terms of half a panel.
const HALF_STEP: usize = STEP / 2;

/// Steps of 4 terms before a lane of 32 bits can overflow. Each step adds 2 products to it:
/// w8: 2 * 127 * 32,767 * 256 < 2^31; w16: 2 * 32,639 * 32,767 < 2^31, once.
const fn steps_max(digits: usize) -> usize {
    if digits == 1 { 256 } else { 1 }
}

/// # Safety
/// As [`super::linear`], which has checked the shapes.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn linear(
    weights: &LinearWeights<'_>,
    x: &PackedRows<'_>,
    s: &[i32],
    out: Output<'_>,
    panels: Range<usize>,
    rows: Range<usize>,
) {
    for panel in panels {
        for half in 0..2 {
            let channels = weights.channels(panel);
            let first = (channels.start + half * HALF).min(channels.end);
            let channels = first..(first + HALF).min(channels.end);
            for t in rows.clone().step_by(2) {
                let rows = (rows.end - t).min(2);
                // SAFETY: the panel has ceil(k/4) steps of all digits, the rows as many quads.
                let acc = unsafe {
                    let w = weights.panels.panel(panel).as_ptr().add(half * HALF_STEP);
                    let x = [x.words(t), x.words(t + rows - 1)];
                    match (weights.panels.digits, rows) {
                        (1, 1) => dot::<1, 1>(w, x),
                        (1, _) => dot::<1, 2>(w, x),
                        (_, 1) => dot::<2, 1>(w, x),
                        _ => dot::<2, 2>(w, x),
                    }
                };
                for (t, acc) in (t..t + rows).zip(acc) {
                    let row = t * out.stride;
                    // SAFETY: this worker's channels of row t.
                    let y = unsafe { out.values.slice_mut(row + channels.start..row + channels.end) };
                    for ((y, c), acc) in y.iter_mut().zip(channels.clone()).zip(acc) {
                        *y = weights.finish(c, acc, s[t]);
                    }
                }
            }
        }
    }
}

/// W (16, k) . x (R, k) -> acc (R, 16), D digits.
///
/// # Safety
/// `w` has `x[0].len() / 4` steps of D digits of a whole panel from its half on.
#[target_feature(enable = "avx2")]
unsafe fn dot<const D: usize, const R: usize>(w: *const u8, x: [&[i16]; 2]) -> [[i64; HALF]; 2] {
    let mut acc = [[0; HALF]; 2];
    let steps = x[0].len() / 4;
    for from in (0..steps).step_by(steps_max(D)) {
        let mut sums = [[_mm256_setzero_si256(); 4]; R];
        for step in from..(from + steps_max(D)).min(steps) {
            let w = w.wrapping_add(step * D * STEP);
            for quarter in 0..4 {
                // SAFETY: inside of the panel as promised; 4 elements of a row of `4 * steps`.
                let (digits, low) =
                    unsafe { (widen(w, quarter), widen(w.wrapping_add((D - 1) * STEP), quarter)) };
                let w = if D == 2 { _mm256_add_epi16(_mm256_slli_epi16(digits, 8), low) } else { digits };
                for (sums, x) in sums.iter_mut().zip(x) {
                    // SAFETY: as above.
                    let x = unsafe { x.as_ptr().add(step * 4).cast::<i64>().read_unaligned() };
                    let products = _mm256_madd_epi16(w, _mm256_set1_epi64x(x));
                    sums[quarter] = _mm256_add_epi32(sums[quarter], products);
                }
            }
        }
        for (acc, sums) in acc.iter_mut().zip(sums) {
            for (acc, sums) in acc.chunks_exact_mut(4).zip(sums) {
                let mut lanes = [0i32; 8];
                // SAFETY: 8 lanes of 4 bytes.
                unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums) };
                for (acc, pair) in acc.iter_mut().zip(lanes.chunks_exact(2)) {
                    *acc += i64::from(pair[0]) + i64::from(pair[1]);
                }
            }
        }
    }
    acc
}

/// 4 channels by 4 terms as 16 bits.
///
/// # Safety
/// `w` has 64 bytes.
#[target_feature(enable = "avx2")]
unsafe fn widen(w: *const u8, quarter: usize) -> __m256i {
    // SAFETY: 16 of the 64 bytes.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(w.add(quarter * 16).cast()) })
}
