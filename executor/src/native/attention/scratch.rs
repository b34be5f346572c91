//! What an attention computes on its way, kept for who listens.

use super::cache::TILE;
use crate::native::aligned::Lines;
use std::ops::Range;

/// Positions whose weighted values are summed before the sums are widened, see `mix512`.
pub(super) const CHUNK: usize = 64;

/// Room of one thread.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Largest score of each head.
    pub tops: Vec<i32>,
    /// Sum of the weights of each head.
    pub totals: Vec<i64>,
    /// Largest exponent of the visible values.
    pub vtop: i32,
    /// (heads, stride); the first position is `base`.
    pub(super) scores: Lines<i32>,
    /// (heads, stride).
    pub(super) weights: Lines<i32>,
    /// (heads, width).
    pub(super) acc: Lines<i64>,
    /// Digits of a few queries.
    pub(super) queries: Lines<i16>,
    /// (heads, 3 digits, stride), lowest first, of the weights aligned to the values.
    pub(super) digits: Lines<i16>,
    /// (heads, stride) of the weights aligned to narrow values: their bytes, see `narrow512`.
    pub(super) bytes: Lines<i32>,
    /// (heads, stride / CHUNK): digits that are not all zero.
    pub(super) depths: Vec<u8>,
    /// Positions of a head's scores: whole chunks.
    pub(super) stride: usize,
    /// Where the tile of the first visible position starts.
    pub(super) base: usize,
    visible: Range<usize>,
}

impl Scratch {
    pub(super) fn prepare(&mut self, heads: usize, width: usize, visible: &Range<usize>) {
        self.base = visible.start / TILE * TILE;
        self.stride = (visible.end - self.base).next_multiple_of(CHUNK);
        self.visible = visible.clone();
        // What was there before is overwritten or masked.
        self.scores.resize(heads * self.stride);
        self.weights.resize(heads * self.stride);
        self.tops.resize(heads, 0);
        self.totals.resize(heads, 0);
        self.acc.resize(heads * width);
        self.acc.fill(0);
    }

    /// Scores of a head at the visible positions.
    pub fn scores(&self, head: usize) -> &[i32] {
        &self.scores[head * self.stride..][self.inside()]
    }

    /// Weights of a head at the visible positions.
    pub fn weights(&self, head: usize) -> &[i32] {
        &self.weights[head * self.stride..][self.inside()]
    }

    /// Positions from `base` to the last visible one.
    pub(super) fn seen(&self) -> usize {
        self.visible.end - self.base
    }

    fn inside(&self) -> Range<usize> {
        self.visible.start - self.base..self.visible.end - self.base
    }
}
