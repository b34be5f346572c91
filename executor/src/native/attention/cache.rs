//! Keys and values of one key head of one sequence, in the order in which attention reads them.
//!
//! ```text
//! keys    [position / 16] [dim / 2] [16 positions] [2 dims]      lanes are positions
//! values  [position / 2] [dim, padded to 16] [2 positions]       lanes are dims
//! ```
//! Elements are mantissas of 16 bits, or of 8 if narrow; padding is zero. Narrow values have 4 positions side by side
//! instead of 2: a lane always has 32 bits. Each position has an exponent for its key and one for its value.

use crate::native::cells::Cells;

/// Positions of a tile of keys.
pub(super) const TILE: usize = 16;

/// Widest head: a sum over it of products of a key and a signed 8-bit digit fits 32 bits.
pub const HEAD_DIM_MAX: usize = 512;

/// Positions of a lane of values.
pub(super) const fn lane<T>() -> usize {
    4 / size_of::<T>()
}

/// The cache of one key head.
#[derive(Debug)]
pub struct HeadCache {
    head_dim: usize,
    narrow: bool,
    positions: usize,
    keys: Cells,
    values: Cells,
    key_exponents: Cells,
    value_exponents: Cells,
}

impl HeadCache {
    /// An empty cache; `narrow` mantissas have 8 bits instead of 16.
    ///
    /// # Panics
    /// If the head is wider than [`HEAD_DIM_MAX`].
    pub fn new(head_dim: usize, narrow: bool) -> Self {
        assert!((1..=HEAD_DIM_MAX).contains(&head_dim), "heads of {head_dim} are not supported");
        let empty = Cells::default;
        Self {
            head_dim,
            narrow,
            positions: 0,
            keys: empty(),
            values: empty(),
            key_exponents: empty(),
            value_exponents: empty(),
        }
    }

    /// Makes room for positions `0..positions`; what was written stays.
    pub fn reserve(&mut self, positions: usize) {
        if positions <= self.positions {
            return;
        }
        let room = positions.next_multiple_of(TILE);
        let size = if self.narrow { 1 } else { 2 };
        self.keys.grow(room * self.pairs() * 2 * size);
        self.values.grow(room * self.width() * size);
        self.key_exponents.grow(room * 4);
        self.value_exponents.grow(room * 4);
        self.positions = room;
    }

    /// Writes the key of a position: head_dim mantissas and their exponent.
    ///
    /// # Safety
    /// Until the next barrier nobody else writes the key of this position, and nobody attends.
    pub unsafe fn write_key(&self, position: usize, mantissas: &[i16], exponent: i32) {
        self.check(position, mantissas);
        // SAFETY: `reserve` made room for the position; exclusive as promised.
        unsafe {
            if self.narrow {
                self.write_pairs(position, mantissas, |m| m as i8);
            } else {
                self.write_pairs(position, mantissas, |m| m);
            }
            self.key_exponents.start::<i32>().add(position).write(exponent);
        }
    }

    /// Writes the value of a position: head_dim mantissas and their exponent.
    ///
    /// # Safety
    /// Until the next barrier nobody else writes the value of this position, and nobody attends.
    pub unsafe fn write_value(&self, position: usize, mantissas: &[i16], exponent: i32) {
        self.check(position, mantissas);
        // SAFETY: as for keys.
        unsafe {
            if self.narrow {
                self.write_lanes(position, mantissas, |m| m as i8);
            } else {
                self.write_lanes(position, mantissas, |m| m);
            }
            self.value_exponents.start::<i32>().add(position).write(exponent);
        }
    }

    fn check(&self, position: usize, mantissas: &[i16]) {
        assert!(position < self.positions && mantissas.len() == self.head_dim, "no room in a cache");
        let limit = if self.narrow { 127 } else { 32_767 };
        debug_assert!(mantissas.iter().all(|m| m.unsigned_abs() <= limit));
    }

    /// # Safety
    /// As [`Self::write_key`], which has checked the room; T is the cache's element.
    #[inline(always)]
    unsafe fn write_pairs<T>(&self, position: usize, mantissas: &[i16], element: impl Fn(i16) -> T) {
        let to = self.keys::<T>(position / TILE).cast_mut().cast::<[T; 2]>().wrapping_add(position % TILE);
        let (pairs, rest) = mantissas.as_chunks::<2>();
        for (pair, [a, b]) in pairs.iter().enumerate() {
            // SAFETY: a pair of the position.
            unsafe { to.add(pair * TILE).write([element(*a), element(*b)]) };
        }
        if let [a] = rest {
            // SAFETY: the last pair, whose other half is padding.
            unsafe { to.add(pairs.len() * TILE).write([element(*a), element(0)]) };
        }
    }

    /// # Safety
    /// As [`Self::write_value`], which has checked the room; T is the cache's element.
    #[inline(always)]
    unsafe fn write_lanes<T>(&self, position: usize, mantissas: &[i16], element: impl Fn(i16) -> T) {
        let lane = lane::<T>();
        let to = self.values::<T>(position / lane * lane).cast_mut().wrapping_add(position % lane);
        for (dim, m) in mantissas.iter().enumerate() {
            // SAFETY: a dim of the position.
            unsafe { to.add(dim * lane).write(element(*m)) };
        }
    }

    /// Elements of a head.
    pub const fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Whether mantissas have 8 bits.
    pub(super) const fn narrow(&self) -> bool {
        self.narrow
    }

    /// Positions that there is room for.
    pub(super) const fn positions(&self) -> usize {
        self.positions
    }

    /// Pairs of dims.
    pub(super) const fn pairs(&self) -> usize {
        self.head_dim.div_ceil(2)
    }

    /// Dims of a value with its padding.
    pub(super) const fn width(&self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    /// Elements of the keys from a tile on.
    pub(super) fn keys<T>(&self, tile: usize) -> *const T {
        self.keys.start::<T>().wrapping_add(tile * TILE * self.pairs() * 2)
    }

    /// Elements of the values from a position on that is the first of a lane.
    pub(super) fn values<T>(&self, position: usize) -> *const T {
        self.values.start::<T>().wrapping_add(position * self.width())
    }

    pub(super) fn key_exponents(&self) -> *const i32 {
        self.key_exponents.start()
    }

    pub(super) fn value_exponents(&self) -> *const i32 {
        self.value_exponents.start()
    }
}
