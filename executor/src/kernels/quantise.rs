//! m[i] = round_shift(x[i], e[g]) within +-(2^(bits-1) - 1), g the group of i.

use super::operands::{Operands, shift};
use crate::numerics::{Exact, mantissa};

pub(super) fn quantise(x: &Operands<'_>, bits: u32, groups: u32) -> Exact<Vec<i64>> {
    let mut out = Vec::new();
    for (group, e) in x.groups(0, groups)?.zip(x.row(1)?) {
        for v in group {
            out.push(mantissa(*v, shift(*e)?, bits)?);
        }
    }
    Ok(out)
}
