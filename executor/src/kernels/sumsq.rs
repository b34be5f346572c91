//! s[g] = sum of m^2 over group g, m = mantissa of 24 bits of x under e[g].

use super::operands::{Operands, shift};
use crate::numerics::{Exact, mantissa, product, sum};

pub(super) fn sumsq(x: &Operands<'_>, groups: u32) -> Exact<Vec<i64>> {
    x.groups(0, groups)?
        .zip(x.row(1)?)
        .map(|(group, e)| {
            group.iter().try_fold(0, |acc, v| {
                let m = mantissa(*v, shift(*e)?, 24)?;
                sum(acc, product(m, m)?)
            })
        })
        .collect()
}
