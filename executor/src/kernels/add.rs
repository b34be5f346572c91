//! y[i] = sat32(a[i] + b[i]).

use super::operands::Operands;
use crate::numerics::{Exact, sat32, sum};

pub(super) fn add(x: &Operands<'_>) -> Exact<Vec<i64>> {
    x.row(0)?.iter().zip(x.row(1)?).map(|(a, b)| Ok(sat32(sum(*a, *b)?).into())).collect()
}
