//! What the positions of a block give: tokens chosen from logits, or vectors.

use std::collections::HashMap;

use super::loaded::Loaded;
use super::run::{LOST, Part, Row, Task};
use super::{rows, sample};
use crate::engine::{Emission, EngineError, Recorder, Values};
use crate::kernels::{Operands, Sampling, apply};
use crate::program::Output;
use crate::program::op::{Op, Range};

impl Task<'_, '_, '_> {
    /// What row `i` of the outputs gives.
    pub(super) fn emit(&mut self, i: usize, part: Part<'_>) -> Result<Emission, EngineError> {
        let program = self.block.constants.model.program();
        let at = self.block.rows[part.rows[i]];
        let Output::Tokens { .. } = program.interface.output else {
            let Output::Vector { node, .. } = program.interface.output else { return Err(LOST.into()) };
            return Ok(Emission::Vector(self.read(node, i, part).to_vec()));
        };
        let logits = self.read::<i32>(self.block.plan.logits.ok_or(LOST)?, i, part);
        let sampling = self.block.sequences[&at.sequence.0].sampling;
        if self.tap.is_some() || self.records_sampling(&sampling) {
            return self.sample_by_nodes(logits, &sampling, &at);
        }
        if sampling.is_greedy() {
            let token = rows::argmax(self.block.isa, logits);
            let node = crate::engine::output_node(program.interface.output, &sampling);
            self.show(node, (at.sequence, at.position), Values::I32(&[token as i32]));
            return Ok(Emission::Token(token as u32));
        }
        let find = |f: &dyn Fn(&Op) -> bool| {
            self.block.plan.chain.iter().find(|n| f(&program.nodes[n.index()].op)).copied()
        };
        let weigh = find(&|op| matches!(op, Op::Weigh {})).ok_or(LOST)?;
        let distance = find(&|op| matches!(op, Op::Distance { .. })).ok_or(LOST)?;
        let (Op::Distance { shift }, Loaded::Exp(exp)) =
            (program.nodes[distance.index()].op, &self.block.constants.nodes[weigh.index()])
        else {
            return Err(LOST.into());
        };
        let own = &mut self.own.sample;
        sample::sample(self.block.isa, logits, shift, exp, &sampling, at.position, own).map(Emission::Token)
    }

    /// Does a recorder want a node between logits and a sampled token.
    fn records_sampling(&self, sampling: &Sampling) -> bool {
        let wanted = |r: &dyn Recorder| self.block.plan.chain.iter().any(|node| r.wants(*node));
        !sampling.is_greedy() && self.recorder.is_some_and(wanted)
    }

    /// Sampling node by node with the reference kernels, for who wants to see the nodes.
    fn sample_by_nodes(
        &self,
        logits: &[i32],
        sampling: &Sampling,
        at: &Row,
    ) -> Result<Emission, EngineError> {
        let model = &self.block.constants.model;
        let program = model.program();
        let logits_node = self.block.plan.logits.ok_or(LOST)?;
        let mut values =
            HashMap::from([(logits_node, logits.iter().map(|x| i64::from(*x)).collect::<Vec<_>>())]);
        for node in &self.block.plan.chain {
            let n = &program.nodes[node.index()];
            if n.range == Range::Sampled && sampling.is_greedy() {
                continue;
            }
            let inputs = n.inputs.iter().map(|x| Ok(vec![values.get(x).ok_or(LOST)?.as_slice()]));
            let operands = Operands {
                inputs: inputs.collect::<Result<_, EngineError>>()?,
                constants: n.constants.iter().filter_map(|c| model.constant(*c)).collect(),
                token: at.token,
                position: at.position,
                row_groups: 1,
                sampling,
            };
            let row = apply(&n.op, &operands)?;
            self.show(*node, (at.sequence, at.position), Values::I64(&row));
            values.insert(*node, row);
        }
        let node = crate::engine::output_node(program.interface.output, sampling);
        let token = values.get(&node).and_then(|row| row.first()).ok_or(LOST)?;
        Ok(Emission::Token(*token as u32))
    }
}
