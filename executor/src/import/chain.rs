//! From logits to a token: the nodes of sampling.

use crate::program::op::{Op, Range, Target};
use crate::program::{ConstantId, Node, NodeId, Output};

/// Width of a block of the two-level cumulative sum.
const BLOCK: u32 = 256;

/// Appends the nodes that turn `logits` of `fraction` fractional bits into a token; `exp2` is the table of weights.
pub(crate) fn sampling(nodes: &mut Vec<Node>, logits: NodeId, fraction: i32, exp2: ConstantId) -> Output {
    let mut push = |op: Op, range: Range, inputs: &[NodeId], constants: &[ConstantId]| {
        nodes.push(Node { op, range, inputs: inputs.to_vec(), constants: constants.to_vec() });
        NodeId(nodes.len() as u32 - 1)
    };
    let greedy = push(Op::Argmax {}, Range::Outputs, &[logits], &[]);
    let mut sampled = |op: Op, inputs: &[NodeId]| push(op, Range::Sampled, inputs, &[]);
    let top = sampled(Op::RowMax {}, &[logits]);
    let d = sampled(Op::Distance { shift: fraction + 16 - 20 }, &[logits, top]);
    // The k likeliest: the upper bin in which their count is reached, then the lower one.
    let h = sampled(Op::Hist { level: 0, mass: 0 }, &[d]);
    let upper_counts = sampled(Op::CumSum {}, &[h]);
    let upper_k = sampled(Op::Crossing { target: Target::TopK }, &[upper_counts]);
    let h = sampled(Op::Hist { level: 1, mass: 0 }, &[d, upper_k]);
    let lower_counts = sampled(Op::CumSum {}, &[h]);
    let lower_k = sampled(Op::Crossing { target: Target::TopKRest }, &[lower_counts, upper_counts, upper_k]);
    let w = push(Op::Weigh {}, Range::Sampled, &[d, upper_k, lower_k], &[exp2]);
    // The likeliest of these that reach the share p, the same way.
    let mut sampled = |op: Op, inputs: &[NodeId]| push(op, Range::Sampled, inputs, &[]);
    let h = sampled(Op::Hist { level: 0, mass: 1 }, &[d, w]);
    let upper_mass = sampled(Op::CumSum {}, &[h]);
    let upper_p = sampled(Op::Crossing { target: Target::TopP }, &[upper_mass]);
    let h = sampled(Op::Hist { level: 1, mass: 1 }, &[d, w, upper_p]);
    let lower_mass = sampled(Op::CumSum {}, &[h]);
    let lower_p = sampled(Op::Crossing { target: Target::TopPRest }, &[lower_mass, upper_mass, upper_p]);
    let kept = sampled(Op::Keep {}, &[d, w, upper_p, lower_p]);
    let sums = sampled(Op::BlockSum { block: BLOCK }, &[kept]);
    let sums = sampled(Op::CumSum {}, &[sums]);
    let draw = sampled(Op::Draw {}, &[sums]);
    let block = sampled(Op::Crossing { target: Target::Draw }, &[sums, draw]);
    let pick = sampled(Op::Pick { block: BLOCK }, &[kept, sums, block, draw]);
    Output::Tokens { greedy, sampled: pick }
}
