//! What is computed where, and how long it is held.

use crate::program::op::Range;
use crate::program::{NodeId, Output, Program};

/// What follows from a program alone.
#[derive(Debug)]
pub(super) struct Plan {
    /// Is the node read from other positions.
    pub(super) kept: Vec<bool>,
    /// The nodes that nothing reads after this one, for each node.
    pub(super) last_read: Vec<Vec<NodeId>>,
    /// Where somebody reads the node's value: often less than its range, as in a decoder's last layer.
    pub(super) needed: Vec<Range>,
}

impl Plan {
    pub(super) fn new(program: &Program) -> Self {
        let count = program.nodes.len();
        let mut kept = vec![false; count];
        let mut needed: Vec<Option<Range>> = vec![None; count];
        let mut last_read = vec![Vec::new(); count];
        let mut read = vec![false; count];
        for output in outputs(program) {
            needed[output.index()] = Some(program.nodes[output.index()].range);
            // It is read at the end.
            read[output.index()] = true;
        }
        for (i, node) in program.nodes.iter().enumerate().rev() {
            // What nobody reads is computed all the same: there is nothing to gain.
            let range = *needed[i].get_or_insert(node.range);
            for (k, input) in node.inputs.iter().enumerate() {
                let x = input.index();
                if !std::mem::replace(&mut read[x], true) {
                    last_read[i].push(*input);
                }
                kept[x] |= node.op.reads_visible(k);
                // Every position is read by later ones, which are not known yet.
                let range = if node.op.reads_visible(k) { Range::All } else { range };
                needed[x] = Some(match needed[x] {
                    Some(other) if other.covers(range) => other,
                    Some(other) if !range.covers(other) => program.nodes[x].range,
                    _ => range,
                });
            }
        }
        let needed = needed.into_iter().zip(&program.nodes).map(|(range, node)| range.unwrap_or(node.range));
        Self { kept, last_read, needed: needed.collect() }
    }
}

/// The nodes that are outputs.
pub(super) fn outputs(program: &Program) -> Vec<NodeId> {
    match program.interface.output {
        Output::Tokens { greedy, sampled } => vec![greedy, sampled],
        Output::Vector { node, .. } => vec![node],
    }
}
