//! Products with `vpdpbusd`: up to 6 rows by 32 channels of one digit, or by 16 or 32 channels of two.
//!
//! An activation is `x = u - 2^15` with `u = 256 * u1 + u0`, two unsigned digits, so
//! `sum w * x = 256 * sum w * u1 + sum w * u0 - 2^15 * sum w`: two products of digits for each digit of the weight.

use super::{LinearWeights, Output};
use crate::native::packed::{Block, PackedRows};
use crate::native::panels::{PANEL, STEP};
use std::arch::x86_64::*;
use std::ops::Range;

/// Channels of one vector of 32-bit sums.
const LANES: usize = 16;

/// Blocks whose packed rows stay in the second-level cache while all panels pass by: 96 rows.
const BLOCKS_NEAR: usize = 16;

/// Bytes that weights are asked for ahead of their use.
const AHEAD: usize = 4096;

/// The panel is near already.
const HELD: u8 = 0;
/// It comes from memory and the next blocks of rows read it again.
const AGAIN: u8 = 1;
/// It comes from memory for one block of rows: it should not displace what the caches hold.
const ONCE: u8 = 2;

/// Asks for a line of weights.
#[inline(always)]
fn prefetch<const FETCH: u8>(line: *const i8) {
    // SAFETY: a prefetch may point anywhere.
    unsafe {
        if FETCH == ONCE { _mm_prefetch::<_MM_HINT_NTA>(line) } else { _mm_prefetch::<_MM_HINT_T0>(line) }
    }
}

/// Steps of 4 terms before a lane of 32 bits can overflow.
/// One digit: 255 * 127 * 65,536 < 2^31. Two: the middle sum takes two products of 255 * 128 * 32,768 each, < 2^31.
const fn steps_max(digits: usize) -> usize {
    if digits == 1 { 65_536 / 4 } else { 32_768 / 4 }
}

/// # Safety
/// As [`super::linear`], which has checked the shapes; the machine has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) unsafe fn linear(
    weights: &LinearWeights<'_>,
    x: &PackedRows<'_>,
    s: &[i32],
    out: Output<'_>,
    panels: Range<usize>,
) {
    for near in (0..x.blocks()).step_by(BLOCKS_NEAR) {
        for panel in panels.clone() {
            for index in near..(near + BLOCKS_NEAR).min(x.blocks()) {
                let block = x.block(index);
                let tile = Tile {
                    weights,
                    s,
                    out,
                    panel,
                    block,
                    fetch: if index != near {
                        HELD
                    } else if x.blocks() == 1 {
                        ONCE
                    } else {
                        AGAIN
                    },
                };
                // SAFETY: a packed block of the rows that `s` and `out` have, and a panel of the weights.
                unsafe {
                    match block.rows {
                        1 => tile.run::<1>(),
                        2 => tile.run::<2>(),
                        3 => tile.run::<3>(),
                        4 => tile.run::<4>(),
                        5 => tile.run::<5>(),
                        _ => tile.run::<6>(),
                    }
                }
            }
        }
    }
}

/// 32 channels of a block of rows.
struct Tile<'a> {
    weights: &'a LinearWeights<'a>,
    s: &'a [i32],
    out: Output<'a>,
    panel: usize,
    block: Block,
    /// Where the panel comes from and whether it is needed again: `HELD`, `AGAIN` or `ONCE`.
    fetch: u8,
}

impl Tile<'_> {
    /// # Safety
    /// The block has R packed rows of k elements; `s` and `out` have these rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn run<const R: usize>(&self) {
        // SAFETY: by the caller's promise; halves are inside of the panel.
        unsafe {
            if self.weights.panels.digits == 1 {
                self.channels::<R, 2, 1>(0);
            } else if R <= 4 {
                self.channels::<R, 2, 2>(0);
            } else {
                // Three sums for each row and half: 36 registers if both halves went together.
                self.channels::<R, 1, 2>(0);
                self.channels::<R, 1, 2>(1);
            }
        }
    }

    /// H halves of the panel from `half` on: W (16 H, k) . x (R, k) -> y (R, 16 H).
    ///
    /// # Safety
    /// As [`Self::run`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn channels<const R: usize, const H: usize, const D: usize>(&self, half: usize) {
        let steps = self.weights.panels.k.div_ceil(4);
        let w = self.weights.panels.panel(self.panel).as_ptr().wrapping_add(half * 64);
        let mut acc = [[[_mm512_setzero_si512(); 2]; H]; R];
        for from in (0..steps).step_by(steps_max(D)) {
            let count = steps_max(D).min(steps - from);
            let (w, x) = (w.wrapping_add(from * D * STEP), self.block.start.wrapping_add(from * R * 8));
            // SAFETY: `count` steps of the panel and of the block.
            let sums = unsafe {
                match self.fetch {
                    HELD => digits::<R, H, D, HELD>(count, w, x),
                    ONCE => digits::<R, H, D, ONCE>(count, w, x),
                    _ => digits::<R, H, D, AGAIN>(count, w, x),
                }
            };
            for (acc, sums) in acc.iter_mut().flatten().zip(sums.iter().flatten()) {
                *acc = gather_digits::<D>(*acc, sums);
            }
        }
        for h in 0..H {
            let first = self.panel * PANEL + (half + h) * LANES;
            for octet in 0..2 {
                let (first, n) = (first + octet * 8, self.weights.panels.n);
                if first < n {
                    let acc = std::array::from_fn(|r| acc[r][h][octet]);
                    // SAFETY: channels of this worker, rows of the block.
                    unsafe { self.finish::<R>(first, (n - first).min(8), acc) };
                }
            }
        }
    }

    /// y of `lanes` channels of all rows.
    ///
    /// # Safety
    /// As [`Self::run`]; the channels exist.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn finish<const R: usize>(&self, first: usize, lanes: usize, acc: [__m512i; R]) {
        let weights = self.weights;
        let mask = (0xff_u16 >> (8 - lanes)) as u8;
        // SAFETY: masked loads of existing channels; row sums are padded to whole panels.
        let (sums, mult, shift) = unsafe {
            (
                _mm512_loadu_si512(weights.row_sums.as_ptr().add(first).cast()),
                _mm512_cvtepu16_epi64(_mm_maskz_loadu_epi16(mask, weights.mult.as_ptr().add(first).cast())),
                _mm512_cvtepi8_epi64(_mm_maskz_loadu_epi8(
                    u16::from(mask),
                    weights.shift.as_ptr().add(first),
                )),
            )
        };
        let offset = _mm512_slli_epi64(sums, 15);
        for (r, acc) in acc.into_iter().enumerate() {
            let t = self.block.first + r;
            let acc = _mm512_sub_epi64(acc, offset);
            // SAFETY: room for the row was checked.
            let y = unsafe { self.out.values.as_ptr().add(t * self.out.stride + first) };
            if weights.shift_min + self.s[t] < 1 {
                let mut exact = [0; 8];
                // SAFETY: 8 lanes of 8 bytes; `lanes` elements of the row.
                unsafe {
                    _mm512_storeu_si512(exact.as_mut_ptr().cast(), acc);
                    for (lane, acc) in exact.into_iter().take(lanes).enumerate() {
                        y.add(lane).write(weights.finish(first + lane, acc, self.s[t]));
                    }
                }
                continue;
            }
            let total = _mm512_add_epi64(shift, _mm512_set1_epi64(i64::from(self.s[t])));
            let one = _mm512_set1_epi64(1);
            let round = _mm512_sllv_epi64(one, _mm512_sub_epi64(total, one));
            let scaled = _mm512_mullo_epi64(acc, mult);
            let mut values =
                _mm512_cvtsepi64_epi32(_mm512_srav_epi64(_mm512_add_epi64(scaled, round), total));
            // SAFETY: masked load and store of existing channels.
            unsafe {
                if let Some(bias) = weights.bias {
                    let bias = _mm256_maskz_loadu_epi32(mask, bias.as_ptr().add(first));
                    let sum = _mm512_add_epi64(_mm512_cvtepi32_epi64(values), _mm512_cvtepi32_epi64(bias));
                    values = _mm512_cvtsepi64_epi32(sum);
                }
                _mm256_mask_storeu_epi32(y, mask, values);
            }
        }
    }
}

/// Sums of products of digits, [row][half][weight of the sum]: 256^1 and 256^0 for one digit, 256^2, 256^1 and
/// 256^0 for two.
///
/// # Safety
/// `w` has `steps` steps of D digits of a panel from its half on, `x` as many quads of R rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn digits<const R: usize, const H: usize, const D: usize, const FETCH: u8>(
    steps: usize,
    mut w: *const u8,
    mut x: *const u8,
) -> [[[__m512i; 3]; H]; R] {
    let mut sums = [[[_mm512_setzero_si512(); 3]; H]; R];
    for _ in 0..steps {
        // SAFETY: inside of the step and the quad as promised; a prefetch may point anywhere.
        unsafe {
            let mut high = [_mm512_setzero_si512(); H];
            let mut low = [_mm512_setzero_si512(); H];
            for h in 0..H {
                high[h] = _mm512_load_si512(w.add(h * 64).cast());
                if FETCH != HELD {
                    prefetch::<FETCH>(w.wrapping_add(AHEAD + h * 64).cast());
                }
                if D == 2 {
                    low[h] = _mm512_load_si512(w.add(STEP + h * 64).cast());
                    if FETCH != HELD {
                        prefetch::<FETCH>(w.wrapping_add(AHEAD + STEP + h * 64).cast());
                    }
                }
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let u1 = _mm512_set1_epi32(x.add(r * 8).cast::<i32>().read_unaligned());
                let u0 = _mm512_set1_epi32(x.add(r * 8 + 4).cast::<i32>().read_unaligned());
                for (h, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_dpbusd_epi32(sum[0], u1, high[h]);
                    sum[1] = _mm512_dpbusd_epi32(sum[1], u0, high[h]);
                    if D == 2 {
                        sum[1] = _mm512_dpbusd_epi32(sum[1], u1, low[h]);
                        sum[2] = _mm512_dpbusd_epi32(sum[2], u0, low[h]);
                    }
                }
            }
        }
        w = w.wrapping_add(D * STEP);
        x = x.wrapping_add(R * 8);
    }
    sums
}

/// Adds the weighted sums of digits to the exact sums of 8 + 8 channels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
fn gather_digits<const D: usize>(acc: [__m512i; 2], sums: &[__m512i; 3]) -> [__m512i; 2] {
    let horner = |sum: __m512i, digit: __m256i| {
        _mm512_add_epi64(_mm512_slli_epi64(sum, 8), _mm512_cvtepi32_epi64(digit))
    };
    let half = |i: usize| {
        let part = |v: __m512i| {
            if i == 0 { _mm512_castsi512_si256(v) } else { _mm512_extracti64x4_epi64(v, 1) }
        };
        let sum = horner(_mm512_cvtepi32_epi64(part(sums[0])), part(sums[1]));
        if D == 2 { horner(sum, part(sums[2])) } else { sum }
    };
    [_mm512_add_epi64(acc[0], half(0)), _mm512_add_epi64(acc[1], half(1))]
}

/// Writes the digits of a row's quads, `stride` bytes apart.
///
/// # Safety
/// `to` has 8 bytes at each of ceil(k/4) strides; the machine has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(crate) unsafe fn pack_row(x: &[i16], to: *mut u8, stride: usize) {
    // High bytes of 4 elements, then their low bytes.
    let quad = [1_i8, 3, 5, 7, 0, 2, 4, 6];
    let order: [i8; 64] = std::array::from_fn(|i| quad[i % 8] + (i / 8 * 8) as i8);
    // SAFETY: 64 bytes.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    for (index, part) in x.chunks(32).enumerate() {
        let mask = u32::MAX >> (32 - part.len());
        let mut quads = [0_u64; 8];
        // SAFETY: a masked load of the part; 64 bytes of quads.
        unsafe {
            let values = _mm512_maskz_loadu_epi16(mask, part.as_ptr());
            let flipped = _mm512_maskz_sub_epi16(mask, values, _mm512_set1_epi16(i16::MIN));
            _mm512_storeu_si512(quads.as_mut_ptr().cast(), _mm512_permutexvar_epi8(order, flipped));
        }
        for (quad, digits) in quads.into_iter().take(part.len().div_ceil(4)).enumerate() {
            // SAFETY: a quad of the row.
            unsafe { to.add((index * 8 + quad) * stride).cast::<u64>().write_unaligned(digits) };
        }
    }
}
