//! The lowest i with x[i] = max x.

use super::operands::{Operands, coordinate};
use crate::numerics::{Exact, OutOfDomain};

pub(super) fn argmax(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let row = x.row(0)?;
    let top = row.iter().max().ok_or(OutOfDomain("argmax"))?;
    let i = row.iter().position(|v| v == top).ok_or(OutOfDomain("argmax"))?;
    Ok(vec![coordinate(i)?])
}
