//! Products of digits by somebody else's kernels: where libtorch comes in.
//!
//! An activation is two signed digits, `x = 256 * high + low + 128`, so
//! `sum w * x = 256 * sum w * high + sum w * low + 128 * sum w`; a weight of 16 bits is two digits too. Everything else
//! than these sums, their scale, rounding and bias included, is done by our kernels.

use std::fmt::Debug;
use std::ops::Range;

use super::linear::{Output, Sums, finish};
use super::loaded::Loaded;
use super::packed::PackedRows;
use super::panels::PANEL;
use super::run::Task;
use crate::engine::EngineError;
use crate::program::NodeId;

/// Most terms of a sum of products of digits: two digits of weights are summed in the middle, and
/// 2 * 2^7 * 2^7 * 65,535 < 2^31.
pub const TERMS_MAX: usize = 65_535;

/// Rows that are multiplied at once: their sums should stay near until they are finished.
const ROWS: usize = 128;

/// Multiplies digits.
pub trait Products: Send + Sync + Debug {
    /// Digits of the weights of a `linear` node, high one first: 1 or 2, or 0 if it leaves the node to our kernels.
    fn digits(&self, node: NodeId) -> usize;

    /// `sums (m, channels) = X (m, k) . digit of W (channels, k)`, exactly, on the calling thread alone. X has `k` elements a row
    /// without gaps, and so have the sums.
    ///
    /// # Errors
    /// If it fails; the sums are anything then.
    fn multiply(
        &self,
        node: NodeId,
        digit: usize,
        x: &[i8],
        channels: Range<usize>,
        sums: &mut [i32],
    ) -> Result<(), EngineError>;
}

/// Room of one thread.
#[derive(Default)]
pub(super) struct Room {
    /// High digits of the rows, then the low ones.
    digits: Vec<i8>,
    /// For each digit of the weights the sums of the high digits of the rows, then of the low ones.
    sums: [Vec<i32>; 2],
}

/// What this thread does of a product.
pub(super) struct Share<'a> {
    pub(super) rows: &'a [Range<usize>],
    pub(super) channels: Range<usize>,
}

impl Task<'_, '_, '_> {
    /// A product by `products`: this thread's rows and channels.
    ///
    /// # Safety
    /// The rows are packed, and nobody else reads or writes these channels of their rows of `out` before the next barrier.
    pub(super) unsafe fn multiply(
        &mut self,
        products: &dyn Products,
        node: NodeId,
        packed: &PackedRows<'_>,
        shifts: &[i32],
        out: Output<'_>,
        share: &Share<'_>,
    ) -> Result<(), EngineError> {
        let Loaded::Linear(weights) = &self.block.constants.nodes[node.index()] else { return Ok(()) };
        let (k, channels) = (packed.k(), share.channels.clone());
        let digits = products.digits(node);
        for rows in share.rows.iter().flat_map(pieces) {
            let (count, n) = (rows.len(), channels.len());
            let room = &mut self.own.products;
            room.digits.resize(2 * count * k, 0);
            let (high, low) = room.digits.split_at_mut(count * k);
            for ((t, high), low) in rows.clone().zip(high.chunks_exact_mut(k)).zip(low.chunks_exact_mut(k)) {
                // SAFETY: plain rows, packed before.
                split(unsafe { packed.words(t) }, high, low);
            }
            for (digit, sums) in room.sums.iter_mut().enumerate().take(digits) {
                sums.resize(2 * count * n, 0);
                products.multiply(node, digit, &room.digits, channels.clone(), sums)?;
            }
            if digits == 2 {
                // The product of the weights' high digit and the rows' low one weighs what that of the others does.
                let (first, second) = room.sums.split_at_mut(1);
                let middle = &mut first[0][count * n..];
                middle.iter_mut().zip(&second[0][..count * n]).for_each(|(sum, other)| *sum += other);
            }
            let (low, sums) = (&room.sums[1], &room.sums[0]);
            let lowest = if digits == 2 { &low[count * n..] } else { &[] };
            let sums = Sums { high: &sums[..count * n], middle: &sums[count * n..], low: lowest };
            // SAFETY: as promised.
            unsafe {
                finish(
                    self.block.isa,
                    weights,
                    &sums,
                    &shifts[rows.clone()],
                    rows.start,
                    out,
                    channels.clone(),
                )
            };
        }
        Ok(())
    }

    /// This thread's channels of a product whose channels are shared.
    pub(super) fn channels(&self, n: usize) -> Range<usize> {
        let panels = self.worker.share(n.div_ceil(PANEL), 1);
        (panels.start * PANEL).min(n)..(panels.end * PANEL).min(n)
    }
}

fn pieces(rows: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = rows.end;
    rows.clone().step_by(ROWS).map(move |first| first..end.min(first + ROWS))
}

/// Digits of a row, which may be padded.
fn split(x: &[i16], high: &mut [i8], low: &mut [i8]) {
    for ((x, high), low) in x.iter().zip(high).zip(low) {
        (*high, *low) = ((*x >> 8) as i8, ((*x as u8) ^ 0x80) as i8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_number() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let (mut high, mut low) = (vec![0; all.len()], vec![0; all.len()]);
        split(&all, &mut high, &mut low);
        for ((x, high), low) in all.into_iter().zip(high).zip(low) {
            assert_eq!(256 * i32::from(high) + i32::from(low) + 128, i32::from(x));
        }
        assert!(i64::from(i32::MAX) >= 2 * 128 * 128 * TERMS_MAX as i64);
    }
}
