//! y[g] = max of x over group g.

use super::operands::Operands;
use crate::numerics::{Exact, OutOfDomain};

pub(super) fn groupmax(x: &Operands<'_>, groups: u32) -> Exact<Vec<i64>> {
    x.groups(0, groups)?.map(|group| group.iter().copied().max().ok_or(OutOfDomain("groupmax"))).collect()
}
