//! What a kernel works on.

use super::constant::Constant;
use crate::numerics::{Exact, OutOfDomain};

/// Lowest temperature of a sampled request: 0.01 in units of 2^-16.
pub const TEMPERATURE_MIN: u32 = 656;
/// Highest temperature: 100 in units of 2^-16.
pub const TEMPERATURE_MAX: u32 = 6_553_600;

/// What a signed request says of sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// In units of 2^-16; 0 is greedy.
    pub temperature: u32,
    /// Keep the k likeliest; 0 keeps all.
    pub top_k: u32,
    /// Keep the likeliest that together reach this share, in units of 2^-16; 65,536 keeps all.
    pub top_p: u32,
    /// Keep what is at least this share of the likeliest, in units of 2^-16; 0 keeps all.
    pub min_p: u32,
    /// Fixes every draw.
    pub seed: [u8; 32],
}

impl Sampling {
    /// The likeliest token, always.
    pub const GREEDY: Self = Self { temperature: 0, top_k: 0, top_p: 65_536, min_p: 0, seed: [0; 32] };

    /// Is no draw made.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0
    }

    /// Are the values within their ranges.
    pub fn is_valid(&self) -> bool {
        (self.temperature == 0 || (TEMPERATURE_MIN..=TEMPERATURE_MAX).contains(&self.temperature))
            && (1..=65_536).contains(&self.top_p)
            && self.min_p <= 65_536
    }
}

/// The inputs of one node at one position.
#[derive(Clone, Debug)]
pub struct Operands<'a> {
    /// For each input its rows: one, or one for each visible position in order.
    pub inputs: Vec<Vec<&'a [i64]>>,
    /// The constants.
    pub constants: Vec<Constant<'a>>,
    /// The position's input token.
    pub token: u32,
    /// The position.
    pub position: u32,
    /// Groups of the first input's row: those of a row with one element per visible position, else 1.
    pub row_groups: u32,
    /// What the request says.
    pub sampling: &'a Sampling,
}

pub(super) const GONE: OutOfDomain = OutOfDomain("operand");

impl<'a> Operands<'a> {
    /// The row of input `k` at this position.
    pub fn row(&self, k: usize) -> Exact<&'a [i64]> {
        match self.inputs.get(k).map(Vec::as_slice) {
            Some([row]) => Ok(row),
            _ => Err(GONE),
        }
    }

    /// The rows of input `k` at the visible positions.
    pub fn visible(&self, k: usize) -> Exact<&[&'a [i64]]> {
        self.inputs.get(k).map(Vec::as_slice).ok_or(GONE)
    }

    /// Element `i` of the row of input `k`.
    pub fn element(&self, k: usize, i: usize) -> Exact<i64> {
        self.row(k)?.get(i).copied().ok_or(GONE)
    }

    /// Constant `k`.
    pub fn constant(&self, k: usize) -> Exact<&Constant<'a>> {
        self.constants.get(k).ok_or(GONE)
    }

    /// The row of input `k` cut into `groups` groups of equal width.
    pub fn groups(&self, k: usize, groups: u32) -> Exact<std::slice::ChunksExact<'a, i64>> {
        let row = self.row(k)?;
        match row.len().checked_div(groups as usize) {
            Some(width) if width > 0 => Ok(row.chunks_exact(width)),
            _ => Err(GONE),
        }
    }
}

/// A shift or attribute computed from exponents, as `round_shift` takes it.
pub(crate) fn shift(x: i64) -> Exact<i32> {
    i32::try_from(x).map_err(|_| OutOfDomain("shift"))
}

/// Index `i` of head or channel as a constant's coordinate.
pub(super) fn coordinate(i: usize) -> Exact<i64> {
    i64::try_from(i).map_err(|_| GONE)
}

/// Element `i` of a slice.
pub(super) fn at(row: &[i64], i: usize) -> Exact<i64> {
    row.get(i).copied().ok_or(GONE)
}

/// Exact dot product: sum of a[i] * b[i].
pub(super) fn dot(a: &[i64], b: &[i64]) -> Exact<i64> {
    if a.len() != b.len() {
        return Err(GONE);
    }
    a.iter().zip(b).try_fold(0, |acc, (x, y)| crate::numerics::sum(acc, crate::numerics::product(*x, *y)?))
}
