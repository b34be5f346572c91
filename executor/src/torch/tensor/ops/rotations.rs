//! Rotations by the position, and the Walsh-Hadamard transform.

use tch::{TchError, Tensor};

use super::super::math::{Made, round_shift, sat32, shape};
use super::super::operands::Operands;

/// round_shift(x, 29), which fits: an angle's parts are within 2^30 and a turned pair is saturated anyway.
fn rounded(x: &Tensor) -> Made {
    round_shift(x, 29)
}

/// (a + bi)(c + di), each part rounded by 29 bits and saturated.
fn turn((a, b): (&Tensor, &Tensor), (c, d): (&Tensor, &Tensor)) -> Result<(Tensor, Tensor), TchError> {
    let real = rounded(&a.f_mul(c)?.f_sub(&b.f_mul(d)?)?)?;
    let imaginary = rounded(&a.f_mul(d)?.f_add(&b.f_mul(c)?)?)?;
    Ok((real, imaginary))
}

/// Cosines and sines of a row of a table for each position: (rows, 1, pairs).
fn entries(table: &Tensor, index: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let rows = table.f_index_select(0, index)?.f_unsqueeze(1)?;
    let pairs = shape(&rows, 2)? / 2;
    Ok((rows.f_narrow(2, 0, pairs)?, rows.f_narrow(2, pairs, pairs)?))
}

/// Pair i of a head, (x[i], x[i+p]), turns by the sum of an upper and a lower angle: rows position >> 8 and position & 255.
pub(super) fn rope(x: &Operands<'_>, head_dim: u32) -> Made {
    let positions = &x.rows.positions;
    let upper = entries(x.constant(0)?, &positions.f_bitwise_right_shift_tensor_scalar(8)?)?;
    let lower = entries(x.constant(1)?, &positions.f_bitwise_and(255)?)?;
    let (c, s) = turn((&lower.0, &lower.1), (&upper.0, &upper.1))?;
    let pairs = shape(&c, 2)?;
    let heads = x.own(0)?.f_reshape([x.rows.len(), -1, head_dim.into()])?;
    let (a, b) = (heads.f_narrow(2, 0, pairs)?, heads.f_narrow(2, pairs, pairs)?);
    let (a, b) = turn((&a, &b), (&c, &s))?;
    let rest = heads.f_narrow(2, 2 * pairs, i64::from(head_dim) - 2 * pairs)?;
    Tensor::f_cat(&[a, b, rest], 2)?.f_reshape([x.rows.len(), -1])
}

/// y[i] = sat32(round_shift(sum_j (-1)^popcount(i & j) x[j], shift)) in each block, by halving: sums and differences.
pub(super) fn hadamard(x: &Operands<'_>, block: u32, shift: i32) -> Made {
    let size = x.own(0)?.size();
    let mut y = x.own(0)?.shallow_clone();
    let mut half = 1;
    while half < i64::from(block) {
        let pairs = y.f_reshape([-1, 2, half])?;
        let (a, b) = (pairs.f_select(1, 0)?, pairs.f_select(1, 1)?);
        y = Tensor::f_stack(&[a.f_add(&b)?, a.f_sub(&b)?], 1)?;
        half *= 2;
    }
    sat32(&round_shift(&y, shift.into())?)?.f_reshape(size)
}
