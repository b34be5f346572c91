//! Steps of maps and of reductions of groups.

use super::index::{add, mul, value};
use super::{GONE, Reader, Step, Stepped, one};
use crate::kernels::{Place, place};
use crate::numerics::{divide, sat32, sum};
use crate::program::op::Op;

impl Step<'_> {
    pub(super) fn grouped(&self, from: &mut dyn Reader, a: u64, length: u64) -> Stepped<i64> {
        let (t, e) = (self.t, self.e);
        let mut group = || -> Stepped<Vec<i64>> { from.row(0, t, add(mul(e, self.terms()?)?, a)?, length) };
        match self.node.op {
            Op::GroupMax { .. } => group()?.into_iter().max().ok_or(GONE.into()),
            Op::GroupMean { .. } => Ok(group()?.into_iter().try_fold(0, sum)?),
            Op::Gather { visible, fill } => {
                let entry = one(from.constant(0, e, 1)?)?;
                // The own row is the only one that a map without positions can name.
                let (first, rows) = if visible == 1 { (0, self.tensor.positions) } else { (t, 1) };
                match place(entry, value(self.width(0)?)?)? {
                    Some(Place { row, element }) if row < rows => {
                        one(from.row(0, add(first, row)?, element, 1)?)
                    }
                    _ => Ok(fill.into()),
                }
            }
            _ => Err(GONE.into()),
        }
    }

    pub(super) fn finish_mean(&self, total: i64) -> Stepped<i64> {
        Ok(sat32(divide(total, value(self.terms()?)?)?).into())
    }
}
