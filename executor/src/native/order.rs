//! The order of execution: as many nodes of a kind together as their inputs allow.

use super::pattern::Attention;
use super::plan::Step;
use crate::program::op::{Op, Range};
use crate::program::{NodeId, Program};

/// Groups ready nodes.
pub(super) struct Order<'a> {
    pub(super) program: &'a Program,
    pub(super) attentions: &'a [Attention],
    pub(super) inside: &'a [Option<usize>],
    pub(super) chain: &'a [NodeId],
    /// Nodes of all positions that only output positions need.
    pub(super) late: &'a [bool],
}

/// The nodes of all positions that no other position reads, directly or through other nodes: what follows the last
/// keys and values of a decoder. Where a position gives no output, nobody needs them.
pub(super) fn late(program: &Program) -> Vec<bool> {
    let mut needed = vec![false; program.nodes.len()];
    for node in program.nodes.iter().rev() {
        for (k, input) in node.inputs.iter().enumerate() {
            needed[input.index()] |= node.op.reads_visible(k);
        }
    }
    for (i, node) in program.nodes.iter().enumerate().rev() {
        if needed[i] {
            node.inputs.iter().for_each(|input| needed[input.index()] = true);
        }
    }
    let mut late: Vec<bool> = Vec::with_capacity(needed.len());
    for (node, needed) in program.nodes.iter().zip(needed) {
        // Mantissas are packed for a product over all positions or over the outputs, not for both.
        let packed_early =
            matches!(node.op, Op::Linear { .. }) && node.inputs.first().is_some_and(|m| !late[m.index()]);
        late.push(node.range == Range::All && !needed && !packed_early);
    }
    late
}

/// Does the operation read its one input at all positions.
fn is_whole(op: &Op) -> bool {
    matches!(op, Op::Pool {} | Op::Gather { visible: 1, .. })
}

impl Order<'_> {
    /// The steps over all positions (`all`), or those over output positions given the former.
    pub(super) fn steps(&self, all: bool) -> Vec<Step> {
        let nodes = &self.program.nodes;
        let early = |i: usize| nodes[i].range == Range::All && !self.late[i];
        let mine = |i: usize| early(i) == all && !self.chain.contains(&NodeId(i as u32));
        let mut done: Vec<bool> = (0..nodes.len()).map(|i| !all && early(i)).collect();
        let mut left: Vec<NodeId> = (0..nodes.len() as u32).map(NodeId).filter(|n| mine(n.index())).collect();
        let mut steps = Vec::new();
        while !left.is_empty() {
            let ready =
                |node: NodeId, done: &[bool]| nodes[node.index()].inputs.iter().all(|x| done[x.index()]);
            let is_row = |node: NodeId| {
                let op = &nodes[node.index()].op;
                self.inside[node.index()].is_none() && !matches!(op, Op::Linear { .. }) && !is_whole(op)
            };
            // Node order is topological: one pass finds all rows that follow from each other.
            let mut rows = Vec::new();
            for node in &left {
                if is_row(*node) && ready(*node, &done) {
                    done[node.index()] = true;
                    rows.push(*node);
                }
            }
            let linear: Vec<NodeId> = left
                .iter()
                .copied()
                .filter(|n| matches!(nodes[n.index()].op, Op::Linear { .. }) && ready(*n, &done))
                .collect();
            linear.iter().for_each(|n| done[n.index()] = true);
            let whole = left
                .iter()
                .copied()
                .find(|n| is_whole(&nodes[n.index()].op) && !done[n.index()] && ready(*n, &done));
            let attend = self.attentions.iter().position(|a| {
                !done[a.mix.index()]
                    && mine(a.mix.index())
                    && [a.q, a.qe, a.k, a.ke, a.v, a.ve].iter().all(|n| done[n.index()])
            });
            let before = left.len();
            if !rows.is_empty() {
                steps.push(Step::Rows(rows));
            }
            if !linear.is_empty() {
                steps.push(Step::Linear(linear));
            } else if let Some(a) = attend {
                let at = &self.attentions[a];
                for n in [at.score, at.top, at.weight, at.total, at.vtop, at.mix] {
                    done[n.index()] = true;
                }
                steps.push(Step::Attend(a));
            } else if let Some(node) = whole {
                done[node.index()] = true;
                steps.push(Step::Whole(node));
            }
            left.retain(|n| !done[n.index()]);
            if left.len() == before {
                // Inputs are lower nodes, so something is always ready; a program that passed validation never gets here.
                break;
            }
        }
        steps
    }
}
