//! y[i] = sat32(round_shift(sat32(round_shift(x[i] * T(x[i]), 23)) * u[i], shift)), T as in `lut`.

use super::lut::table_value;
use super::operands::Operands;
use crate::numerics::{Exact, product, round_shift, sat32};

pub(super) fn glu(x: &Operands<'_>, in_shift: i32, shift: i32) -> Exact<Vec<i64>> {
    let table = x.constant(0)?;
    x.row(0)?
        .iter()
        .zip(x.row(1)?)
        .map(|(v, u)| {
            let gate = sat32(round_shift(product(*v, table_value(table, *v, in_shift)?)?, 23)?);
            Ok(sat32(round_shift(product(gate.into(), *u)?, shift)?).into())
        })
        .collect()
}
