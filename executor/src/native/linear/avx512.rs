//! Products with `vpdpbusd`: up to 6 rows by 32 channels of one digit, or by 16 or 32 channels of two.
//!
//! An activation is `x = u - 2^15` with `u = 256 * u1 + u0`, two unsigned digits, so
//! `sum w * x = 256 * sum w * u1 + sum w * u0 - 2^15 * sum w`: two products of digits for each digit of the weight.

use super::finish512::{Channels, LANES, Pair};
use super::short512::Short;
use super::{LinearWeights, Output};
use crate::native::packed::{Block, PackedRows};
use crate::native::panels::{PANEL, STEP};
use std::arch::x86_64::*;
use std::ops::Range;

/// What is added to each activation before it is cut into unsigned digits.
const OFFSET: i64 = 1 << 15;

/// Blocks whose packed rows stay in the second-level cache while all panels pass by: 132 rows.
const BLOCKS_NEAR: usize = 22;

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
    blocks: &[Range<usize>],
) {
    let all = || blocks.iter().cloned().flatten();
    let count = all().count();
    for near in (0..count).step_by(BLOCKS_NEAR) {
        for panel in panels.clone() {
            for (place, index) in all().enumerate().skip(near).take(BLOCKS_NEAR) {
                let block = x.block(index);
                let tile = Tile {
                    weights,
                    s,
                    out,
                    panel,
                    block,
                    fetch: if place != near {
                        HELD
                    } else if count == 1 {
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
        let first = self.panel * PANEL + half * LANES;
        let halves = self.weights.panels.n.saturating_sub(first).div_ceil(LANES).min(H);
        // SAFETY: the panel and the block have these steps; halves that exist.
        unsafe {
            if steps > steps_max(D) {
                return self.long::<R, H, D>(half, halves);
            }
            let shift = self.s[self.block.first..][..R].iter().fold(i32::MAX, |low, s| low.min(*s));
            if D == 1 && Short::fits(self.weights, self.panel, shift) {
                return self.short::<R, H>(half, halves);
            }
            let sums = self.sums::<R, H, D>(half, 0..steps, [_mm512_setzero_si512(); H]);
            for (h, first) in (first..).step_by(LANES).take(halves).enumerate() {
                let channels = Channels::new(self.weights, first, OFFSET);
                for (r, sums) in sums.iter().enumerate() {
                    self.store(&channels, r, channels.products::<D>(&sums[h]));
                }
            }
        }
    }

    /// [`Self::channels`] of one digit where the panel's accumulators fit 32 bits.
    ///
    /// # Safety
    /// As [`Self::run`]; `halves` exist.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn short<const R: usize, const H: usize>(&self, half: usize, halves: usize) {
        let steps = self.weights.panels.k.div_ceil(4);
        let first = self.panel * PANEL + half * LANES;
        let mut starts = [_mm512_setzero_si512(); H];
        for (h, start) in starts.iter_mut().enumerate() {
            // SAFETY: a half of the panel, whether it has channels or not.
            *start = unsafe { Short::start(self.weights, first + h * LANES) };
        }
        // SAFETY: by the caller's promise; room for the rows was checked.
        unsafe {
            let sums = self.sums::<R, H, 1>(half, 0..steps, starts);
            let y = self.out.values.as_ptr().add(self.block.first * self.out.stride + first);
            for h in 0..H {
                if h < halves {
                    let channels = Short::new(self.weights, first + h * LANES);
                    for (r, sums) in sums.iter().enumerate() {
                        let s = _mm512_set1_epi64(self.s[self.block.first + r].into());
                        let [high, low, _] = sums[h];
                        channels.store([high, low], s, y.add(r * self.out.stride + h * LANES));
                    }
                }
            }
        }
    }

    /// [`Self::channels`] of more terms than a lane of 32 bits sums.
    ///
    /// # Safety
    /// As [`Self::run`]; `halves` exist.
    #[cold]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn long<const R: usize, const H: usize, const D: usize>(&self, half: usize, halves: usize) {
        let steps = self.weights.panels.k.div_ceil(4);
        let mut products = [[[_mm512_setzero_si512(); 2]; H]; R];
        for h in 0..halves {
            // SAFETY: as above.
            unsafe {
                let channels = Channels::new(self.weights, self.panel * PANEL + (half + h) * LANES, OFFSET);
                for from in (0..steps).step_by(steps_max(D)) {
                    let part = from..steps.min(from + steps_max(D));
                    let sums = self.sums::<R, H, D>(half, part, [_mm512_setzero_si512(); H]);
                    for (products, sums) in products.iter_mut().zip(sums) {
                        for (all, part) in products[h].iter_mut().zip(channels.products::<D>(&sums[h])) {
                            *all = _mm512_add_epi64(*all, part);
                        }
                    }
                }
                for (r, products) in products.iter().enumerate() {
                    self.store(&channels, r, products[h]);
                }
            }
        }
    }

    /// Sums of some steps; the lowest sum of each half starts where it is told.
    ///
    /// # Safety
    /// As [`Self::run`]; the panel has the steps.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn sums<const R: usize, const H: usize, const D: usize>(
        &self,
        half: usize,
        steps: Range<usize>,
        starts: [__m512i; H],
    ) -> [[[__m512i; 3]; H]; R] {
        let panel = self.weights.panels.panel(self.panel).as_ptr();
        let w = panel.wrapping_add(half * 64 + steps.start * D * STEP);
        let x = self.block.start.wrapping_add(steps.start * R * 8);
        // SAFETY: by the caller's promise.
        unsafe {
            match self.fetch {
                HELD => digits::<R, H, D, HELD>(steps.len(), w, x, starts),
                ONCE => digits::<R, H, D, ONCE>(steps.len(), w, x, starts),
                _ => digits::<R, H, D, AGAIN>(steps.len(), w, x, starts),
            }
        }
    }

    /// Writes y of row `r` of the block.
    ///
    /// # Safety
    /// As [`Self::run`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn store(&self, channels: &Channels<'_>, r: usize, products: Pair) {
        let t = self.block.first + r;
        // SAFETY: room for the row was checked.
        unsafe { channels.store(products, self.s[t], self.out.values.as_ptr().add(t * self.out.stride)) };
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
    starts: [__m512i; H],
) -> [[[__m512i; 3]; H]; R] {
    let mut sums = [[[_mm512_setzero_si512(); 3]; H]; R];
    for sums in &mut sums {
        for (sum, start) in sums.iter_mut().zip(starts) {
            sum[D] = start;
        }
    }
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
