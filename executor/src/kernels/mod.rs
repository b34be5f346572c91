//! The reference kernels: one per operation, scalar, exact; the specification in code.
//!
//! Each reads like its formula in docs/specification.md. Speed is no concern here: back ends are fast, and equal to
//! these bit for bit. Values are i64 whatever they are stored as.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_arithmetic
)]

mod constant;
mod operands;

mod act;
mod add;
mod argmax;
mod blocksum;
mod centre;
mod clamp;
mod crossing;
mod cumsum;
mod distance;
mod draw;
mod embed;
mod exp2w;
mod gather;
mod glu;
mod groupmax;
mod groupmean;
mod hadamard;
mod hist;
mod keep;
mod linear;
mod lut;
mod mix;
mod mul;
mod norm;
mod pick;
mod pool;
mod quantise;
mod rescale;
mod rnorm;
mod rope;
mod rowexp;
mod rowmax;
mod rowsum;
mod score;
mod sumsq;
mod timemax;
mod weigh;
mod wsum;

pub use constant::{Constant, ConstantData, panel_bytes, panel_offset};
pub(crate) use crossing::{top_k, top_p};
pub(crate) use distance::inverse_temperature;
pub(crate) use draw::draw_below;
pub(crate) use exp2w::{power, power_column};
pub(crate) use gather::{Place, place};
pub(crate) use lut::{interpolate, table_cell};
pub(crate) use mix::{accumulate, mean};
pub(crate) use operands::shift as as_shift;
pub use operands::{Operands, Sampling, TEMPERATURE_MAX, TEMPERATURE_MIN};
pub(crate) use rnorm::reciprocal_root;
pub(crate) use rope::turn;
pub(crate) use weigh::limit as distance_limit;

use crate::numerics::Exact;
use crate::program::op::Op;

/// The value of one node at one position.
pub fn apply(op: &Op, x: &Operands<'_>) -> Exact<Vec<i64>> {
    match *op {
        Op::Embed { index, shift } => embed::embed(x, index, shift),
        Op::RowExp { bits, groups } => rowexp::rowexp(x, bits, groups),
        Op::Quantise { bits, groups } => quantise::quantise(x, bits, groups),
        Op::Linear { shift } => linear::linear(x, shift),
        Op::SumSq { groups } => sumsq::sumsq(x, groups),
        Op::RNorm { groups, eps, root } => rnorm::rnorm(x, groups, eps, root),
        Op::Norm { groups, shift, gain_shift } => norm::norm(x, groups, shift, gain_shift),
        Op::RowSum {} => rowsum::rowsum(x),
        Op::Centre {} => centre::centre(x),
        Op::Add {} => add::add(x),
        Op::Rescale { multiplier, shift } => rescale::rescale(x, multiplier, shift),
        Op::Lut { in_shift, shift } => lut::lut(x, in_shift, shift),
        Op::Act { in_shift, shift } => act::act(x, in_shift, shift),
        Op::Glu { in_shift, shift } => glu::glu(x, in_shift, shift),
        Op::Rope { head_dim } => rope::rope(x, head_dim),
        Op::Hadamard { block, shift } => hadamard::hadamard(x, block, shift),
        Op::Score { heads, kv_heads, multiplier, shift, .. } => {
            score::score(x, heads, kv_heads, multiplier, shift)
        }
        Op::RowMax {} => rowmax::rowmax(x),
        Op::Exp2W {} => exp2w::exp2w(x),
        Op::WSum {} => wsum::wsum(x),
        Op::TimeMax { .. } => timemax::timemax(x),
        Op::Mix { heads, kv_heads, shift } => mix::mix(x, heads, kv_heads, shift),
        Op::Pool {} => pool::pool(x),
        Op::Argmax {} => argmax::argmax(x),
        Op::Distance { shift } => distance::distance(x, shift),
        Op::Hist { level, mass } => hist::hist(x, level, mass),
        Op::CumSum {} => cumsum::cumsum(x),
        Op::Crossing { target } => crossing::crossing(x, target),
        Op::Weigh {} => weigh::weigh(x),
        Op::Keep {} => keep::keep(x),
        Op::BlockSum { block } => blocksum::blocksum(x, block),
        Op::Draw {} => draw::draw(x),
        Op::Pick { block } => pick::pick(x, block),
        Op::Gather { fill, .. } => gather::gather(x, fill),
        Op::Clamp { low, high } => clamp::clamp(x, low, high),
        Op::GroupMax { groups } => groupmax::groupmax(x, groups),
        Op::GroupMean { groups } => groupmean::groupmean(x, groups),
        Op::Mul { shift } => mul::mul(x, shift),
    }
}
