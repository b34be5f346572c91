//! The operations on tensors, each named after its reference kernel (`kernels/`) and with the formula of
//! docs/specification.md, over all rows at once.

mod attention;
mod maps;
mod norms;
mod pointwise;
mod products;
mod rotations;
mod sampling;

pub(super) use attention::Sizes;

use tch::Tensor;

use super::fused;
use super::operands::Operands;
use crate::engine::EngineError;
use crate::program::op::Op;
use crate::torch::failed;

/// The value of one node at all its rows: (rows, width), or (rows, groups, seen).
pub(super) fn apply(op: &Op, x: &Operands<'_>) -> Result<Tensor, EngineError> {
    if let Some(kernels) = x.kernels
        && let Some(value) = fused::apply(op, x, kernels)?
    {
        return Ok(value);
    }
    let made = match *op {
        Op::Embed { index, shift } => products::embed(x, index, shift),
        Op::RowExp { bits, groups } => norms::rowexp(x, bits, groups),
        Op::Quantise { bits, groups } => norms::quantise(x, bits, groups),
        Op::Linear { shift } => products::linear(x, shift),
        Op::SumSq { groups } => norms::sumsq(x, groups),
        Op::RNorm { groups: _, eps, root } => norms::rnorm(x, eps, root),
        Op::Norm { groups, shift, gain_shift } => norms::norm(x, groups, shift, gain_shift),
        Op::RowSum {} => norms::rowsum(x),
        Op::Centre {} => norms::centre(x),
        Op::Add {} => pointwise::add(x),
        Op::Rescale { multiplier, shift } => pointwise::rescale(x, multiplier, shift),
        Op::Lut { in_shift, shift } => pointwise::lut(x, in_shift, shift),
        Op::Act { in_shift, shift } => pointwise::act(x, in_shift, shift),
        Op::Glu { in_shift, shift } => pointwise::glu(x, in_shift, shift),
        Op::Rope { head_dim } => rotations::rope(x, head_dim),
        Op::Hadamard { block, shift } => rotations::hadamard(x, block, shift),
        Op::Score { heads, kv_heads, multiplier, shift, .. } => {
            attention::score(x, heads, kv_heads, multiplier, shift)
        }
        Op::RowMax {} => attention::rowmax(x),
        Op::Exp2W {} => attention::exp2w(x),
        Op::WSum {} => attention::wsum(x),
        Op::TimeMax { .. } => attention::timemax(x),
        Op::Mix { heads, kv_heads, shift } => attention::mix(x, heads, kv_heads, shift),
        Op::Pool {} => maps::pool(x),
        Op::Argmax {} => sampling::argmax(x),
        Op::Distance { shift } => sampling::distance(x, shift),
        Op::Hist { level, mass } => sampling::hist(x, level, mass),
        Op::CumSum {} => sampling::cumsum(x),
        Op::Crossing { target } => sampling::crossing(x, target),
        Op::Weigh {} => sampling::weigh(x),
        Op::Keep {} => sampling::keep(x),
        Op::BlockSum { block } => sampling::blocksum(x, block),
        Op::Draw {} => return sampling::draw(x),
        Op::Pick { block } => sampling::pick(x, block),
        Op::Gather { visible, fill } => maps::gather(x, visible, fill),
        Op::Clamp { low, high } => pointwise::clamp(x, low, high),
        Op::GroupMax { groups } => maps::groupmax(x, groups),
        Op::GroupMean { groups } => maps::groupmean(x, groups),
        Op::Mul { shift } => pointwise::mul(x, shift),
    };
    made.map_err(failed)
}
