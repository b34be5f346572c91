//! s = sum of x.

use super::operands::Operands;
use crate::numerics::{Exact, sum};

pub(super) fn rowsum(x: &Operands<'_>) -> Exact<Vec<i64>> {
    Ok(vec![x.row(0)?.iter().try_fold(0, |acc, v| sum(acc, *v))?])
}
