//! How one element is checked: finish(combine(partial(a, b), ...)), reading by address. docs/protocol.md, 4.
//!
//! A step is written once, over a [`Reader`]: what computes from values, what opens them under a root and what only
//! counts the bytes all see the same reads in the same order.

mod attention;
mod groups;
mod index;
mod norms;
mod pointwise;
mod products;
mod sampling;

use super::{Item, Tensor};
use crate::numerics::{OutOfDomain, sum};
use crate::program::op::Op;
use crate::program::shape::visible;
use crate::program::{ConstantInfo, Node, Width};
use index::{add, mul, sub};

/// Why a step has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A value outside of its domain, or an address outside of a shape: no honest trace has one.
    #[error(transparent)]
    Domain(#[from] OutOfDomain),
    /// The reader has no such value; it knows why.
    #[error("a value that a step reads is missing")]
    Missing,
}

/// Result of a step.
pub type Stepped<T> = Result<T, Fault>;

/// What a step reads, in the order in which it reads it.
pub trait Reader {
    /// Elements `from..from + count` of input `input` at position `t`.
    fn row(&mut self, input: usize, t: u64, from: u64, count: u64) -> Stepped<Vec<i64>>;
    /// Element `e` of input `input` at positions `from..from + count`.
    fn column(&mut self, input: usize, e: u64, from: u64, count: u64) -> Stepped<Vec<i64>>;
    /// Flat elements `from..from + count` of constant `k`.
    fn constant(&mut self, k: usize, from: u64, count: u64) -> Stepped<Vec<i64>>;
    /// The published token at position `t`.
    fn token(&mut self, t: u64) -> Stepped<i64>;
    /// An element of the node itself.
    fn own(&mut self, t: u64, e: u64) -> Stepped<i64>;
}

/// How the entries of a list combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Their sum.
    Sum,
    /// The largest.
    Max,
}

/// One element of a trace, and everything about it that follows from program and item.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its tensor.
    pub tensor: Tensor,
    /// The tensors of its inputs.
    pub inputs: &'a [Tensor],
    /// Shapes of its constants.
    pub constants: &'a [ConstantInfo],
    /// The item.
    pub item: &'a Item,
    /// Position of the element.
    pub t: u64,
    /// Index of the element in its row.
    pub e: u64,
    /// The value in the trace; only `crossing` looks at it, for its addresses.
    pub claimed: i64,
}

const GONE: OutOfDomain = OutOfDomain("step");

/// Segments of a list, at most.
pub const LIST_MAX: u64 = 128;

impl Op {
    /// Most terms of a reduction that one step shows.
    pub fn step_terms(&self) -> u64 {
        match self {
            Self::Hist { .. } | Self::Pool {} => 1024,
            Self::Mix { .. } => 512,
            _ => 2048,
        }
    }

    /// How partial results combine.
    pub fn combine(&self) -> Combine {
        match self {
            Self::RowExp { .. }
            | Self::RowMax {}
            | Self::TimeMax { .. }
            | Self::GroupMax { .. }
            | Self::Argmax {} => Combine::Max,
            _ => Combine::Sum,
        }
    }
}

/// Terms of each segment of a list over `terms` terms, `most` being the terms of one step.
pub fn segment_terms(terms: u64, most: u64) -> u64 {
    let mut g = most.max(1);
    while terms > g.saturating_mul(LIST_MAX) {
        g = g.saturating_mul(LIST_MAX);
    }
    g
}

impl Step<'_> {
    /// The tensor of an input.
    fn input(&self, k: usize) -> Stepped<&Tensor> {
        self.inputs.get(k).ok_or(GONE.into())
    }

    /// Elements of the row of input `k` at the step's position.
    fn width(&self, k: usize) -> Stepped<u64> {
        Ok(self.input(k)?.row(self.t))
    }

    /// Shape of a constant.
    fn shape_of(&self, k: usize) -> Stepped<&ConstantInfo> {
        self.constants.get(k).ok_or(GONE.into())
    }

    /// First visible position and their number.
    fn seen(&self) -> Stepped<(u64, u64)> {
        let per_visible = |x: &Tensor| match x.shape.width {
            Width::PerVisible { span, .. } => Some(span),
            Width::Fixed(_) => None,
        };
        let of_input = self.inputs.first().and_then(per_visible);
        let span = per_visible(&self.tensor).or(of_input).or(self.node.op.span()).ok_or(GONE)?;
        Ok(visible(span, self.t, self.tensor.positions))
    }

    /// Length of the reduction; 1 for an elementwise operation.
    pub fn terms(&self) -> Stepped<u64> {
        match self.node.op {
            Op::RowExp { groups, .. }
            | Op::SumSq { groups }
            | Op::GroupMax { groups }
            | Op::GroupMean { groups } => Ok(index::div(self.width(0)?, groups.into())?),
            // A group for each exponent.
            Op::Linear { .. } => Ok(index::div(self.width(0)?, self.width(1)?)?),
            Op::RowSum {} | Op::Argmax {} | Op::Hist { .. } => self.width(0),
            Op::Hadamard { block, .. } => Ok(block.into()),
            Op::Score { heads, .. } => Ok(index::div(self.width(0)?, heads.into())?),
            Op::RowMax {} => match self.input(0)?.shape.width {
                Width::Fixed(n) => Ok(n.into()),
                Width::PerVisible { .. } => Ok(self.seen()?.1),
            },
            Op::WSum {} | Op::TimeMax { .. } | Op::Mix { .. } => Ok(self.seen()?.1),
            Op::Pool {} => Ok(self.tensor.positions),
            Op::BlockSum { block } => {
                let block = u64::from(block);
                Ok(sub(self.width(0)?, mul(self.e, block)?)?.min(block))
            }
            _ => Ok(1),
        }
    }

    /// The partial result over terms `a..b`; of an elementwise operation, the value.
    pub fn partial(&self, from: &mut dyn Reader, a: u64, b: u64) -> Stepped<i64> {
        let length = sub(b, a)?;
        let y = match self.node.op {
            Op::Embed { .. }
            | Op::RowExp { .. }
            | Op::Quantise { .. }
            | Op::Linear { .. }
            | Op::Hadamard { .. } => self.product(from, a, length)?,
            Op::SumSq { .. } | Op::RNorm { .. } | Op::Norm { .. } | Op::RowSum {} | Op::Centre {} => {
                self.normalisation(from, a, length)?
            }
            Op::Add {}
            | Op::Rescale { .. }
            | Op::Lut { .. }
            | Op::Act { .. }
            | Op::Glu { .. }
            | Op::Clamp { .. }
            | Op::Mul { .. }
            | Op::Rope { .. } => self.pointwise(from)?,
            Op::Gather { .. } | Op::GroupMax { .. } | Op::GroupMean { .. } => {
                self.grouped(from, a, length)?
            }
            Op::Score { .. }
            | Op::RowMax {}
            | Op::Exp2W {}
            | Op::WSum {}
            | Op::TimeMax { .. }
            | Op::Mix { .. }
            | Op::Pool {} => self.attention(from, a, length)?,
            Op::Argmax {}
            | Op::Distance { .. }
            | Op::Hist { .. }
            | Op::CumSum {}
            | Op::Crossing { .. }
            | Op::Weigh {}
            | Op::Keep {}
            | Op::BlockSum { .. }
            | Op::Draw {}
            | Op::Pick { .. } => self.sampling(from, a, length)?,
        };
        Ok(y)
    }

    /// The total of a list.
    pub fn combine(&self, entries: &[i64]) -> Stepped<i128> {
        let wide = entries.iter().map(|x| i128::from(*x));
        match self.node.op.combine() {
            // At most 128 numbers of 64 bits.
            Combine::Sum => Ok(wide.fold(0, i128::saturating_add)),
            Combine::Max => wide.max().ok_or(GONE.into()),
        }
    }

    /// The element that a total amounts to.
    pub fn finish(&self, from: &mut dyn Reader, total: i128) -> Stepped<i64> {
        // Exact sums have 62 bits; only the accumulator of `mix` has 63.
        let narrow = || {
            let total = i64::try_from(total).map_err(|_| GONE)?;
            if matches!(self.node.op, Op::Mix { .. }) { Ok(total) } else { sum(total, 0) }
        };
        match self.node.op {
            Op::RowExp { .. } | Op::Linear { .. } | Op::Hadamard { .. } => {
                self.finish_product(from, narrow()?)
            }
            Op::Score { .. } | Op::Mix { .. } | Op::Pool {} => self.finish_attention(from, narrow()?),
            Op::GroupMean { .. } => self.finish_mean(narrow()?),
            Op::Argmax {} => {
                const LAST: i64 = (1 << 20) - 1;
                Ok(LAST.saturating_sub(narrow()? & LAST))
            }
            _ => i64::try_from(total).map_err(|_| GONE.into()),
        }
    }

    /// The whole element in one step.
    pub fn element(&self, from: &mut dyn Reader) -> Stepped<i64> {
        let total = self.partial(from, 0, self.terms()?)?;
        self.finish(from, total.into())
    }

    /// Segments of `a..b` as a list has them, `most` being the terms of one step.
    pub fn segments(&self, a: u64, b: u64, most: u64) -> Stepped<Vec<(u64, u64)>> {
        let g = segment_terms(sub(b, a)?, most);
        let mut out = Vec::new();
        let mut at = a;
        while at < b {
            let end = add(at, g)?.min(b);
            out.push((at, end));
            at = end;
        }
        Ok(out)
    }
}

/// The one element of a read of one.
fn one(values: Vec<i64>) -> Stepped<i64> {
    match values.as_slice() {
        [x] => Ok(*x),
        _ => Err(GONE.into()),
    }
}

/// Two elements of a read of two.
fn two(values: Vec<i64>) -> Stepped<(i64, i64)> {
    match values.as_slice() {
        [x, y] => Ok((*x, *y)),
        _ => Err(GONE.into()),
    }
}
