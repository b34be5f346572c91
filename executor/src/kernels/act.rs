//! y[i] = sat32(round_shift(x[i] * T(x[i]), shift)), T as in `lut`.

use super::lut::table_value;
use super::operands::Operands;
use crate::numerics::{Exact, product, round_shift, sat32};

pub(super) fn act(x: &Operands<'_>, in_shift: i32, shift: i32) -> Exact<Vec<i64>> {
    let table = x.constant(0)?;
    x.row(0)?
        .iter()
        .map(|v| Ok(sat32(round_shift(product(*v, table_value(table, *v, in_shift)?)?, shift)?).into()))
        .collect()
}
