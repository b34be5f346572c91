//! From the sums of digits of 16 channels to their values where accumulators fit 32 bits: the usual case, and half the
//! work of `finish512`.
//!
//! An accumulator that fits is known from its low 32 bits, so the sums may wrap: `acc = 256 * sums[0] + sums[1]`, where
//! the second sum starts at `-2^15 * sum w` and so contains the offset of unsigned activations. Then
//! |acc * mult| < 2^47, and adding half a unit of a shift of up to 62 bits does not leave 64.

use super::LinearWeights;
use super::finish512::{LANES, Pair, saturated};
use std::arch::x86_64::*;

/// What 16 channels multiply and shift, worked out once for all rows of a block.
pub(super) struct Short {
    mask: u16,
    factors: Pair,
    shifts: Pair,
}

impl Short {
    /// Do the channels of a panel fit, for rows with shifts of at least `s`.
    #[inline]
    pub(super) fn fits(weights: &LinearWeights<'_>, panel: usize, s: i32) -> bool {
        weights.panels.digits == 1
            && weights.bias.is_none()
            && weights.reach[panel] <= i64::from(i32::MAX)
            && weights.shift_min + s >= 1
    }

    /// What the lower sums of the channels from `first` on start at.
    ///
    /// # Safety
    /// `first` is a channel at the start of a half panel.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    pub(super) unsafe fn start(weights: &LinearWeights<'_>, first: usize) -> __m512i {
        // SAFETY: row sums are padded to whole panels.
        let (low, high) = unsafe {
            let sums = weights.row_sums.as_ptr().add(first);
            (_mm512_loadu_si512(sums.cast()), _mm512_loadu_si512(sums.add(LANES / 2).cast()))
        };
        let sums = _mm512_inserti64x4(
            _mm512_castsi256_si512(_mm512_cvtepi64_epi32(low)),
            _mm512_cvtepi64_epi32(high),
            1,
        );
        _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sums, 15))
    }

    /// # Safety
    /// As [`Self::start`], and the channel exists.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    pub(super) unsafe fn new(weights: &LinearWeights<'_>, first: usize) -> Self {
        let mask = u16::MAX >> (LANES - (weights.panels.n - first).min(LANES));
        // SAFETY: masked loads of existing channels.
        let (mult, shift) = unsafe {
            (
                _mm256_maskz_loadu_epi16(mask, weights.mult.as_ptr().add(first).cast()),
                _mm_maskz_loadu_epi8(mask, weights.shift.as_ptr().add(first)),
            )
        };
        let (mult, shift) = (_mm512_cvtepu16_epi32(mult), _mm512_cvtepi8_epi32(shift));
        Self {
            mask,
            // A product reads the lower half of each 64 bits.
            factors: [mult, _mm512_srli_epi64(mult, 32)],
            shifts: [_mm512_srai_epi64(_mm512_slli_epi64(shift, 32), 32), _mm512_srai_epi64(shift, 32)],
        }
    }

    /// Writes y of a row with shift `s` from the channels' sums.
    ///
    /// # Safety
    /// `y` are these channels of a row.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    pub(super) unsafe fn store(&self, [high, low]: [__m512i; 2], s: __m512i, y: *mut i32) {
        let acc = _mm512_add_epi32(_mm512_slli_epi32(high, 8), low);
        let rounded = |acc: __m512i, i: usize| {
            let shift = _mm512_add_epi64(self.shifts[i], s);
            // 2^(shift - 1): the one bit turned from the end of the word.
            let half = _mm512_rolv_epi64(_mm512_set1_epi64(i64::MIN), shift);
            let product = _mm512_mul_epi32(acc, self.factors[i]);
            saturated(_mm512_srav_epi64(_mm512_add_epi64(product, half), shift))
        };
        let (even, odd) = (rounded(acc, 0), rounded(_mm512_srli_epi64(acc, 32), 1));
        let values = _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB);
        // SAFETY: the channels of the row that exist.
        unsafe { _mm512_mask_storeu_epi32(y, self.mask, values) };
    }
}
