//! Recognises softmax attention: the six nodes that the kernels of `attention` compute together.

use super::attention::HEAD_DIM_MAX;
use super::plan::refuse;
use crate::engine::EngineError;
use crate::program::op::{Op, Range, Span};
use crate::program::{ElementType, Node, NodeId, NodeInfo, Program, Width};

/// The nodes of one softmax attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attention {
    pub(super) q: NodeId,
    pub(super) qe: NodeId,
    pub(super) k: NodeId,
    pub(super) ke: NodeId,
    pub(super) v: NodeId,
    pub(super) ve: NodeId,
    pub(super) score: NodeId,
    pub(super) top: NodeId,
    pub(super) weight: NodeId,
    pub(super) total: NodeId,
    pub(super) vtop: NodeId,
    pub(super) mix: NodeId,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) span: Span,
    pub(super) multiplier: u32,
    pub(super) shift: i32,
    pub(super) mix_shift: i32,
    /// Are the mantissas of keys and values bytes.
    pub(super) narrow: bool,
}

/// Finds each attention by its mix and checks that it has the one known shape.
pub(super) fn attentions(program: &Program, infos: &[NodeInfo]) -> Result<Vec<Attention>, EngineError> {
    let node = |id: NodeId| &program.nodes[id.index()];
    let mut found = Vec::new();
    for (mix, n) in (0..).map(NodeId).zip(&program.nodes) {
        let Op::Mix { heads, kv_heads, shift: mix_shift } = n.op else { continue };
        let [weight, total, v, ve, vtop] = inputs(n)?;
        let [score, top] = inputs(node(weight))?;
        let [q, qe, k, ke] = inputs(node(score))?;
        let Op::Score { span, multiplier, shift, kv_heads: score_heads, .. } = node(score).op else {
            return Err(refuse("weights are not made from scores"));
        };
        let same = inputs(node(top))? == [score]
            && inputs(node(total))? == [weight]
            && inputs(node(vtop))? == [ve]
            && node(vtop).op == Op::TimeMax { span }
            && matches!(node(top).op, Op::RowMax {})
            && matches!(node(weight).op, Op::Exp2W {})
            && matches!(node(total).op, Op::WSum {})
            && score_heads == kv_heads
            && inputs::<2>(node(k))?[1] == ke
            && inputs::<2>(node(v))?[1] == ve
            && node(mix).range == Range::All;
        let quantised = [q, k, v].iter().all(|m| matches!(node(*m).op, Op::Quantise { .. }));
        if !same || !quantised {
            return Err(refuse("an attention has a shape that is not known"));
        }
        let (Width::Fixed(width), Width::Fixed(mixed)) = (infos[q.index()].width, infos[mix.index()].width)
        else {
            return Err(refuse("an attention has a shape that is not known"));
        };
        if width != mixed {
            return Err(refuse("keys and values have heads of different width"));
        }
        if width / heads > HEAD_DIM_MAX as u32 || multiplier >= 1 << 17 {
            return Err(refuse("an attention has heads that are too wide, or too fine a scale"));
        }
        let narrow = infos[k.index()].element == ElementType::I8;
        if narrow != (infos[v.index()].element == ElementType::I8) {
            return Err(refuse("keys and values have different formats"));
        }
        found.push(Attention {
            q,
            qe,
            k,
            ke,
            v,
            ve,
            score,
            top,
            weight,
            total,
            vtop,
            mix,
            heads: heads as usize,
            kv_heads: kv_heads as usize,
            head_dim: (width / heads) as usize,
            span,
            multiplier,
            shift,
            mix_shift,
            narrow,
        });
    }
    let patterned = found.len() * 5;
    let parts = program.nodes.iter().filter(|n| {
        matches!(n.op, Op::Score { .. } | Op::Exp2W {} | Op::WSum {} | Op::TimeMax { .. } | Op::Mix { .. })
    });
    if parts.count() != patterned {
        return Err(refuse("parts of an attention stand alone"));
    }
    Ok(found)
}

fn inputs<const N: usize>(node: &Node) -> Result<[NodeId; N], EngineError> {
    node.inputs.as_slice().try_into().map_err(|_| refuse("an attention has a shape that is not known"))
}
