//! The `reference` back end: the kernels of the specification, node by node. Slow, and right by definition.

use std::collections::BTreeMap;

use crate::engine::{
    Emission, Engine, EngineError, Feed, SequenceId, Tap, check_feed, has_value, output_node,
};
use crate::kernels::{Operands, Sampling, apply};
use crate::model::Model;
use crate::numerics::{Exact, OutOfDomain};
use crate::program::{Node, NodeId, Output, Program, Width};
use crate::trace::Lie;

/// Rows of a node by position.
type Rows = BTreeMap<u32, Vec<i64>>;

struct Sequence {
    sampling: Sampling,
    tokens: Vec<u32>,
    /// Of each node; rows that later positions do not read are dropped after their step.
    rows: Vec<Rows>,
}

/// Runs a model with the reference kernels.
pub struct Reference {
    model: Model,
    /// Is the node read from other positions.
    kept: Vec<bool>,
    sequences: BTreeMap<usize, Sequence>,
    opened: usize,
    /// An element that it gets wrong, for traces that are wrong on purpose.
    fault: Option<Lie>,
}

impl Reference {
    /// A back end without sequences.
    pub fn new(model: Model) -> Self {
        let mut kept = vec![false; model.program().nodes.len()];
        for node in &model.program().nodes {
            for (k, input) in node.inputs.iter().enumerate() {
                if node.op.reads_visible(k) {
                    kept[input.index()] = true;
                }
            }
        }
        Self { model, kept, sequences: BTreeMap::new(), opened: 0, fault: None }
    }

    /// Makes it get one element wrong, in every sequence.
    pub fn corrupt(&mut self, fault: Lie) {
        self.fault = Some(fault);
    }

    fn feed(
        &mut self,
        feed: &Feed<'_>,
        tap: &mut Option<&mut dyn Tap>,
    ) -> Result<Vec<Emission>, EngineError> {
        let model = self.model.clone();
        let sequence =
            self.sequences.get_mut(&feed.sequence.0).ok_or(EngineError::Sequence(feed.sequence.0))?;
        let first = sequence.tokens.len() as u32;
        sequence.tokens.extend(feed.tokens);
        let end = sequence.tokens.len() as u32;
        // Node-major over the whole feed if positions see later ones, else position by position.
        let chunk = if model.program().is_causal() { 1 } else { feed.tokens.len() as u32 };
        let mut emissions = Vec::new();
        for from in (first..end).step_by(chunk.max(1) as usize) {
            let positions = from..end.min(from + chunk);
            for (i, node) in (0..).map(NodeId).zip(&model.program().nodes) {
                for t in positions.clone() {
                    if !has_value(node.range, t, feed.outputs_from, end - 1, &sequence.sampling) {
                        continue;
                    }
                    let mut row = evaluate(&model, sequence, node, t)?;
                    let wrong = self.fault.filter(|f| f.node == i.0 && f.position == u64::from(t));
                    if let Some(fault) = wrong
                        && let Some(element) = row.get_mut(fault.element as usize)
                    {
                        *element = fault.value;
                    }
                    if let Some(tap) = tap.as_deref_mut().filter(|tap| tap.wants(i)) {
                        tap.row(feed.sequence, i, t, &row);
                    }
                    sequence.rows[i.index()].insert(t, row);
                }
            }
            for t in positions {
                emissions.extend(emission(model.program(), sequence, t));
            }
            for (rows, kept) in sequence.rows.iter_mut().zip(&self.kept) {
                if !kept {
                    rows.clear();
                }
            }
        }
        Ok(emissions)
    }
}

fn emission(program: &Program, sequence: &Sequence, t: u32) -> Option<Emission> {
    let node = output_node(program.interface.output, &sequence.sampling);
    let row = sequence.rows[node.index()].get(&t)?;
    Some(match program.interface.output {
        Output::Tokens { .. } => Emission::Token(*row.first()? as u32),
        Output::Vector { .. } => Emission::Vector(row.iter().map(|x| *x as i32).collect()),
    })
}

/// The value of a node at position `t`, its inputs being there.
fn evaluate(model: &Model, sequence: &Sequence, node: &Node, t: u32) -> Exact<Vec<i64>> {
    const GONE: OutOfDomain = OutOfDomain("input");
    let width = |k: usize| node.inputs.get(k).map(|x| model.infos()[x.index()].width);
    let span = match width(0) {
        Some(Width::PerVisible { span, .. }) => Some(span),
        _ => node.op.span(),
    };
    let positions = sequence.tokens.len();
    let inputs = node
        .inputs
        .iter()
        .enumerate()
        .map(|(k, x)| {
            let rows = &sequence.rows[x.index()];
            let visible = match span {
                Some(span) if node.op.reads_visible(k) => span.visible(t as usize, positions),
                _ => t as usize..t as usize + 1,
            };
            visible.map(|s| rows.get(&(s as u32)).map(Vec::as_slice).ok_or(GONE)).collect()
        })
        .collect::<Exact<Vec<Vec<&[i64]>>>>()?;
    let constants =
        node.constants.iter().map(|c| model.constant(*c).ok_or(GONE)).collect::<Exact<Vec<_>>>()?;
    let row_groups = match width(0) {
        Some(Width::PerVisible { groups, .. }) => groups,
        _ => 1,
    };
    apply(
        &node.op,
        &Operands {
            inputs,
            constants,
            token: sequence.tokens[t as usize],
            position: t,
            row_groups,
            sampling: &sequence.sampling,
        },
    )
}

impl Engine for Reference {
    fn open(&mut self, sampling: Sampling) -> Result<SequenceId, EngineError> {
        if !sampling.is_valid() {
            return Err(EngineError::Sampling);
        }
        let rows = vec![Rows::new(); self.model.program().nodes.len()];
        self.sequences.insert(self.opened, Sequence { sampling, tokens: Vec::new(), rows });
        self.opened += 1;
        Ok(SequenceId(self.opened - 1))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence.0);
    }

    fn step(
        &mut self,
        feeds: &[Feed<'_>],
        mut tap: Option<&mut dyn Tap>,
    ) -> Result<Vec<Vec<Emission>>, EngineError> {
        for feed in feeds {
            let sequence =
                self.sequences.get(&feed.sequence.0).ok_or(EngineError::Sequence(feed.sequence.0))?;
            check_feed(self.model.program(), feed, sequence.tokens.len())?;
        }
        feeds.iter().map(|feed| self.feed(feed, &mut tap)).collect()
    }

    fn program(&self) -> &Program {
        self.model.program()
    }
}
