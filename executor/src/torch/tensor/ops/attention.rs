//! Attention: scores, weights and means over the visible positions.
//!
//! Products are batches of matrix products in f64, which every device has. They are exact: each says why its sums stay
//! below 2^53, so that no partial sum is rounded, in whatever order it is made. They are integers again at once.

use tch::{Kind, TchError, Tensor};

use super::super::math::{Made, floor_divide, round_shift_by, shape, wide};
use super::super::operands::Operands;
use super::super::rows::Group;

/// Sizes of one group of rows.
pub(in super::super) struct Sizes {
    pub(in super::super) first: i64,
    pub(in super::super) parts: i64,
    pub(in super::super) count: i64,
    pub(in super::super) kv_heads: i64,
    pub(in super::super) share: i64,
    pub(in super::super) seen: i64,
}

impl Sizes {
    pub(in super::super) fn new(x: &Operands<'_>, group: &Group, heads: u32, kv_heads: u32) -> Self {
        let [first, parts, count] = [group.first, group.parts.len(), group.count].map(|n| n as i64);
        let share = i64::from(heads / kv_heads.max(1));
        Self { first, parts, count, kv_heads: kv_heads.into(), share, seen: x.rows.seen }
    }

    /// Rows of the group with query heads: (parts, count, key heads, share, width).
    pub(in super::super) fn queries(&self, rows: &Tensor) -> Made {
        rows.f_narrow(0, self.first, self.parts * self.count)?.f_reshape([
            self.parts,
            self.count,
            self.kv_heads,
            self.share,
            -1,
        ])
    }

    /// Exponents of keys or values at all positions: (parts, 1, key heads, 1, seen).
    fn exponents(&self, e: &Tensor) -> Made {
        wide(e)?.f_transpose(1, 2)?.f_reshape([self.parts, 1, self.kv_heads, 1, self.seen])
    }

    /// (parts, count, key heads, share, width) as a matrix for each part and key head: (parts key heads, count share, width).
    pub(in super::super) fn matrices(&self, x: &Tensor) -> Made {
        let width = shape(x, 4)?;
        let rows = [self.parts * self.kv_heads, self.count * self.share, width];
        x.f_permute([0, 2, 1, 3, 4])?.f_reshape(rows)?.f_totype(Kind::Double)
    }

    /// The reverse, of integers.
    fn of_matrices(&self, x: &Tensor) -> Made {
        let width = shape(x, 2)?;
        x.f_reshape([self.parts, self.kv_heads, self.count, self.share, width])?.f_permute([0, 2, 1, 3, 4])
    }

    /// Keys or values at all positions as a matrix for each part and key head: (parts key heads, seen, width).
    pub(in super::super) fn cached(&self, x: &Tensor) -> Made {
        let heads = x.f_reshape([self.parts, self.seen, self.kv_heads, -1])?.f_totype(Kind::Double)?;
        heads.f_transpose(1, 2)?.f_reshape([self.parts * self.kv_heads, self.seen, -1])
    }
}

/// The groups' values, one after the other.
fn together(x: &Operands<'_>, values: Vec<Tensor>) -> Made {
    Tensor::f_cat(&values, 0)?.f_reshape([x.rows.len(), -1])
}

/// y[h][s] = sat32(round_shift((q[h] . k_s[g]) * multiplier, shift - qe[h] - ke_s[g])).
///
/// Exact: |q|, |k| <= 2^15 and a row has at most 2^20 elements, so a sum is at most 2^50.
pub(super) fn score(x: &Operands<'_>, heads: u32, kv_heads: u32, multiplier: u32, shift: i32) -> Made {
    let (q, qe) = (x.own(0)?, x.own(1)?);
    let mut scores = Vec::new();
    for (group, (k, ke)) in x.rows.groups.iter().zip(x.visible(2)?.iter().zip(x.visible(3)?)) {
        let sizes = Sizes::new(x, group, heads, kv_heads);
        let products = sizes.matrices(&sizes.queries(q)?)?.f_bmm(&sizes.cached(k)?.f_transpose(1, 2)?)?;
        let acc = sizes.of_matrices(&wide(&products)?)?;
        let exponents = sizes.queries(qe)?.f_add(&sizes.exponents(ke)?)?;
        let s = exponents.f_rsub_scalar(i64::from(shift))?;
        let y = round_shift_by(&acc.f_mul_scalar(i64::from(multiplier))?, &s)?;
        scores.push(y.f_reshape([sizes.parts * sizes.count, heads.into(), sizes.seen])?);
    }
    Tensor::f_cat(&scores, 0)
}

/// What is not visible, (rows, 1, seen).
fn hidden(x: &Operands<'_>) -> Made {
    x.mask()?.f_logical_not()?.f_unsqueeze(1)
}

/// y[g] = max of x over group g: a group of scores, or the whole of a row of fixed width.
pub(super) fn rowmax(x: &Operands<'_>) -> Made {
    let row = x.own(0)?;
    if row.dim() == 2 {
        return row.f_amax([-1], true);
    }
    row.f_masked_fill(&hidden(x)?, i64::MIN)?.f_amax([-1], false)
}

/// w = T[(d >> 8) & 4095] >> min(31, d >> 20).
pub(super) fn power(table: &Tensor, d: &Tensor) -> Made {
    let entry = table.f_take(&d.f_bitwise_right_shift_tensor_scalar(8)?.f_bitwise_and(4095)?)?;
    entry.f_bitwise_right_shift(&d.f_bitwise_right_shift_tensor_scalar(20)?.f_clamp(0, 31)?)
}

/// w[h][s] = 2^-d, d = max[h] - score[h][s]; 0 where nothing is visible.
pub(super) fn exp2w(x: &Operands<'_>) -> Made {
    let d = x.own(1)?.f_unsqueeze(2)?.f_sub(x.own(0)?)?;
    power(x.constant(0)?, &d)?.f_masked_fill(&hidden(x)?, 0)
}

/// y[h] = sum_s w[h][s]; what is not visible weighs 0.
pub(super) fn wsum(x: &Operands<'_>) -> Made {
    x.own(0)?.f_sum_dim_intlist([-1].as_slice(), false, Kind::Int64)
}

/// y[g] = max over the visible s of e_s[g].
pub(super) fn timemax(x: &Operands<'_>) -> Made {
    let mut tops = Vec::new();
    for (group, e) in x.rows.groups.iter().zip(x.visible(0)?) {
        let sizes = Sizes::new(x, group, 1, 1);
        let mask = x.mask()?.f_narrow(0, sizes.first, sizes.parts * sizes.count)?;
        let hidden = mask.f_logical_not()?.f_reshape([sizes.parts, sizes.count, sizes.seen, 1])?;
        let e = wide(e)?.f_unsqueeze(1)?;
        let width = shape(&e, 3)?;
        let seen = e.f_expand([sizes.parts, sizes.count, sizes.seen, width], false)?;
        tops.push(seen.f_masked_fill(&hidden, i64::MIN)?.f_amax([2], false)?.f_reshape([-1, width])?);
    }
    Tensor::f_cat(&tops, 0)
}

/// acc = sum_s (w[h][s] >> (top[g] - e_s[g] within 0 ..= 31)) * v_s[g][j]; y = sat32(round_shift(mean, shift - top[g])).
///
/// Exact: the halves of a weight are below 2^15 and 2^16, |v| <= 2^15 and there are at most 2^17 positions, so a sum is at most
/// 2^48. The whole fits 64 bits, as the specification shows.
pub(super) fn mix(x: &Operands<'_>, heads: u32, kv_heads: u32, shift: i32) -> Made {
    let (w, totals, tops) = (x.own(0)?, x.own(1)?, x.own(4)?);
    let mut means = Vec::new();
    for (group, (v, e)) in x.rows.groups.iter().zip(x.visible(2)?.iter().zip(x.visible(3)?)) {
        let sizes = Sizes::new(x, group, heads, kv_heads);
        // (parts, count, key heads, 1, 1)
        let top = tops.f_narrow(0, sizes.first, sizes.parts * sizes.count)?;
        let top = top.f_reshape([sizes.parts, sizes.count, sizes.kv_heads, 1, 1])?;
        let behind = top.f_sub(&sizes.exponents(e)?)?.f_clamp(0, 31)?;
        let aligned = sizes.queries(w)?.f_bitwise_right_shift(&behind)?;
        let high = sizes.matrices(&aligned.f_bitwise_right_shift_tensor_scalar(16)?)?;
        let low = sizes.matrices(&aligned.f_bitwise_and(65_535)?)?;
        let sums = wide(&Tensor::f_cat(&[high, low], 1)?.f_bmm(&sizes.cached(v)?)?)?;
        let rows = sizes.count * sizes.share;
        let (high, low) = (sums.f_narrow(1, 0, rows)?, sums.f_narrow(1, rows, rows)?);
        let acc = sizes.of_matrices(&high.f_bitwise_left_shift_tensor_scalar(16)?.f_add(&low)?)?;
        let mean = mean(x, &acc, &sizes.queries(totals)?)?;
        let y = round_shift_by(&mean, &top.f_rsub_scalar(i64::from(shift))?)?;
        means.push(y.f_reshape([sizes.parts * sizes.count, -1])?);
    }
    together(x, means)
}

/// acc / total with 46 fractional bits: a = floor(acc / 2^(L-16)), n = round_shift(total, L - 31), r = floor(2^61 / n); a * r.
fn mean(x: &Operands<'_>, acc: &Tensor, total: &Tensor) -> Result<Tensor, TchError> {
    let length = x.tables.bit_length(total)?;
    let a = acc.f_bitwise_right_shift(&length.f_sub_scalar(16)?)?;
    // Not saturated: n may be 2^31.
    let s = length.f_sub_scalar(31)?;
    let half = Tensor::f_bitwise_left_shift_scalar_tensor(1, &s)?.f_bitwise_right_shift_tensor_scalar(1)?;
    let n = total.f_add(&half)?.f_bitwise_right_shift(&s)?;
    let one = Tensor::f_full(n.size(), 1_i64 << 61, (Kind::Int64, x.rows.device))?;
    a.f_mul(&floor_divide(&one, &n)?)
}
