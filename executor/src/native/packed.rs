//! Activations in the order in which the products read them, packed once and used by several products.
//!
//! AVX-512: rows in blocks of at most [`BLOCK`], each `[ceil(k/4)] [rows] [4 high digits, 4 low digits]` of
//! `x ^ 0x8000`, unsigned digits as `vpdpbusd` wants them. Otherwise: rows of `i16`, padded to multiples of 4.
//! Padding is zero.

use super::cells::Cells;
use super::isa::{Isa, Level};
use std::marker::PhantomData;
use std::ops::Range;

/// Rows of the largest block: the register tile of the AVX-512 products.
pub const BLOCK: usize = 6;

/// Room for packed rows, allocated once.
#[derive(Debug)]
pub struct PackedBuffer {
    isa: Isa,
    bytes: Cells,
}

impl PackedBuffer {
    /// Room for any shape of at most `max_rows * ceil4(max_k)` elements.
    pub fn new(isa: Isa, max_rows: usize, max_k: usize) -> Self {
        Self { isa, bytes: Cells::zeroed(max_rows * max_k.next_multiple_of(4) * 2) }
    }

    /// The room as X (rows, k). What was packed in another shape is lost.
    pub fn shape(&self, rows: usize, k: usize) -> PackedRows<'_> {
        let width = k.next_multiple_of(4);
        assert!(rows * width * 2 <= self.bytes.len(), "packed rows ({rows}, {k}) outgrow their buffer");
        PackedRows { isa: self.isa, rows, k, width, start: self.bytes.start(), borrow: PhantomData }
    }
}

/// Packed X (rows, k) of 16-bit mantissas.
#[derive(Clone, Copy, Debug)]
pub struct PackedRows<'a> {
    isa: Isa,
    rows: usize,
    k: usize,
    /// `k` rounded up to whole quads.
    width: usize,
    start: *mut u8,
    borrow: PhantomData<&'a PackedBuffer>,
}

// SAFETY: it stands for a `&PackedBuffer`, which is `Sync`.
unsafe impl Send for PackedRows<'_> {}
// SAFETY: as above.
unsafe impl Sync for PackedRows<'_> {}

/// Neighbouring rows that a product takes together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) start: *const u8,
}

/// Blocks of some rows: as few as possible.
pub(crate) const fn blocks(rows: usize) -> usize {
    rows.div_ceil(BLOCK)
}

/// The row that a block starts at, or the end for the block after the last. Blocks are as even as possible: the first
/// `rows % blocks` have a row more than the others.
pub(crate) fn first_row(rows: usize, block: usize) -> usize {
    let (base, extra) = (rows / blocks(rows), rows % blocks(rows));
    block * base + block.min(extra)
}

impl PackedRows<'_> {
    /// The instruction set that they are packed for.
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Elements of a row.
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Packs `x` (k) as row `t`.
    ///
    /// # Safety
    /// Until the next barrier nobody else packs row `t` and nobody reads the buffer.
    pub unsafe fn pack_row(&self, t: usize, x: &[i16]) {
        assert!(
            t < self.rows && x.len() == self.k,
            "row {t} of {} does not fit ({}, {})",
            x.len(),
            self.rows,
            self.k
        );
        match self.isa.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                let (block, row) = self.locate(t);
                let Block { rows, start, .. } = self.block(block);
                // SAFETY: the level is of this machine; the row is inside of its block, exclusive as promised.
                unsafe { super::linear::avx512::pack_row(x, start.cast_mut().add(row * 8), rows * 8) }
            }
            _ => {
                // SAFETY: `shape` checked the room; the row is exclusive as promised.
                let row = unsafe {
                    std::slice::from_raw_parts_mut(self.start.cast::<i16>().add(t * self.width), self.width)
                };
                row[..self.k].copy_from_slice(x);
                row[self.k..].fill(0);
            }
        }
    }

    /// Row `t` as it was packed, for the products on plain rows.
    ///
    /// # Safety
    /// Not on AVX-512, and nobody packs the row now.
    pub(crate) unsafe fn words(&self, t: usize) -> &[i16] {
        debug_assert!(self.isa.level() != Level::Avx512 && t < self.rows);
        // SAFETY: `shape` checked the room and aligned it; not written as promised.
        unsafe { std::slice::from_raw_parts(self.start.cast::<i16>().add(t * self.width), self.width) }
    }

    /// Number of blocks.
    pub(crate) const fn blocks(&self) -> usize {
        blocks(self.rows)
    }

    /// One block.
    pub(crate) fn block(&self, index: usize) -> Block {
        let first = first_row(self.rows, index);
        // SAFETY: `shape` checked the room of all rows.
        let start = unsafe { self.start.add(first * self.width * 2) };
        Block { first, rows: first_row(self.rows, index + 1) - first, start }
    }

    /// Rows of some blocks.
    pub(crate) fn rows_of(&self, blocks: Range<usize>) -> Range<usize> {
        first_row(self.rows, blocks.start)..first_row(self.rows, blocks.end)
    }

    /// Block of a row, and its place there.
    fn locate(&self, t: usize) -> (usize, usize) {
        let (base, extra) = (self.rows / self.blocks(), self.rows % self.blocks());
        let long = extra * (base + 1);
        if t < long {
            (t / (base + 1), t % (base + 1))
        } else {
            (extra + (t - long) / base, (t - long) % base)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_partition_the_rows() {
        let buffer = PackedBuffer::new(Isa::detect(), 40, 8);
        for rows in 1..=40 {
            let packed = buffer.shape(rows, 8);
            let mut t = 0;
            for b in 0..packed.blocks() {
                let block = packed.block(b);
                assert!(block.first == t && (1..=BLOCK).contains(&block.rows), "{rows} rows");
                for row in 0..block.rows {
                    assert_eq!(packed.locate(t), (b, row));
                    t += 1;
                }
            }
            assert_eq!(t, rows);
        }
    }
}
