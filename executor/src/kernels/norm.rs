//! y[i] = sat32(round_shift(n * gain[i], gain_shift)) + bias[i], saturated;
//! n = sat32(round_shift(m * r[g], shift - h[g])), m = mantissa of 24 bits of x[i] under e[g].

use super::operands::{Operands, at, coordinate, shift as as_shift};
use crate::numerics::{Exact, OutOfDomain, difference, mantissa, product, round_shift, sat32, sum};

pub(super) fn norm(x: &Operands<'_>, groups: u32, shift: i32, gain_shift: i32) -> Exact<Vec<i64>> {
    let (exponents, roots) = (x.row(1)?, x.row(2)?);
    let mut out = Vec::new();
    for (g, group) in x.groups(0, groups)?.enumerate() {
        let e = as_shift(at(exponents, g)?)?;
        let pair = roots.chunks_exact(2).nth(g).ok_or(OutOfDomain("norm"))?;
        let (r, h) = (at(pair, 0)?, at(pair, 1)?);
        let s = as_shift(difference(shift.into(), h)?)?;
        for v in group {
            let n = sat32(round_shift(product(mantissa(*v, e, 24)?, r)?, s)?);
            let i = out.len();
            let y = sat32(round_shift(product(n.into(), per_channel(x, 0, i)?)?, gain_shift)?);
            let bias = if x.constants.len() > 1 { per_channel(x, 1, i)? } else { 0 };
            out.push(sat32(sum(y.into(), bias)?).into());
        }
    }
    Ok(out)
}

/// Constant `k` for element `i`; one as wide as a group repeats.
fn per_channel(x: &Operands<'_>, k: usize, i: usize) -> Exact<i64> {
    let c = x.constant(k)?;
    let i = i.checked_rem(c.info.columns as usize).ok_or(OutOfDomain("norm"))?;
    c.at(0, coordinate(i)?)
}
