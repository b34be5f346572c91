//! From sums of digits that somebody else made to the values of a product.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::finish512::{Channels, LANES};
use super::{LinearWeights, Output};
use crate::native::isa::{Isa, Level};

/// What is added to each activation before it is cut into signed digits.
const OFFSET: i64 = -128;

/// Sums of products of digits for some rows and channels (rows, channels), in descending weight. Weights of one digit
/// have no third ones.
pub(in crate::native) struct Sums<'a> {
    pub(in crate::native) high: &'a [i32],
    pub(in crate::native) middle: &'a [i32],
    pub(in crate::native) low: &'a [i32],
}

/// y of some channels of the rows from `first` on, whose shifts are `s`.
///
/// # Safety
/// Nobody else reads or writes these channels of the rows before the next barrier.
pub(in crate::native) unsafe fn finish(
    isa: Isa,
    weights: &LinearWeights<'_>,
    sums: &Sums<'_>,
    s: &[i32],
    first: usize,
    out: Output<'_>,
    channels: Range<usize>,
) {
    let (rows, n) = (s.len(), channels.len());
    if rows == 0 || n == 0 {
        return;
    }
    let third = if weights.panels.digits == 2 { rows * n } else { 0 };
    assert!(
        sums.high.len() == rows * n && sums.middle.len() == rows * n && sums.low.len() == third,
        "sums of a product do not fit"
    );
    let last = (first + rows - 1) * out.stride + weights.panels.n;
    assert!(channels.end <= weights.panels.n && last <= out.values.len(), "no room for a product");
    match isa.level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level is of this machine; room was checked.
        Level::Avx512 => unsafe { finish512(weights, sums, s, first, out, channels) },
        _ => {
            for (i, s) in s.iter().enumerate() {
                let row = (first + i) * out.stride;
                // SAFETY: channels of a row that are this thread's.
                let y = unsafe { out.values.slice_mut(row + channels.start..row + channels.end) };
                for ((j, y), c) in y.iter_mut().enumerate().zip(channels.clone()) {
                    let at = i * n + j;
                    let acc = 256 * i64::from(sums.high[at]) + i64::from(sums.middle[at]);
                    let acc = sums.low.get(at).map_or(acc, |low| 256 * acc + i64::from(*low));
                    *y = weights.finish(c, acc - OFFSET * weights.row_sums[c], *s);
                }
            }
        }
    }
}

/// # Safety
/// As [`finish`], which has checked the shapes; the machine has the features; channels begin with a panel.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
unsafe fn finish512(
    weights: &LinearWeights<'_>,
    sums: &Sums<'_>,
    s: &[i32],
    first: usize,
    out: Output<'_>,
    channels: Range<usize>,
) {
    use std::arch::x86_64::{_mm512_maskz_loadu_epi32, _mm512_setzero_si512};
    let n = channels.len();
    for c in channels.clone().step_by(LANES) {
        let mask = u16::MAX >> (LANES - (channels.end - c).min(LANES));
        // SAFETY: masked loads of sums that are there, and rows that have these channels.
        unsafe {
            let ours = Channels::new(weights, c, OFFSET);
            for (i, s) in s.iter().enumerate() {
                let at = i * n + c - channels.start;
                let load = |sums: &[i32]| _mm512_maskz_loadu_epi32(mask, sums.as_ptr().add(at));
                let (high, middle) = (load(sums.high), load(sums.middle));
                let products = if weights.panels.digits == 2 {
                    ours.products::<2>(&[high, middle, load(sums.low)])
                } else {
                    ours.products::<1>(&[high, middle, _mm512_setzero_si512()])
                };
                ours.store(products, *s, out.values.as_ptr().add((first + i) * out.stride));
            }
        }
    }
}
