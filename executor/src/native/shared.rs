//! A slice that several workers write at the same time, each its own part.

use std::marker::PhantomData;
use std::ops::Range;

/// A mutable slice borrowed by a whole team.
///
/// Making parts is unsafe: who makes them promises that they are disjoint between two barriers.
#[derive(Debug)]
pub struct SharedMut<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SharedMut<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedMut<'_, T> {}

// SAFETY: it is a `&mut [T]` whose parts may move to other threads; disjointness is the promise of `slice_mut`.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}
// SAFETY: as above, and `slice` gives `&T` to several threads.
unsafe impl<T: Send + Sync> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Shares a slice for as long as it is borrowed.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// Number of elements.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Pointer to the first element.
    pub const fn as_ptr(&self) -> *mut T {
        self.start
    }

    /// A part to write.
    ///
    /// # Safety
    /// Until the next barrier nobody else reads or writes an element of `range`.
    pub unsafe fn slice_mut(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "part outside of the shared slice");
        // SAFETY: inside of the borrowed slice; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// A part to read.
    ///
    /// # Safety
    /// Until the next barrier nobody writes an element of `range`.
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a [T] {
        assert!(range.start <= range.end && range.end <= self.len, "part outside of the shared slice");
        // SAFETY: inside of the borrowed slice; not written by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }
}
