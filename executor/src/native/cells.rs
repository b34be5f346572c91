//! Aligned room that several threads write, each its own elements.

use std::cell::UnsafeCell;

#[derive(Debug)]
#[repr(C, align(64))]
struct Line(UnsafeCell<[u8; 64]>);

/// Zeroed bytes, aligned to 64, written through a shared reference.
#[derive(Debug, Default)]
pub(crate) struct Cells(Vec<Line>);

// SAFETY: reading and writing go through raw pointers, whose users promise exclusion.
unsafe impl Sync for Cells {}

impl Cells {
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let mut cells = Self::default();
        cells.grow(bytes);
        cells
    }

    /// Makes it at least `bytes` long; what was there stays.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let lines = bytes.div_ceil(64).max(self.0.len());
        self.0.resize_with(lines, || Line(UnsafeCell::new([0; 64])));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() * 64
    }

    /// The first byte, as the start of an array of `T`.
    pub(crate) fn start<T>(&self) -> *mut T {
        UnsafeCell::raw_get(self.0.as_ptr().cast::<UnsafeCell<T>>())
    }
}
