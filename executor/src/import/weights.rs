//! Weights in integers: symmetric per output channel, with a multiplier in [2^15, 2^16) and a shift.

use std::ops::Range;

use super::error::ImportError;
use super::source::Tensors;
use crate::kernels::panel_offset;

/// Bytes that a weight has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// One: within +-127.
    W8,
    /// Two: within +-32,639, so that both digits are signed bytes.
    W16,
}

impl Precision {
    /// Greatest magnitude.
    pub fn limit(self) -> i32 {
        match self {
            Self::W8 => 127,
            Self::W16 => 32_639,
        }
    }

    /// Bytes of a weight.
    pub fn digits(self) -> usize {
        match self {
            Self::W8 => 1,
            Self::W16 => 2,
        }
    }
}

/// A matrix: w[n][k] = q[n][k] * multiplier[n] * 2^-shift[n].
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// q in panels (docs/specification.md, "Artefact").
    pub panels: Vec<u8>,
    /// One a row.
    pub multipliers: Vec<u16>,
    /// One a row.
    pub shifts: Vec<i8>,
}

/// Least shift: a scale of 2^35.
const SHIFT_MIN: i32 = -20;

/// Scale of a row as (multiplier, shift), the shift at most `shift_max`.
fn scale(most: f64, limit: i32, shift_max: i32) -> Option<(u16, i8)> {
    let exact = most / f64::from(limit);
    // exact = m * 2^x with m in [0.5, 1)
    let (_, x) = libm::frexp(exact);
    let shift = 16 - x;
    if most == 0.0 || shift > shift_max {
        return Some((1 << 15, i8::try_from(shift_max).ok()?));
    }
    let multiplier = libm::round(libm::scalbn(exact, shift)) as u32;
    let (multiplier, shift) = if multiplier == 1 << 16 { (1 << 15, shift - 1) } else { (multiplier, shift) };
    if shift < SHIFT_MIN {
        return None;
    }
    Some((u16::try_from(multiplier).ok()?, i8::try_from(shift).ok()?))
}

/// Rows that are read at once.
const BLOCK: usize = 256;

/// Quantises a tensor. `shift_max` is the largest shift that keeps every use of the matrix in bounds: a row with a
/// smaller scale is coarser than its own range would allow, below what its outputs can show.
pub fn quantise(
    tensors: &dyn Tensors,
    name: &str,
    precision: Precision,
    shift_max: i32,
) -> Result<Matrix, ImportError> {
    let (rows, columns) = match tensors.shape(name) {
        Some([rows, columns]) => (*rows, *columns),
        Some(other) => return Err(refused(name, format!("a matrix was expected, the shape is {other:?}"))),
        None => return Err(ImportError::Missing(format!("tensor {name}"))),
    };
    let digits = precision.digits();
    let bytes = rows.div_ceil(32) * columns.div_ceil(4) * digits * 128;
    let mut out =
        Matrix { rows, columns, panels: vec![0; bytes], multipliers: Vec::new(), shifts: Vec::new() };
    let mut block = Vec::new();
    for first in (0..rows).step_by(BLOCK) {
        let range: Range<usize> = first..rows.min(first + BLOCK);
        block.clear();
        tensors.rows(name, range.clone(), &mut block)?;
        for (n, row) in range.zip(block.chunks_exact(columns)) {
            let most = row.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
            let (multiplier, shift) = scale(most.into(), precision.limit(), shift_max).ok_or_else(|| {
                refused(name, format!("row {n} reaches {most}, too large for a fixed-point scale"))
            })?;
            let step = libm::scalbn(f64::from(multiplier), -i32::from(shift));
            let limit = f64::from(precision.limit());
            for (k, w) in row.iter().enumerate() {
                let q = libm::round(f64::from(*w) / step).clamp(-limit, limit) as i32;
                // q = 256 high + low with both in a signed byte.
                let low = ((q + 128) & 255) - 128;
                let planes = if digits == 1 { [q, 0] } else { [(q - low) >> 8, low] };
                for (d, plane) in planes.iter().take(digits).enumerate() {
                    if let Some(at) = panel_offset(n, k, columns, digits, d) {
                        out.panels[at] = *plane as i8 as u8;
                    }
                }
            }
            out.multipliers.push(multiplier);
            out.shifts.push(shift);
        }
    }
    Ok(out)
}

/// Tensors with a row added to every row of what is read.
pub struct Sum<'a> {
    /// The tensors.
    pub inner: &'a dyn Tensors,
    /// The row.
    pub plus: Vec<f64>,
}

impl Tensors for Sum<'_> {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.inner.shape(name)
    }

    fn rows(&self, name: &str, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), ImportError> {
        let first = out.len();
        self.inner.rows(name, rows, out)?;
        for row in out[first..].chunks_exact_mut(self.plus.len().max(1)) {
            row.iter_mut().zip(&self.plus).for_each(|(x, p)| *x = (f64::from(*x) + p) as f32);
        }
        Ok(())
    }
}

fn refused(name: &str, reason: String) -> ImportError {
    ImportError::Refused { node: name.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_normalised() {
        for most in [1e-6, 0.01, 0.5, 1.0, 3.99, 127.0, 1e5] {
            let (m, s) = scale(most, 127, 60).unwrap();
            assert!(m >= 1 << 15);
            let got = libm::scalbn(f64::from(m), -i32::from(s)) * 127.0;
            assert!((got / most - 1.0).abs() < 2e-5, "{most}: {got}");
        }
    }

    #[test]
    fn zero_and_tiny_rows_take_the_largest_shift() {
        assert_eq!(scale(0.0, 127, 31), Some((1 << 15, 31)));
        assert_eq!(scale(1e-12, 127, 31), Some((1 << 15, 31)));
        assert_eq!(scale(1e30, 127, 31), None);
    }
}
