//! The pilot run: every format is chosen by integers, at f = 8, over a committed text. An import is the same bits on
//! every machine because nothing in it depends on one.

use super::error::ImportError;
use super::graph::{Graph, Operation, Step};
use crate::engine::{Engine, Feed, SequenceId, Tap};
use crate::kernels::Sampling;
use crate::program::{NodeId, Output, Program};

/// Fractional bits of every format in the pilot run.
pub const PILOT_FRACTION: i32 = 8;
/// What is run: prose, code, digits.
pub const TEXT: &str = include_str!("pilot.txt");
/// Most tokens of the pilot.
pub const TOKENS_MAX: usize = 512;

/// The largest magnitude that each watched node takes.
pub struct Peaks {
    watched: Vec<Option<usize>>,
    /// One a format.
    pub most: Vec<u64>,
}

impl Peaks {
    /// Watches the nodes of all steps but gathers: their input has shown its values already, and a fill is none.
    pub fn new(program: &Program, graph: &Graph, steps: &[NodeId]) -> Self {
        let mut watched = vec![None; program.nodes.len()];
        let gathers = |step: &Step| matches!(step.operation, Operation::Gather { .. });
        for (step, node) in graph.steps.iter().zip(steps).filter(|(step, _)| !gathers(step)) {
            watched[node.index()] = Some(step.format.0);
        }
        Self { watched, most: vec![0; graph.formats.len()] }
    }
}

impl Tap for Peaks {
    fn wants(&self, node: NodeId) -> bool {
        self.watched[node.index()].is_some()
    }

    fn row(&mut self, _: SequenceId, node: NodeId, _: u32, values: &[i64]) {
        if let Some(format) = self.watched[node.index()] {
            let peak = values.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
            self.most[format] = self.most[format].max(peak);
        }
    }
}

/// Runs the pilot's inputs and gives the fractional bits of each format:
/// f = 30 - bit_length(ceil(max)) - 3 within 4 and the format's own limit.
pub fn run(
    engine: &mut dyn Engine,
    graph: &Graph,
    steps: &[NodeId],
    inputs: &[Vec<u32>],
) -> Result<Vec<i32>, ImportError> {
    let mut peaks = Peaks::new(engine.program(), graph, steps);
    let refused = |e: crate::engine::EngineError| ImportError::Refused {
        node: "pilot run".into(),
        reason: e.to_string(),
    };
    for tokens in inputs {
        let outputs_from = match engine.program().interface.output {
            Output::Tokens { .. } => 0,
            Output::Vector { .. } => tokens.len() as u32 - 1,
        };
        let sequence = engine.open(Sampling::GREEDY).map_err(refused)?;
        engine.step(&[Feed { sequence, tokens, outputs_from }], Some(&mut peaks)).map_err(refused)?;
        engine.close(sequence);
    }
    let fraction = |peak: &u64, limit: &i32| {
        let whole = peak.div_ceil(1 << PILOT_FRACTION);
        (27 - crate::numerics::bit_length(whole)).clamp(4, *limit)
    };
    Ok(peaks.most.iter().zip(&graph.formats).map(|(peak, limit)| fraction(peak, limit)).collect())
}
