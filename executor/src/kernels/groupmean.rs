//! y[g] = sat32(divide(sum of x over group g, elements of a group)).

use super::operands::{Operands, coordinate};
use crate::numerics::{Exact, divide, sat32, sum};

pub(super) fn groupmean(x: &Operands<'_>, groups: u32) -> Exact<Vec<i64>> {
    x.groups(0, groups)?
        .map(|group| {
            let total = group.iter().copied().try_fold(0, sum)?;
            Ok(sat32(divide(total, coordinate(group.len())?)?).into())
        })
        .collect()
}
