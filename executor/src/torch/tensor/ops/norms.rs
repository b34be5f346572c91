//! Mantissas and norms.

use tch::{Kind, Tensor};

use super::super::math::{Made, divide, divide_by, mantissa, round_shift, round_shift_by, sat32, shape};
use super::super::operands::Operands;
use crate::numerics::WIDE_LIMIT;

/// A row again, of groups.
fn flat(x: &Operands<'_>, groups: &Tensor) -> Made {
    groups.f_reshape([x.rows.len(), -1])
}

/// One number a group, as it is combined with the elements of the group.
fn of_group(x: &Operands<'_>, numbers: &Tensor) -> Made {
    numbers.f_reshape([x.rows.len(), -1, 1])
}

/// e[g] = bit_length(max |x|) - (bits - 1) over group g.
pub(super) fn rowexp(x: &Operands<'_>, bits: u32, groups: u32) -> Made {
    let most = x.groups(0, groups)?.f_abs()?.f_amax([-1], false)?;
    x.tables.bit_length(&most)?.f_sub_scalar(i64::from(bits) - 1)
}

/// m[i] = round_shift(x[i], e[g]) within +-(2^(bits-1) - 1).
pub(super) fn quantise(x: &Operands<'_>, bits: u32, groups: u32) -> Made {
    flat(x, &mantissa(&x.groups(0, groups)?, &of_group(x, x.own(1)?)?, bits)?)
}

/// s[g] = sum of m^2 over group g, m = mantissa of 24 bits of x under e[g].
pub(super) fn sumsq(x: &Operands<'_>, groups: u32) -> Made {
    let m = mantissa(&x.groups(0, groups)?, &of_group(x, x.own(1)?)?, 24)?;
    m.f_mul(&m)?.f_sum_dim_intlist([-1].as_slice(), false, Kind::Int64)
}

/// (r, h)[g]: total = s[g] + round_shift(eps, 2 e[g] + 16) within 1 ..= 2^62 - 1; t = (62 - bit_length(total)) & ~1;
/// q = isqrt(total * 2^t); r = divide(root, q); h = t / 2.
pub(super) fn rnorm(x: &Operands<'_>, eps: i64, root: i64) -> Made {
    const MOST: i64 = WIDE_LIMIT - 1;
    let s = x.own(1)?.f_mul_scalar(2)?.f_add_scalar(16)?;
    let right = s.f_clamp_min(0)?;
    let half =
        Tensor::f_bitwise_left_shift_scalar_tensor(1, &right)?.f_bitwise_right_shift_tensor_scalar(1)?;
    let smaller = half.f_add_scalar(eps)?.f_bitwise_right_shift(&right)?;
    // What would be more than the most is the most, so the sum stays within 64 bits.
    let left = s.f_neg()?.f_clamp_min(0)?;
    let room = Tensor::f_bitwise_right_shift_scalar_tensor(MOST, &left)?;
    let greater = smaller.f_bitwise_left_shift(&left)?;
    let most = Tensor::f_full(greater.size(), MOST, (Kind::Int64, x.rows.device))?;
    let eps = greater.f_where_self(&smaller.f_le_tensor(&room)?, &most)?.f_clamp_max(MOST)?;
    let total = x.own(0)?.f_clamp(-WIDE_LIMIT, WIDE_LIMIT)?.f_add(&eps)?.f_clamp(1, MOST)?;
    let t = x.tables.bit_length(&total)?.f_rsub_scalar(62)?.f_bitwise_and(!1)?;
    let q = x.tables.isqrt(&total.f_bitwise_left_shift(&t)?)?;
    let root = Tensor::f_full(q.size(), root, (Kind::Int64, x.rows.device))?;
    let pairs = [divide(&root, &q)?, t.f_bitwise_right_shift_tensor_scalar(1)?];
    flat(x, &Tensor::f_stack(&pairs, -1)?)
}

/// y[i] = sat32(sat32(round_shift(n * gain[i], gain_shift)) + bias[i]), n = sat32(round_shift(m * r[g], shift - h[g])),
/// m = mantissa of 24 bits of x[i] under e[g].
pub(super) fn norm(x: &Operands<'_>, groups: u32, shift: i32, gain_shift: i32) -> Made {
    let pairs = x.own(2)?.f_reshape([x.rows.len(), groups.into(), 2])?;
    let (r, h) = (pairs.f_narrow(2, 0, 1)?, pairs.f_narrow(2, 1, 1)?);
    let m = mantissa(&x.groups(0, groups)?, &of_group(x, x.own(1)?)?, 24)?;
    let width = shape(&m, 2)?;
    // As wide as a row, or as a group and repeated.
    let channels = |k: usize| x.constant(k)?.f_reshape([1, -1, width]);
    let n = round_shift_by(&m.f_mul(&r)?, &h.f_rsub_scalar(i64::from(shift))?)?;
    let mut y = round_shift(&n.f_mul(&channels(0)?)?, gain_shift.into())?;
    if x.constants.len() > 1 {
        y = sat32(&y.f_add(&channels(1)?)?)?;
    }
    flat(x, &y)
}

/// s = sum of x.
pub(super) fn rowsum(x: &Operands<'_>) -> Made {
    x.own(0)?.f_sum_dim_intlist([-1].as_slice(), true, Kind::Int64)
}

/// y[i] = sat32(x[i] - divide(s, n)), n the width of the row.
pub(super) fn centre(x: &Operands<'_>) -> Made {
    let row = x.own(0)?;
    sat32(&row.f_sub(&divide_by(x.own(1)?, shape(row, 1)?)?)?)
}
