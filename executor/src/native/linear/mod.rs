//! Matrix products with their rescale and bias: `// W (n, k) . x (k) -> y (n)` for each of some tokens.
//!
//! ```text
//! acc = sum_k w[c][k] * x[t][k]                                            exact
//! y[t][c] = sat32(sat32(round_shift(acc * mult[c], shift[c] + s[t])) + bias[c])
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod finish;
#[cfg(target_arch = "x86_64")]
mod finish512;
mod portable;
#[cfg(target_arch = "x86_64")]
mod short512;

pub(super) use finish::{Sums, finish};

use super::isa::Level;
use super::packed::PackedRows;
use super::panels::{PANEL, Panels, panels_len};
use super::shared::SharedMut;
use super::shift::Shift;
use super::team::Worker;
use crate::numerics::sat32;
use std::ops::Range;

/// Weights whose parts do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("weights are damaged ({0}): import the model again")]
pub struct BadWeights(&'static str);

/// A committed product, borrowed from the artefact.
#[derive(Clone, Debug)]
pub struct LinearWeights<'a> {
    panels: Panels<'a>,
    mult: &'a [u16],
    shift: &'a [i8],
    bias: Option<&'a [i32]>,
    row_sums: Vec<i64>,
    /// Largest magnitude of an accumulator of each panel, or more.
    reach: Vec<i64>,
    shift_min: i32,
}

impl<'a> LinearWeights<'a> {
    /// Takes the parts of W (n, k) and sums its rows.
    ///
    /// # Errors
    /// If the lengths do not fit or the panels do not start at a multiple of 64 bytes.
    pub fn new(
        panels: Panels<'a>,
        mult: &'a [u16],
        shift: &'a [i8],
        bias: Option<&'a [i32]>,
    ) -> Result<Self, BadWeights> {
        let Panels { n, k, digits, bytes } = panels;
        let rules = [
            (n > 0 && k > 0, "an empty product"),
            (digits == 1 || digits == 2, "neither one digit nor two"),
            (bytes.len() == panels_len(n, k, digits), "length of the panels"),
            (bytes.as_ptr().addr().is_multiple_of(64), "alignment of the panels"),
            (
                mult.len() == n && shift.len() == n && bias.is_none_or(|b| b.len() == n),
                "a value for each channel",
            ),
        ];
        if let Some((_, broken)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(BadWeights(broken));
        }
        let shift_min = shift.iter().map(|&s| i32::from(s)).min().unwrap_or(0);
        let (row_sums, magnitudes) = panels.row_sums();
        // Mantissas of 16 bits are within +-32,767.
        let reach = magnitudes.chunks_exact(PANEL).map(|m| max(m) * 32_767).collect();
        Ok(Self { panels, mult, shift, bias, row_sums, reach, shift_min })
    }

    /// The weights themselves.
    pub const fn panels(&self) -> Panels<'a> {
        self.panels
    }

    /// y of one accumulator.
    #[inline(always)]
    fn finish(&self, c: usize, acc: i64, s: i32) -> i32 {
        self.scaled(c, acc * i64::from(self.mult[c]), s)
    }

    /// y of one accumulator times its channel's factor.
    #[inline(always)]
    fn scaled(&self, c: usize, product: i64, s: i32) -> i32 {
        let y = Shift::new(i32::from(self.shift[c]) + s).apply(product);
        match self.bias {
            Some(bias) => sat32(i64::from(y) + i64::from(bias[c])),
            None => y,
        }
    }

    /// Channels of a panel.
    fn channels(&self, panel: usize) -> Range<usize> {
        panel * PANEL..((panel + 1) * PANEL).min(self.panels.n)
    }
}

fn max(values: &[i64]) -> i64 {
    values.iter().copied().max().unwrap_or(0)
}

/// Where a product goes: y (n) of token `t` at `t * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// All rows.
    pub values: SharedMut<'a, i32>,
    /// Elements between the starts of two rows.
    pub stride: usize,
}

/// This worker's channels of y for all rows of `x`; `s` has an exponent for each row.
///
/// # Safety
/// All workers pass the same arguments between two barriers; `x` is packed; nobody else reads or writes the rows
/// of `out` before the next barrier.
pub unsafe fn linear(
    worker: &Worker<'_>,
    weights: &LinearWeights<'_>,
    x: &PackedRows<'_>,
    s: &[i32],
    out: Output<'_>,
) {
    let panels = worker.share(weights.panels.n.div_ceil(PANEL), 1);
    // SAFETY: channels are disjoint by the share; the rest is promised.
    unsafe { part(weights, x, s, out, panels, std::slice::from_ref(&(0..x.blocks()))) };
}

/// All channels of y for some blocks of the rows of `x`; `s` has an exponent for each row.
///
/// # Safety
/// The blocks are packed; nobody else reads or writes their rows of `out` before the next barrier.
pub(super) unsafe fn linear_blocks(
    weights: &LinearWeights<'_>,
    x: &PackedRows<'_>,
    s: &[i32],
    out: Output<'_>,
    blocks: &[Range<usize>],
) {
    // SAFETY: as promised.
    unsafe { part(weights, x, s, out, 0..weights.panels.n.div_ceil(PANEL), blocks) };
}

/// Some panels of y for some blocks of rows.
///
/// # Safety
/// The blocks are packed; nobody else reads or writes these channels of their rows before the next barrier.
unsafe fn part(
    weights: &LinearWeights<'_>,
    x: &PackedRows<'_>,
    s: &[i32],
    out: Output<'_>,
    panels: Range<usize>,
    blocks: &[Range<usize>],
) {
    let n = weights.panels.n;
    assert!(x.k() == weights.panels.k && s.len() == x.rows(), "operands of a product do not fit");
    if x.rows() == 0 {
        return;
    }
    assert!(n <= out.stride && (x.rows() - 1) * out.stride + n <= out.values.len(), "no room for a product");
    let rows = || blocks.iter().cloned().map(|blocks| x.rows_of(blocks));
    // SAFETY: the level is of this machine, the room of all rows was checked, rows and channels are this thread's.
    unsafe {
        match x.isa().level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::linear(weights, x, s, out, panels, blocks),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => rows().for_each(|rows| avx2::linear(weights, x, s, out, panels.clone(), rows)),
            _ => rows().for_each(|rows| portable::linear(weights, x, s, out, panels.clone(), rows)),
        }
    }
}
