//! From the sums of digits of 16 channels to their values: scale, rounding, saturation, bias.
//!
//! Even and odd channels go separately: `vpmuldq` multiplies the even 32-bit lanes into 64 bits in one step, while
//! widening the lanes first would cost a permutation and a slow 64-bit product for each half.

use super::LinearWeights;
use std::arch::x86_64::*;

/// Channels of one vector of 32-bit sums.
pub(super) const LANES: usize = 16;

/// 64-bit lanes of the even channels, and of the odd ones.
pub(super) type Pair = [__m512i; 2];

/// What 16 channels multiply, shift and add, worked out once for all rows of a block.
pub(super) struct Channels<'a> {
    weights: &'a LinearWeights<'a>,
    first: usize,
    mask: u16,
    factors: Pair,
    /// What the offset of the activations adds to the products: offset * sum w * mult.
    offsets: Pair,
    /// Shifts, less one.
    shifts: Pair,
    biases: Option<Pair>,
}

impl<'a> Channels<'a> {
    /// `offset` was added to each activation before it was cut into digits.
    ///
    /// # Safety
    /// `first` is a channel at the start of a half panel.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    pub(super) unsafe fn new(weights: &'a LinearWeights<'a>, first: usize, offset: i64) -> Self {
        let mask = u16::MAX >> (LANES - (weights.panels.n - first).min(LANES));
        // SAFETY: masked loads of existing channels; row sums are padded to whole panels.
        let (sums, mult, shift, bias) = unsafe {
            let sums = weights.row_sums.as_ptr().add(first);
            (
                [_mm512_loadu_si512(sums.cast()), _mm512_loadu_si512(sums.add(LANES / 2).cast())],
                _mm256_maskz_loadu_epi16(mask, weights.mult.as_ptr().add(first).cast()),
                _mm_maskz_loadu_epi8(mask, weights.shift.as_ptr().add(first)),
                weights.bias.map(|bias| _mm512_maskz_loadu_epi32(mask, bias.as_ptr().add(first))),
            )
        };
        let factors = signed(_mm512_cvtepu16_epi32(mult));
        let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
        let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
        let added = |order: __m512i, factor: __m512i| {
            let sums = _mm512_permutex2var_epi64(sums[0], order, sums[1]);
            _mm512_mullo_epi64(_mm512_mullo_epi64(sums, _mm512_set1_epi64(offset)), factor)
        };
        Self {
            weights,
            first,
            mask,
            factors,
            offsets: [added(even, factors[0]), added(odd, factors[1])],
            shifts: signed(_mm512_sub_epi32(_mm512_cvtepi8_epi32(shift), _mm512_set1_epi32(1))),
            biases: bias.map(|bias| signed(bias)),
        }
    }

    /// Products of the channels' sums, `256^D sums[0] + ..`, and their factors.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    pub(super) fn products<const D: usize>(&self, sums: &[__m512i; 3]) -> Pair {
        let product = |factor: __m512i, odd: bool| {
            let one =
                |sum: __m512i| _mm512_mul_epi32(if odd { _mm512_srli_epi64(sum, 32) } else { sum }, factor);
            let horner = |high: __m512i, sum: __m512i| _mm512_add_epi64(_mm512_slli_epi64(high, 8), one(sum));
            let product = horner(one(sums[0]), sums[1]);
            if D == 2 { horner(product, sums[2]) } else { product }
        };
        [product(self.factors[0], false), product(self.factors[1], true)]
    }

    /// Writes y of a row with shift `s`.
    ///
    /// # Safety
    /// `row` has these channels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    pub(super) unsafe fn store(&self, products: Pair, s: i32, row: *mut i32) {
        let products: Pair = std::array::from_fn(|i| _mm512_sub_epi64(products[i], self.offsets[i]));
        // SAFETY: the channels of the row that exist.
        unsafe {
            let y = row.add(self.first);
            if self.weights.shift_min + s < 1 {
                return self.store_left(products, s, y);
            }
            let [even, odd] = std::array::from_fn(|i| {
                // floor((floor(x / 2^(t-1)) + 1) / 2) = floor((x + 2^(t-1)) / 2^t)
                let near = _mm512_add_epi64(self.shifts[i], _mm512_set1_epi64(s.into()));
                let near = _mm512_add_epi64(_mm512_srav_epi64(products[i], near), _mm512_set1_epi64(1));
                let y = saturated(_mm512_srai_epi64(near, 1));
                self.biases.map_or(y, |biases| saturated(_mm512_add_epi64(y, biases[i])))
            });
            let values = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
            _mm512_mask_storeu_epi32(y, self.mask, values);
        }
    }

    /// [`Self::store`] where a shift goes to the left.
    ///
    /// # Safety
    /// `y` are these channels of a row.
    #[cold]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
    unsafe fn store_left(&self, products: Pair, s: i32, y: *mut i32) {
        let mut exact = [[0; LANES / 2]; 2];
        for lane in 0..self.mask.count_ones() as usize {
            // SAFETY: 8 lanes of 8 bytes; an existing channel.
            unsafe {
                _mm512_storeu_si512(exact[lane % 2].as_mut_ptr().cast(), products[lane % 2]);
                y.add(lane).write(self.weights.scaled(self.first + lane, exact[lane % 2][lane / 2], s));
            }
        }
    }
}

/// Even and odd 32-bit lanes as 64 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
fn signed(lanes: __m512i) -> Pair {
    [_mm512_srai_epi64(_mm512_slli_epi64(lanes, 32), 32), _mm512_srai_epi64(lanes, 32)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) fn saturated(y: __m512i) -> __m512i {
    let y = _mm512_max_epi64(y, _mm512_set1_epi64(i32::MIN.into()));
    _mm512_min_epi64(y, _mm512_set1_epi64(i32::MAX.into()))
}
