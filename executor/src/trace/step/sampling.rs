//! Steps from logits to a token.

use super::index::{add, div, index, mul, sub, value};
use super::{GONE, Reader, Step, Stepped, one};
use crate::kernels::{distance_limit, draw_below, inverse_temperature, power, power_column, top_k, top_p};
use crate::numerics::{OutOfDomain, difference, product, round_shift, sum};
use crate::program::op::{Op, Target};

/// Distances are below this.
const DISTANCES: i64 = 1 << 25;
/// What a wrong index amounts to: no index.
const WRONG: i64 = -1;

impl Step<'_> {
    pub(super) fn sampling(&self, from: &mut dyn Reader, a: u64, length: u64) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        let sampling = &self.item.sampling;
        match self.node.op {
            Op::Argmax {} => {
                // The largest, and among equals the lowest index.
                let x = from.row(0, t, a, length)?;
                let mut most = i64::MIN;
                for (i, x) in (a..).zip(x) {
                    let key = sum(product(x, 1 << 20)?, difference((1 << 20) - 1, value(i)?)?)?;
                    most = most.max(key);
                }
                Ok(most)
            }
            Op::Distance { shift } => {
                let x = one(from.row(0, t, e, 1)?)?;
                let top = one(from.row(1, t, 0, 1)?)?;
                let inverse = inverse_temperature(sampling.temperature)?;
                let d = round_shift(product(difference(top, x)?, inverse)?, shift)?;
                Ok(d.clamp(0, DISTANCES.saturating_sub(1)))
            }
            Op::Hist { level, mass } => self.hist(from, a, length, level, mass),
            Op::CumSum {} => {
                let x = one(from.row(0, t, e, 1)?)?;
                match e.checked_sub(1) {
                    Some(before) => Ok(sum(from.own(t, before)?, x)?),
                    None => Ok(sum(x, 0)?),
                }
            }
            Op::Crossing { target } => self.crossing(from, target),
            Op::Weigh {} => {
                let d = one(from.row(0, t, e, 1)?)?;
                let upper = one(from.row(1, t, 0, 1)?)?;
                let lower = one(from.row(2, t, 0, 1)?)?;
                let entry = one(from.constant(0, index(power_column(d))?, 1)?)?;
                if d <= distance_limit(upper, lower) { Ok(power(entry, d)?) } else { Ok(0) }
            }
            Op::Keep {} => {
                let d = one(from.row(0, t, e, 1)?)?;
                let w = one(from.row(1, t, e, 1)?)?;
                let upper = one(from.row(2, t, 0, 1)?)?;
                let lower = one(from.row(3, t, 0, 1)?)?;
                let least = product(sampling.min_p.into(), i32::MAX.into())?;
                let kept = d <= distance_limit(upper, lower) && product(w, 65_536)? >= least;
                Ok(if kept { w } else { 0 })
            }
            Op::BlockSum { block } => {
                let x = from.row(0, t, add(mul(e, block.into())?, a)?, length)?;
                Ok(x.into_iter().try_fold(0, sum)?)
            }
            Op::Draw {} => {
                let mass = one(from.row(0, t, sub(self.width(0)?, 1)?, 1)?)?;
                let position = u32::try_from(t).map_err(|_| GONE)?;
                Ok(draw_below(&sampling.seed, position, mass.max(1))?)
            }
            Op::Pick { block } => self.pick(from, block.into()),
            _ => Err(GONE.into()),
        }
    }

    fn hist(&self, from: &mut dyn Reader, a: u64, length: u64, level: u32, mass: u32) -> Stepped<i64> {
        let t = self.t;
        let d = from.row(0, t, a, length)?;
        let weights = if mass == 1 { from.row(1, t, a, length)? } else { vec![1; d.len()] };
        let last = self.inputs.len().saturating_sub(1);
        let upper = if level == 1 { Some(one(from.row(last, t, 0, 1)?)?) } else { None };
        let bin = value(self.e)?;
        let mut acc = 0;
        for (d, w) in d.into_iter().zip(weights) {
            if upper.is_none_or(|upper| d >> 14 == upper) {
                if !(0..DISTANCES).contains(&d) {
                    return Err(OutOfDomain("hist").into());
                }
                let own = if upper.is_some() { (d >> 3) & 2047 } else { d >> 14 };
                acc = if own == bin { sum(acc, w)? } else { acc };
            }
        }
        Ok(acc)
    }

    /// The picked index if it is the lowest whose sum reaches the target, the last one if none does.
    fn crossing(&self, from: &mut dyn Reader, target: Target) -> Stepped<i64> {
        let t = self.t;
        let sampling = &self.item.sampling;
        let last = sub(self.width(0)?, 1)?;
        let target = match target {
            Target::TopK => top_k(sampling.top_k, one(from.row(0, t, last, 1)?)?),
            Target::TopP => top_p(sampling.top_p, one(from.row(0, t, last, 1)?)?)?,
            Target::TopKRest | Target::TopPRest => {
                let whole = one(from.row(1, t, sub(self.width(1)?, 1)?, 1)?)?;
                let bin = index(one(from.row(2, t, 0, 1)?)?)?;
                let below = match bin.checked_sub(1) {
                    Some(before) => one(from.row(1, t, before, 1)?)?,
                    None => 0,
                };
                let all = match target {
                    Target::TopKRest => top_k(sampling.top_k, whole),
                    _ => top_p(sampling.top_p, whole)?,
                };
                difference(all, below)?
            }
            Target::Draw => sum(one(from.row(1, t, 0, 1)?)?, 1)?,
        };
        let i = index(self.claimed)?;
        if i > last {
            return Err(GONE.into());
        }
        let (before, at) = match i.checked_sub(1) {
            Some(before) => {
                let (before, at) = super::two(from.row(0, t, before, 2)?)?;
                (Some(before), at)
            }
            None => (None, one(from.row(0, t, 0, 1)?)?),
        };
        let lowest = at >= target && before.is_none_or(|before| before < target);
        let none = i == last && at < target;
        Ok(if lowest || none { self.claimed } else { WRONG })
    }

    fn pick(&self, from: &mut dyn Reader, block: u64) -> Stepped<i64> {
        let t = self.t;
        let b = index(one(from.row(2, t, 0, 1)?)?)?;
        let mut acc = match b.checked_sub(1) {
            Some(before) => one(from.row(1, t, before, 1)?)?,
            None => 0,
        };
        let target = sum(one(from.row(3, t, 0, 1)?)?, 1)?;
        let start = mul(b, block)?;
        let length = sub(self.width(0)?, start)?.min(block);
        if length == 0 || b > div(self.width(0)?, block)? {
            return Err(GONE.into());
        }
        let mut i = sub(add(start, length)?, 1)?;
        for (k, w) in (start..).zip(from.row(0, t, start, length)?) {
            acc = sum(acc, w)?;
            if acc >= target {
                i = k;
                break;
            }
        }
        Ok(value(i)?)
    }
}
