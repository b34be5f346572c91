//! From logits to a token: docs/specification.md, "Sampling".

use tch::{Kind, TchError, Tensor};

use super::super::math::{Made, numbers, round_shift, shape, wide};
use super::super::operands::Operands;
use super::attention::power;
use crate::engine::EngineError;
use crate::kernels::{draw_below, inverse_temperature};
use crate::numerics::Exact;
use crate::program::op::Target;
use crate::torch::failed;

/// Bins of a histogram.
const BINS: i64 = 2048;
/// Bits of an index: rows have at most 2^20 elements.
const INDEX_BITS: i64 = 21;

/// 0 .. n.
fn indices(x: &Operands<'_>, n: i64) -> Made {
    Tensor::f_arange(n, (Kind::Int64, x.rows.device))
}

/// The first index at which a condition holds, else `otherwise`: (rows, 1).
fn first(x: &Operands<'_>, holds: &Tensor, otherwise: &Tensor) -> Made {
    indices(x, shape(holds, 1)?)?.f_where_self(holds, otherwise)?.f_amin([1], true)
}

/// The lowest i with x[i] = max x: the maximum of (value, what is left of the row) in one number.
pub(super) fn argmax(x: &Operands<'_>) -> Made {
    let row = x.own(0)?;
    let last = (1 << INDEX_BITS) - 1;
    let rest = indices(x, shape(row, 1)?)?.f_rsub_scalar(last)?;
    let packed = row.f_bitwise_left_shift_tensor_scalar(INDEX_BITS)?.f_add(&rest)?;
    packed.f_amax([1], true)?.f_bitwise_and(last)?.f_rsub_scalar(last)
}

/// d[i] = round_shift((max - x[i]) * inverse, shift) within 0 ..= 2^25 - 1.
pub(super) fn distance(x: &Operands<'_>, shift: i32) -> Made {
    // A request with another temperature is refused when it opens a sequence.
    let inverse = x.rows.request(|s| inverse_temperature(s.temperature).unwrap_or(0))?;
    let product = x.own(1)?.f_sub(x.own(0)?)?.f_mul(&inverse)?;
    round_shift(&product, shift.into())?.f_clamp(0, (1 << 25) - 1)
}

/// Level 0 adds each entry to its upper bin, d >> 14; level 1 adds those of one upper bin to their lower bins, (d >> 3) & 2047.
/// An entry adds 1, or its weight.
pub(super) fn hist(x: &Operands<'_>, level: u32, mass: u32) -> Made {
    let d = x.own(0)?;
    let adds = if mass == 1 { x.own(1)?.shallow_clone() } else { d.f_ones_like()? };
    let upper = d.f_bitwise_right_shift_tensor_scalar(14)?;
    let (bin, adds) = if level == 0 {
        (upper, adds)
    } else {
        let other = upper.f_ne_tensor(x.own(1 + mass as usize)?)?;
        let lower = d.f_bitwise_right_shift_tensor_scalar(3)?.f_bitwise_and(BINS - 1)?;
        (lower, adds.f_masked_fill(&other, 0)?)
    };
    let rows = x.rows.len();
    let row = indices(x, rows)?.f_mul_scalar(BINS)?.f_unsqueeze(1)?;
    // Integers add up to the same in any order.
    let mut bins = Tensor::f_zeros([rows * BINS], (Kind::Int64, x.rows.device))?;
    let _ = bins.f_index_add_(0, &bin.f_add(&row)?.f_reshape([-1])?, &adds.f_reshape([-1])?)?;
    bins.f_reshape([rows, BINS])
}

/// y[i] = x[0] + ... + x[i].
pub(super) fn cumsum(x: &Operands<'_>) -> Made {
    x.own(0)?.f_cumsum(1, Kind::Int64)
}

/// The last cumulative sum: (rows, 1).
fn whole(sums: &Tensor) -> Made {
    let n = shape(sums, 1)?;
    sums.f_narrow(1, n - 1, 1)
}

/// What comes before bin `i` of a row: (rows, 1).
fn below(sums: &Tensor, i: &Tensor) -> Made {
    let before = sums.f_gather(1, &i.f_sub_scalar(1)?.f_clamp_min(0)?, false)?;
    before.f_masked_fill(&i.f_eq(0)?, 0)
}

/// min(k, entries), all entries if k = 0.
fn top_k(x: &Operands<'_>, entries: &Tensor) -> Made {
    let k = x.rows.request(|s| if s.top_k == 0 { i64::MAX } else { s.top_k.into() })?;
    entries.f_minimum(&k)
}

/// ceil(mass * p / 2^16), split so that it fits.
fn top_p(x: &Operands<'_>, mass: &Tensor) -> Made {
    let p = x.rows.request(|s| s.top_p.into())?;
    let low = mass.f_bitwise_and(65_535)?.f_mul(&p)?.f_add_scalar(65_535)?;
    let high = mass.f_bitwise_right_shift_tensor_scalar(16)?.f_mul(&p)?;
    high.f_add(&low.f_bitwise_right_shift_tensor_scalar(16)?)
}

/// The lowest i with c[i] >= target, the last i if there is none.
pub(super) fn crossing(x: &Operands<'_>, target: Target) -> Made {
    let sums = x.own(0)?;
    let target = match target {
        Target::TopK => top_k(x, &whole(sums)?)?,
        Target::TopP => top_p(x, &whole(sums)?)?,
        Target::TopKRest => top_k(x, &whole(x.own(1)?)?)?.f_sub(&below(x.own(1)?, x.own(2)?)?)?,
        Target::TopPRest => top_p(x, &whole(x.own(1)?)?)?.f_sub(&below(x.own(1)?, x.own(2)?)?)?,
        Target::Draw => x.own(1)?.f_add_scalar(1)?,
    };
    let last = numbers(&[shape(sums, 1)? - 1], &[1, 1], x.rows.device)?;
    first(x, &sums.f_ge_tensor(&target)?, &last)
}

/// The largest distance of a lower bin: upper * 2^14 + lower * 2^3 + 7.
fn limit(upper: &Tensor, lower: &Tensor) -> Result<Tensor, TchError> {
    let upper = upper.f_bitwise_and(BINS - 1)?.f_bitwise_left_shift_tensor_scalar(14)?;
    upper.f_add(&lower.f_bitwise_and(BINS - 1)?.f_bitwise_left_shift_tensor_scalar(3)?)?.f_add_scalar(7)
}

/// w[i] = 2^-d[i] where d[i] <= limit, else 0.
pub(super) fn weigh(x: &Operands<'_>) -> Made {
    let d = x.own(0)?;
    let far = d.f_gt_tensor(&limit(x.own(1)?, x.own(2)?)?)?;
    power(x.constant(0)?, d)?.f_masked_fill(&far, 0)
}

/// y[i] = w[i] where d[i] <= limit and w[i] * 2^16 >= min_p * (2^31 - 1), else 0.
pub(super) fn keep(x: &Operands<'_>) -> Made {
    let (d, w) = (x.own(0)?, x.own(1)?);
    let far = d.f_gt_tensor(&limit(x.own(2)?, x.own(3)?)?)?;
    let least = x.rows.request(|s| i64::from(s.min_p) * i64::from(i32::MAX))?;
    let light = w.f_mul_scalar(65_536)?.f_lt_tensor(&least)?;
    w.f_masked_fill(&far.f_logical_or(&light)?, 0)
}

/// A row in blocks, the last one filled up with zeros: (rows, blocks, block).
fn blocks(x: &Operands<'_>, row: &Tensor, block: u32) -> Made {
    let (width, block) = (shape(row, 1)?, i64::from(block));
    let missing = (block - width % block) % block;
    row.f_constant_pad_nd([0, missing])?.f_reshape([x.rows.len(), -1, block])
}

/// y[b] = sum of x over block b; the last block may be shorter.
pub(super) fn blocksum(x: &Operands<'_>, block: u32) -> Made {
    blocks(x, x.own(0)?, block)?.f_sum_dim_intlist([2].as_slice(), false, Kind::Int64)
}

/// u = uint256(keccak256(seed, uint256(position))) mod max(mass, 1), mass the last cumulative sum. Hashed by the processor.
pub(super) fn draw(x: &Operands<'_>) -> Result<Tensor, EngineError> {
    let read = |sums: &Tensor| Vec::<i64>::try_from(&whole(sums)?.f_reshape([-1])?.f_to(tch::Device::Cpu)?);
    let masses = x.own(0).and_then(read).map_err(failed)?;
    let number = |(row, mass): (&super::super::rows::Row, &i64)| {
        draw_below(&row.sampling.seed, row.position, (*mass).max(1))
    };
    let drawn: Vec<i64> = x.rows.list.iter().zip(&masses).map(number).collect::<Exact<_>>()?;
    numbers(&drawn, &[x.rows.len(), 1], x.rows.device).map_err(failed)
}

/// The lowest i in block b with c[b-1] + y[first of b] + ... + y[i] >= u + 1, the block's last if there is none.
pub(super) fn pick(x: &Operands<'_>, block: u32) -> Made {
    let (row, b) = (x.own(0)?, x.own(2)?);
    let (width, block_width) = (shape(row, 1)?, i64::from(block));
    let target = x.own(3)?.f_add_scalar(1)?;
    let at = b.f_unsqueeze(2)?.f_expand([x.rows.len(), 1, block_width], false)?;
    let part = blocks(x, row, block)?.f_gather(1, &at, false)?.f_squeeze_dim(1)?;
    let sums = part.f_cumsum(1, Kind::Int64)?.f_add(&below(x.own(1)?, b)?)?;
    // Zeros that fill up the last block reach what its last element reaches, and no more.
    let start = b.f_mul_scalar(block_width)?;
    let last = start.f_rsub_scalar(width)?.f_clamp_max(block_width)?.f_sub_scalar(1)?;
    wide(&start.f_add(&first(x, &sums.f_ge_tensor(&target)?, &last)?)?)
}
