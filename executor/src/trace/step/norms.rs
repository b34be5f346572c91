//! Steps of norms.

use super::index::{add, mul, rem, value};
use super::{GONE, Reader, Step, Stepped, one, two};
use crate::kernels::{as_shift, reciprocal_root};
use crate::numerics::{difference, divide, mantissa, product, round_shift, sat32, sum};
use crate::program::op::Op;

impl Step<'_> {
    pub(super) fn normalisation(&self, from: &mut dyn Reader, a: u64, length: u64) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        match self.node.op {
            Op::SumSq { .. } => {
                let x = from.row(0, t, add(mul(e, self.terms()?)?, a)?, length)?;
                let exponent = as_shift(one(from.row(1, t, e, 1)?)?)?;
                let mut acc = 0;
                for x in x {
                    let m = mantissa(x, exponent, 24)?;
                    acc = sum(acc, product(m, m)?)?;
                }
                Ok(acc)
            }
            Op::RNorm { eps, root, .. } => {
                let s = one(from.row(0, t, e >> 1, 1)?)?;
                let exponent = one(from.row(1, t, e >> 1, 1)?)?;
                let (r, h) = reciprocal_root(s, exponent, eps, root)?;
                Ok(if e & 1 == 0 { r } else { h })
            }
            Op::Norm { groups, shift, gain_shift } => {
                let group = self.group(e, groups)?;
                let x = one(from.row(0, t, e, 1)?)?;
                let exponent = one(from.row(1, t, group, 1)?)?;
                let (r, h) = two(from.row(2, t, mul(group, 2)?, 2)?)?;
                let gain = one(from.constant(0, self.channel(0)?, 1)?)?;
                let bias =
                    if self.constants.len() > 1 { one(from.constant(1, self.channel(1)?, 1)?)? } else { 0 };
                let m = mantissa(x, as_shift(exponent)?, 24)?;
                let s = as_shift(difference(shift.into(), h)?)?;
                let n = sat32(round_shift(product(m, r)?, s)?);
                let y = sat32(round_shift(product(n.into(), gain)?, gain_shift)?);
                Ok(sat32(sum(y.into(), bias)?).into())
            }
            Op::RowSum {} => {
                let x = from.row(0, t, a, length)?;
                Ok(x.into_iter().try_fold(0, sum)?)
            }
            Op::Centre {} => {
                let x = one(from.row(0, t, e, 1)?)?;
                let s = one(from.row(1, t, 0, 1)?)?;
                Ok(sat32(difference(x, divide(s, value(self.width(0)?)?)?)?).into())
            }
            _ => Err(GONE.into()),
        }
    }

    /// The column of constant `k` for the element; one as wide as a group repeats.
    fn channel(&self, k: usize) -> Stepped<u64> {
        Ok(rem(self.e, self.shape_of(k)?.columns.into())?)
    }
}
