//! A model's constants on a device. Each value is checked against its declared range: what the validator proves rests on it,
//! so after that no operand of a program leaves its domain, and no operation checks again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tch::{Device, Kind, TchError, Tensor};

use super::math::{Made, numbers, shape, wide};
use crate::engine::EngineError;
use crate::kernels::Constant;
use crate::model::Model;
use crate::native::panels::digits_of;
use crate::numerics::OutOfDomain;
use crate::program::op::Op;
use crate::program::{ConstantId, ConstantInfo, ElementType};
use crate::torch::failed;

/// Rows and columns are padded with zeros to multiples of this: `_int_mm` asks for it on a card.
const MULTIPLE: usize = 8;
/// Most terms of a sum of digits: 2^16 * 2^7 * 2^7 < 2^31.
const TERMS_MAX: i64 = 1 << 16;
/// Least rows that `_int_mm` takes on a card, to the next multiple.
const ROWS_MIN: usize = 24;

/// A matrix of weights (n, k) as digits of 8 bits: w, or w = 256 high + low.
#[derive(Debug)]
pub(super) struct Weights {
    n: i64,
    k: i64,
    /// High one first, each (n, k), both padded.
    digits: Vec<Tensor>,
    /// Sums of the weights of a row: (1, n).
    sums: Tensor,
}

impl Weights {
    pub(super) fn new(values: &[i64], info: &ConstantInfo, device: Device) -> Result<Self, TchError> {
        let (n, k) = (info.rows as usize, info.columns as usize);
        let (rows, columns) = (n.next_multiple_of(MULTIPLE), k.next_multiple_of(MULTIPLE));
        let first = if info.element == ElementType::I8 { 1 } else { 0 };
        let mut digits = Vec::new();
        for digit in first..2 {
            let mut matrix = vec![0_i8; rows * columns];
            for (to, from) in matrix.chunks_exact_mut(columns).zip(values.chunks_exact(k)) {
                // Weights lie within +-32,639, so both digits do within i8.
                to.iter_mut().zip(from).for_each(|(to, w)| *to = digits_of(*w as i16)[digit]);
            }
            let matrix = Tensor::f_from_slice(&matrix)?.f_reshape([rows as i64, columns as i64])?;
            digits.push(matrix.f_to(device)?);
        }
        let sums: Vec<i64> = values.chunks_exact(k).map(|row| row.iter().sum()).collect();
        Ok(Self { n: n as i64, k: k as i64, digits, sums: numbers(&sums, &[1, n as i64], device)? })
    }

    /// Terms of each product.
    pub(super) fn terms(&self) -> i64 {
        self.k
    }

    /// The rows of an index: (rows, k).
    pub(super) fn rows(&self, index: &Tensor) -> Made {
        self.digits(|digit| wide(&digit.f_index_select(0, index)?.f_narrow(1, 0, self.k)?))
    }

    /// What is linear in the weights, from what it is of each digit.
    fn digits(&self, of: impl Fn(&Tensor) -> Made) -> Made {
        match self.digits.as_slice() {
            [only] => of(only),
            [high, low] => of(high)?.f_bitwise_left_shift_tensor_scalar(8)?.f_add(&of(low)?),
            _ => Err(TchError::Shape("weights have one digit or two".into())),
        }
    }

    /// Sums over k of w[n][k] m[row][k]: (rows, n). m are mantissas of 8 bits (`narrow`) or of 16.
    ///
    /// With h = m >> 8 and l = (m & 255) - 128, which are digits of 8 bits: sum w m = 256 sum w h + sum w l + 128 sum w.
    pub(super) fn products(&self, m: &Tensor, narrow: bool) -> Made {
        if narrow {
            return self.of_digits(m);
        }
        let rows = shape(m, 0)?;
        let high = m.f_bitwise_right_shift_tensor_scalar(8)?;
        let low = m.f_bitwise_and(255)?.f_sub_scalar(128)?;
        let sums = self.of_digits(&Tensor::f_cat(&[high, low], 0)?)?;
        let (high, low) = (sums.f_narrow(0, 0, rows)?, sums.f_narrow(0, rows, rows)?);
        let offset = self.sums.f_bitwise_left_shift_tensor_scalar(7)?;
        high.f_bitwise_left_shift_tensor_scalar(8)?.f_add(&low)?.f_add(&offset)
    }

    /// Sums over k of w[n][k] x[row][k], every x a digit.
    fn of_digits(&self, x: &Tensor) -> Made {
        let rows = shape(x, 0)?;
        let (padded, columns) = self.padded(rows);
        let x = x.f_constant_pad_nd([0, columns - self.k, 0, padded - rows])?.f_totype(Kind::Int8)?;
        let sums = self.digits(|w| {
            let piece = |first: i64| {
                let terms = TERMS_MAX.min(columns - first);
                wide(&product(&x.f_narrow(1, first, terms)?.f_contiguous()?, &w.f_narrow(1, first, terms)?)?)
            };
            let mut sums = piece(0)?;
            for first in (TERMS_MAX..columns).step_by(TERMS_MAX as usize) {
                sums = sums.f_add(&piece(first)?)?;
            }
            Ok(sums)
        })?;
        sums.f_narrow(0, 0, rows)?.f_narrow(1, 0, self.n)
    }

    /// Rows and columns of so many rows of digits, as `_int_mm` takes them.
    pub(super) fn padded(&self, rows: i64) -> (i64, i64) {
        let rows = (rows as usize).next_multiple_of(MULTIPLE).max(ROWS_MIN);
        (rows as i64, (self.k as usize).next_multiple_of(MULTIPLE) as i64)
    }

    /// Do 32 bits hold the sums of whole rows.
    pub(super) fn in_one_piece(&self) -> bool {
        self.padded(0).1 <= TERMS_MAX
    }

    /// The products of padded digits with each digit of the weights, in 32 bits; only `in_one_piece`.
    pub(super) fn of_padded(&self, x: &Tensor) -> Result<Vec<Tensor>, TchError> {
        self.digits.iter().map(|w| product(x, w)).collect()
    }

    /// Output channels.
    pub(super) fn channels(&self) -> i64 {
        self.n
    }

    /// Sums of the weights of each channel: (1, n).
    pub(super) fn sums(&self) -> &Tensor {
        &self.sums
    }
}

/// x (rows, k) times w (n, k) of digits. Exact: 32 bits hold every sum of up to `TERMS_MAX` products of digits.
fn product(x: &Tensor, w: &Tensor) -> Made {
    x.f_internal_int_mm(&w.f_transpose(0, 1)?)
}

/// A constant as its operation reads it.
#[derive(Debug)]
pub(super) enum Held {
    /// Of `embed` and `linear`.
    Weights(Weights),
    /// Everything else: (rows, columns).
    Plain(Tensor),
}

impl Held {
    pub(super) fn of(constant: &Constant<'_>, weights: bool, device: Device) -> Result<Self, EngineError> {
        let values = values(constant)?;
        let shape = [constant.info.rows.into(), constant.info.columns.into()];
        let held = if weights {
            Weights::new(&values, &constant.info, device).map(Self::Weights)
        } else {
            numbers(&values, &shape, device).map(Self::Plain)
        };
        held.map_err(failed)
    }
}

/// Is constant `k` of an operation a matrix of weights.
pub(super) fn is_weights(op: &Op, k: usize) -> bool {
    matches!(op, Op::Embed { .. } | Op::Linear { .. }) && k == 0
}

/// The values of a constant, row-major, all of them in its declared range.
fn values(constant: &Constant<'_>) -> Result<Vec<i64>, EngineError> {
    let (info, bytes) = (constant.info, constant.row_major());
    let values: Vec<i64> = match info.element {
        ElementType::I8 => bytes.iter().map(|x| i64::from(*x as i8)).collect(),
        ElementType::I16 => numbers_of(&bytes, i16::from_le_bytes),
        ElementType::U16 => numbers_of(&bytes, u16::from_le_bytes),
        ElementType::I32 => numbers_of(&bytes, i32::from_le_bytes),
        ElementType::I64 => numbers_of(&bytes, i64::from_le_bytes),
    };
    if values.len() as u64 != info.len() || !values.iter().all(|x| (info.low..=info.high).contains(x)) {
        return Err(OutOfDomain("a constant").into());
    }
    Ok(values)
}

fn numbers_of<const N: usize, T: Into<i64>>(bytes: &[u8], of: fn([u8; N]) -> T) -> Vec<i64> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| of(*bytes).into()).collect()
}

/// All constants of a model.
#[derive(Debug, Default)]
pub(super) struct Constants {
    /// By what they are and whether they are weights there.
    held: BTreeMap<(ConstantId, bool), Held>,
}

impl Constants {
    pub(super) fn new(model: &Model, device: Device) -> Result<Self, EngineError> {
        let mut held = BTreeMap::new();
        for node in &model.program().nodes {
            for (k, id) in node.constants.iter().enumerate() {
                let weights = is_weights(&node.op, k);
                if let Entry::Vacant(place) = held.entry((*id, weights)) {
                    let constant = model.constant(*id).ok_or(OutOfDomain("a constant"))?;
                    place.insert(Held::of(&constant, weights, device)?);
                }
            }
        }
        Ok(Self { held })
    }

    /// Those of a node.
    pub(super) fn of(&self, op: &Op, ids: &[ConstantId]) -> Option<Vec<&Held>> {
        let held = |(k, id): (usize, &ConstantId)| self.held.get(&(*id, is_weights(op, k)));
        ids.iter().enumerate().map(held).collect()
    }
}
