//! Steps of table rows, mantissas, products and transforms.

use super::index::{add, div, index, mul, rem, sub};
use super::{GONE, Reader, Step, Stepped, one};
use crate::kernels::as_shift;
use crate::numerics::{difference, mantissa, product, round_shift, row_exponent, sat32, sum};
use crate::program::op::{Index, Op};

impl Step<'_> {
    pub(super) fn product(&self, from: &mut dyn Reader, a: u64, length: u64) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        match self.node.op {
            Op::Embed { index: by, shift } => {
                let i = match by {
                    Index::Token => index(from.token(t)?)?,
                    Index::Position => t,
                };
                let w = one(from.constant(0, add(mul(i, self.tensor.row(t))?, e)?, 1)?)?;
                let multiplier = one(from.constant(1, i, 1)?)?;
                let s = sum(one(from.constant(2, i, 1)?)?, shift.into())?;
                Ok(sat32(round_shift(product(w, multiplier)?, as_shift(s)?)?).into())
            }
            Op::RowExp { .. } => {
                let x = from.row(0, t, add(mul(e, self.terms()?)?, a)?, length)?;
                let most = x.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
                Ok(i64::try_from(most).map_err(|_| GONE)?)
            }
            Op::Quantise { bits, groups } => {
                let x = one(from.row(0, t, e, 1)?)?;
                let exponent = one(from.row(1, t, self.group(e, groups)?, 1)?)?;
                Ok(mantissa(x, as_shift(exponent)?, bits)?)
            }
            Op::Linear { .. } => {
                let (group, channel) = self.cell()?;
                let terms = self.terms()?;
                let m = from.row(0, t, add(mul(group, terms)?, a)?, length)?;
                let w = from.constant(0, add(mul(channel, terms)?, a)?, length)?;
                let terms = w.iter().zip(&m).map(|(w, m)| product(*w, *m));
                Ok(terms.into_iter().try_fold(0, |acc, term| sum(acc, term?))?)
            }
            Op::Hadamard { block, .. } => {
                let i = rem(e, block.into())?;
                let x = from.row(0, t, add(sub(e, i)?, a)?, length)?;
                let mut acc = 0;
                for (j, x) in (a..).zip(x) {
                    let even = (i & j).count_ones() & 1 == 0;
                    acc = if even { sum(acc, x)? } else { difference(acc, x)? };
                }
                Ok(acc)
            }
            _ => Err(GONE.into()),
        }
    }

    pub(super) fn finish_product(&self, from: &mut dyn Reader, total: i64) -> Stepped<i64> {
        match self.node.op {
            Op::RowExp { bits, .. } => Ok(row_exponent(total.unsigned_abs(), bits).into()),
            Op::Linear { shift } => {
                let (group, channel) = self.cell()?;
                let exponent = one(from.row(1, self.t, group, 1)?)?;
                let multiplier = one(from.constant(1, channel, 1)?)?;
                let s = sum(one(from.constant(2, channel, 1)?)?, shift.into())?;
                let bias = if self.constants.len() > 3 { one(from.constant(3, channel, 1)?)? } else { 0 };
                let s = as_shift(difference(s, exponent)?)?;
                let y = sat32(round_shift(product(total, multiplier)?, s)?);
                Ok(sat32(sum(y.into(), bias)?).into())
            }
            Op::Hadamard { shift, .. } => Ok(sat32(round_shift(total, shift)?).into()),
            _ => Err(GONE.into()),
        }
    }

    /// Group and channel of an element of `linear`.
    fn cell(&self) -> Stepped<(u64, u64)> {
        let channels = div(self.tensor.row(self.t), self.width(1)?)?;
        Ok((div(self.e, channels)?, rem(self.e, channels)?))
    }

    /// The group of element `e` of a row as wide as input 0.
    pub(super) fn group(&self, e: u64, groups: u32) -> Stepped<u64> {
        Ok(div(e, div(self.width(0)?, groups.into())?)?)
    }
}
