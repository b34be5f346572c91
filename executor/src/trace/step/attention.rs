//! Steps of attention and of means over time.

use super::index::{add, div, index, mul, rem, value};
use super::{GONE, Reader, Step, Stepped, one};
use crate::kernels::{accumulate, as_shift, mean, power, power_column};
use crate::numerics::{difference, divide, product, round_shift, sat32, sum};
use crate::program::op::Op;

impl Step<'_> {
    /// Query head and key head of a head's element, of `heads` that share `kv_heads`.
    fn key_head(h: u64, heads: u32, kv_heads: u32) -> Stepped<u64> {
        Ok(div(h, div(heads.into(), kv_heads.into())?)?)
    }

    /// Of an element of `score`: query head, key head, the position that it is about.
    fn pair(&self, heads: u32, kv_heads: u32) -> Stepped<(u64, u64, u64)> {
        let (first, count) = self.seen()?;
        let h = div(self.e, count)?;
        Ok((h, Self::key_head(h, heads, kv_heads)?, add(first, rem(self.e, count)?)?))
    }

    /// Of an element of `mix`: query head, key head, element of the head.
    fn lane(&self, heads: u32, kv_heads: u32) -> Stepped<(u64, u64, u64, u64)> {
        let width = div(self.width(2)?, kv_heads.into())?;
        let h = div(self.e, width)?;
        Ok((h, Self::key_head(h, heads, kv_heads)?, rem(self.e, width)?, width))
    }

    pub(super) fn attention(&self, from: &mut dyn Reader, a: u64, length: u64) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        match self.node.op {
            Op::Score { heads, kv_heads, .. } => {
                let (h, g, s) = self.pair(heads, kv_heads)?;
                let d = self.terms()?;
                let q = from.row(0, t, add(mul(h, d)?, a)?, length)?;
                let k = from.row(2, s, add(mul(g, d)?, a)?, length)?;
                let mut acc = 0;
                for (q, k) in q.into_iter().zip(k) {
                    acc = sum(acc, product(q, k)?)?;
                }
                Ok(acc)
            }
            Op::RowMax {} => {
                let x = from.row(0, t, add(mul(e, self.terms()?)?, a)?, length)?;
                x.into_iter().max().ok_or(GONE.into())
            }
            Op::Exp2W {} => {
                let (_, count) = self.seen()?;
                let x = one(from.row(0, t, e, 1)?)?;
                let top = one(from.row(1, t, div(e, count)?, 1)?)?;
                let d = difference(top, x)?;
                let entry = one(from.constant(0, index(power_column(d))?, 1)?)?;
                Ok(power(entry, d)?)
            }
            Op::WSum {} => {
                let x = from.row(0, t, add(mul(e, self.terms()?)?, a)?, length)?;
                Ok(x.into_iter().try_fold(0, sum)?)
            }
            Op::TimeMax { .. } => {
                let x = from.column(0, e, add(self.seen()?.0, a)?, length)?;
                x.into_iter().max().ok_or(GONE.into())
            }
            Op::Mix { heads, kv_heads, .. } => {
                let (first, count) = self.seen()?;
                let (h, g, j, width) = self.lane(heads, kv_heads)?;
                let w = from.row(0, t, add(mul(h, count)?, a)?, length)?;
                let top = one(from.row(4, t, g, 1)?)?;
                let start = add(first, a)?;
                let exponents = from.column(3, g, start, length)?;
                let v = from.column(2, add(mul(g, width)?, j)?, start, length)?;
                let mut acc = 0;
                for ((w, v), exponent) in w.into_iter().zip(v).zip(exponents) {
                    acc = accumulate(acc, (w, v), exponent, top)?;
                }
                Ok(acc)
            }
            Op::Pool {} => {
                let x = from.column(0, e, a, length)?;
                Ok(x.into_iter().try_fold(0, sum)?)
            }
            _ => Err(GONE.into()),
        }
    }

    pub(super) fn finish_attention(&self, from: &mut dyn Reader, total: i64) -> Stepped<i64> {
        let t = self.t;
        match self.node.op {
            Op::Score { heads, kv_heads, multiplier, shift, .. } => {
                let (h, g, s) = self.pair(heads, kv_heads)?;
                let qe = one(from.row(1, t, h, 1)?)?;
                let ke = one(from.row(3, s, g, 1)?)?;
                let s = as_shift(difference(difference(shift.into(), qe)?, ke)?)?;
                Ok(sat32(round_shift(product(total, multiplier.into())?, s)?).into())
            }
            Op::Mix { heads, kv_heads, shift } => {
                let (h, g, _, _) = self.lane(heads, kv_heads)?;
                let mass = one(from.row(1, t, h, 1)?)?;
                let top = one(from.row(4, t, g, 1)?)?;
                let s = as_shift(difference(shift.into(), top)?)?;
                Ok(sat32(round_shift(mean(total, mass)?, s)?).into())
            }
            Op::Pool {} => Ok(sat32(divide(total, value(self.tensor.positions)?)?).into()),
            _ => Err(GONE.into()),
        }
    }
}
