//! y[g] = max of x over group g: a group of scores, or the whole of a row of fixed width.

use super::operands::Operands;
use crate::numerics::{Exact, OutOfDomain};

pub(super) fn rowmax(x: &Operands<'_>) -> Exact<Vec<i64>> {
    x.groups(0, x.row_groups)?.map(|group| group.iter().copied().max().ok_or(OutOfDomain("rowmax"))).collect()
}
