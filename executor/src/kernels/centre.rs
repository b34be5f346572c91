//! y[i] = sat32(x[i] - divide(s, n)), n the width of the row.

use super::operands::{Operands, coordinate};
use crate::numerics::{Exact, difference, divide, sat32};

pub(super) fn centre(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let row = x.row(0)?;
    let mean = divide(x.element(1, 0)?, coordinate(row.len())?)?;
    row.iter().map(|v| Ok(sat32(difference(*v, mean)?).into())).collect()
}
