//! y[p][n] = sat32(sat32(round_shift(acc * multiplier[n], shift[n] + shift - e[p])) + bias[n]),
//! acc = sum_k w[n][k] m[p][k].

use super::operands::{Operands, at, coordinate, shift as as_shift};
use crate::numerics::{Exact, difference, product, round_shift, sat32, sum};

pub(super) fn linear(x: &Operands<'_>, shift: i32) -> Exact<Vec<i64>> {
    let exponents = x.row(1)?;
    let (weights, multipliers, shifts) = (x.constant(0)?, x.constant(1)?, x.constant(2)?);
    let groups = u32::try_from(exponents.len()).map_err(|_| super::operands::GONE)?;
    let mut out = Vec::new();
    // W (n, k) . m (p, k) -> y (p, n)
    for (m, e) in x.groups(0, groups)?.zip(exponents) {
        for n in 0..i64::from(weights.info.rows) {
            let mut acc = 0;
            for k in 0..m.len() {
                acc = sum(acc, product(weights.at(n, coordinate(k)?)?, at(m, k)?)?)?;
            }
            let s = difference(sum(shifts.at(0, n)?, shift.into())?, *e)?;
            let y = sat32(round_shift(product(acc, multipliers.at(0, n)?)?, as_shift(s)?)?);
            let bias = match x.constants.get(3) {
                Some(biases) => biases.at(0, n)?,
                None => 0,
            };
            out.push(sat32(sum(y.into(), bias)?).into());
        }
    }
    Ok(out)
}
