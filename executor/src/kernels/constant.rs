//! A constant's values, wherever and however they are stored.

use std::borrow::Cow;
use std::ops::Range;

use crate::numerics::{Exact, OutOfDomain};
use crate::program::{ConstantInfo, ElementType};

/// Where the values are.
#[derive(Clone, Copy, Debug)]
pub enum ConstantData<'a> {
    /// Row-major, little-endian.
    Rows(&'a [u8]),
    /// Panels of 32 rows with the bytes of `digits` planes interleaved; see docs/specification.md, "Artefact".
    Panels(&'a [u8]),
}

/// A constant.
#[derive(Clone, Copy, Debug)]
pub struct Constant<'a> {
    /// Shape and type.
    pub info: ConstantInfo,
    /// Values.
    pub data: ConstantData<'a>,
}

const GONE: OutOfDomain = OutOfDomain("constant");

/// Offset of element (row, column) of plane `digit` in the panel layout
/// `[rows/32][columns/4][digits][2][16 rows][4 columns]`.
pub fn panel_offset(row: usize, column: usize, columns: usize, digits: usize, digit: usize) -> Option<usize> {
    let (panel, half, lane) = (row >> 5, (row >> 4) & 1, row & 15);
    let quads = columns.div_ceil(4);
    let group =
        panel.checked_mul(quads)?.checked_add(column >> 2)?.checked_mul(digits)?.checked_add(digit)?;
    group.checked_mul(128)?.checked_add((half << 6) | (lane << 2) | (column & 3))
}

/// Bytes of a matrix in the panel layout.
pub fn panel_bytes(rows: usize, columns: usize, digits: usize) -> Option<usize> {
    rows.div_ceil(32).checked_mul(columns.div_ceil(4))?.checked_mul(digits)?.checked_mul(128)
}

impl Constant<'_> {
    /// The canonical bytes: row-major, little-endian.
    pub fn row_major(&self) -> Cow<'_, [u8]> {
        let bytes = match self.data {
            ConstantData::Rows(bytes) => return Cow::Borrowed(bytes),
            ConstantData::Panels(bytes) => bytes,
        };
        let (digits, columns) = (self.info.element.size(), self.info.columns as usize);
        let mut out = Vec::with_capacity((self.info.len() as usize).saturating_mul(digits));
        for r in 0..self.info.rows as usize {
            for c in 0..columns {
                let digit = |d| {
                    let at = panel_offset(r, c, columns, digits, d);
                    at.and_then(|at| bytes.get(at)).copied().unwrap_or(0)
                };
                if digits == 1 {
                    out.push(digit(0));
                } else {
                    let (high, low) = (i16::from(digit(0) as i8), i16::from(digit(1) as i8));
                    out.extend(high.wrapping_mul(256).wrapping_add(low).to_le_bytes());
                }
            }
        }
        Cow::Owned(out)
    }

    /// The element at a row and column.
    pub fn at(&self, row: i64, column: i64) -> Exact<i64> {
        let (r, c) = (usize::try_from(row).map_err(|_| GONE)?, usize::try_from(column).map_err(|_| GONE)?);
        let (rows, columns) = (self.info.rows as usize, self.info.columns as usize);
        if r >= rows || c >= columns {
            return Err(GONE);
        }
        match self.data {
            ConstantData::Rows(bytes) => {
                let size = self.info.element.size();
                let start =
                    r.checked_mul(columns).and_then(|x| x.checked_add(c)).and_then(|x| x.checked_mul(size));
                let start = start.ok_or(GONE)?;
                let end = start.checked_add(size).ok_or(GONE)?;
                let bytes = bytes.get(start..end).ok_or(GONE)?;
                Ok(match (self.info.element, bytes) {
                    (ElementType::I8, [a]) => i64::from(i8::from_le_bytes([*a])),
                    (ElementType::I16, [a, b]) => i64::from(i16::from_le_bytes([*a, *b])),
                    (ElementType::U16, [a, b]) => i64::from(u16::from_le_bytes([*a, *b])),
                    (ElementType::I32, [a, b, c, d]) => i64::from(i32::from_le_bytes([*a, *b, *c, *d])),
                    (ElementType::I64, bytes) => i64::from_le_bytes(bytes.try_into().map_err(|_| GONE)?),
                    _ => return Err(GONE),
                })
            }
            ConstantData::Panels(bytes) => {
                let digits = self.info.element.size();
                let digit = |d: usize| {
                    let at = panel_offset(r, c, columns, digits, d)?;
                    bytes.get(at).map(|b| i64::from(i8::from_le_bytes([*b])))
                };
                let high = digit(0).ok_or(GONE)?;
                match digits {
                    1 => Ok(high),
                    // 256 high + low, both signed bytes.
                    _ => high.checked_mul(256).and_then(|h| h.checked_add(digit(1)?)).ok_or(GONE),
                }
            }
        }
    }

    /// Are the bytes of panels that no element has all zero: they are not part of the id.
    pub fn is_padded_with_zeros(&self) -> bool {
        let ConstantData::Panels(bytes) = self.data else { return true };
        let (rows, columns) = (self.info.rows as usize, self.info.columns as usize);
        let digits = self.info.element.size();
        let zero = |r, c, d| {
            let at = panel_offset(r, c, columns, digits, d);
            at.and_then(|at| bytes.get(at)) == Some(&0)
        };
        let all = |rs: Range<usize>, cs: Range<usize>| {
            rs.into_iter().all(|r| cs.clone().all(|c| (0..digits).all(|d| zero(r, c, d))))
        };
        let (padded_rows, padded_columns) = (rows.next_multiple_of(32), columns.next_multiple_of(4));
        all(0..rows, columns..padded_columns) && all(rows..padded_rows, 0..padded_columns)
    }

    /// Does every element lie in the declared range.
    pub fn within_range(&self) -> bool {
        (0..i64::from(self.info.rows)).all(|r| {
            (0..i64::from(self.info.columns))
                .all(|c| self.at(r, c).is_ok_and(|x| (self.info.low..=self.info.high).contains(&x)))
        })
    }
}
