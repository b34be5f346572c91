//! Tables and products of weights.

use super::super::math::{Made, round_shift_by, sat32};
use super::super::operands::Operands;
use crate::program::op::Index;

/// y[j] = sat32(round_shift(w[i][j] * multiplier[i], shift[i] + shift)), i the token or the position.
pub(super) fn embed(x: &Operands<'_>, index: Index, shift: i32) -> Made {
    let i = match index {
        Index::Token => &x.rows.tokens,
        Index::Position => &x.rows.positions,
    };
    let of_row = |k: usize| x.constant(k)?.f_index_select(1, i)?.f_reshape([-1, 1]);
    let product = x.weights()?.rows(i)?.f_mul(&of_row(1)?)?;
    round_shift_by(&product, &of_row(2)?.f_add_scalar(i64::from(shift))?)
}

/// y[p][n] = sat32(sat32(round_shift(acc * multiplier[n], shift[n] + shift - e[p])) + bias[n]), acc = sum_k w[n][k] m[p][k].
pub(super) fn linear(x: &Operands<'_>, shift: i32) -> Made {
    let (m, e, weights) = (x.own(0)?, x.own(1)?, x.weights()?);
    let m = m.f_reshape([-1, weights.terms()])?;
    let s = x.constant(2)?.f_add_scalar(i64::from(shift))?.f_sub(&e.f_reshape([-1, 1])?)?;
    let product = weights.products(&m, x.narrow)?.f_mul(x.constant(1)?)?;
    let mut y = round_shift_by(&product, &s)?;
    if x.constants.len() > 3 {
        y = sat32(&y.f_add(x.constant(3)?)?)?;
    }
    y.f_reshape([x.rows.len(), -1])
}
