//! Steps of elementwise operations.

use super::index::{add, index, mul, rem, sub};
use super::{GONE, Reader, Step, Stepped, one, two};
use crate::kernels::{interpolate, table_cell, turn};
use crate::numerics::{product, round_shift, sat32, sum};
use crate::program::op::Op;

impl Step<'_> {
    pub(super) fn pointwise(&self, from: &mut dyn Reader) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        if let Op::Rope { head_dim } = self.node.op {
            return self.rope(from, head_dim);
        }
        let x = one(from.row(0, t, e, 1)?)?;
        match self.node.op {
            Op::Add {} => {
                let b = one(from.row(1, t, e, 1)?)?;
                Ok(sat32(sum(x, b)?).into())
            }
            Op::Mul { shift } => {
                let b = one(from.row(1, t, e, 1)?)?;
                Ok(sat32(round_shift(product(x, b)?, shift)?).into())
            }
            Op::Clamp { low, high } if low <= high => Ok(x.clamp(low.into(), high.into())),
            Op::Rescale { multiplier, shift } => {
                Ok(sat32(round_shift(product(x, multiplier.into())?, shift)?).into())
            }
            Op::Lut { in_shift, shift } => {
                let y = table(from, x, in_shift)?;
                Ok(sat32(round_shift(y, shift)?).into())
            }
            Op::Act { in_shift, shift } => {
                let y = table(from, x, in_shift)?;
                Ok(sat32(round_shift(product(x, y)?, shift)?).into())
            }
            Op::Glu { in_shift, shift } => {
                let u = one(from.row(1, t, e, 1)?)?;
                let y = table(from, x, in_shift)?;
                let gate = sat32(round_shift(product(x, y)?, 23)?);
                Ok(sat32(round_shift(product(gate.into(), u)?, shift)?).into())
            }
            _ => Err(GONE.into()),
        }
    }

    fn rope(&self, from: &mut dyn Reader, head_dim: u32) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        let columns = u64::from(self.shape_of(0)?.columns);
        let pairs = columns >> 1;
        let upper_row = mul(t >> 8, columns)?;
        let j = rem(e, head_dim.into())?;
        if j >= columns {
            // The constant shows that there are no more pairs.
            from.constant(0, upper_row, 1)?;
            return one(from.row(0, t, e, 1)?);
        }
        let i = rem(j, pairs)?;
        let count = add(pairs, 1)?;
        let upper = ends(from.constant(0, add(upper_row, i)?, count)?)?;
        let lower = ends(from.constant(1, add(mul(t & 255, columns)?, i)?, count)?)?;
        let x = ends(from.row(0, t, add(sub(e, j)?, i)?, count)?)?;
        let (first, second) = turn(x, turn(lower, upper)?)?;
        Ok(sat32(if j < pairs { first } else { second }).into())
    }
}

/// T(x).
fn table(from: &mut dyn Reader, x: i64, in_shift: i32) -> Stepped<i64> {
    let (i, rest) = table_cell(x, in_shift)?;
    let (base, difference) = two(from.constant(0, mul(index(i)?, 2)?, 2)?)?;
    Ok(interpolate(base, difference, rest)?)
}

/// First and last of a read of at least two.
fn ends(values: Vec<i64>) -> Stepped<(i64, i64)> {
    match values.as_slice() {
        [first, .., last] => Ok((*first, *last)),
        _ => Err(GONE.into()),
    }
}
