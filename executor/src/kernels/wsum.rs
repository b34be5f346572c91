//! y[h] = sum_s w[h][s].

use super::operands::Operands;
use crate::numerics::{Exact, sum};

pub(super) fn wsum(x: &Operands<'_>) -> Exact<Vec<i64>> {
    x.groups(0, x.row_groups)?.map(|group| group.iter().try_fold(0, |acc, w| sum(acc, *w))).collect()
}
