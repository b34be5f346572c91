//! Both sides of `model check`, step by step.

use std::collections::HashMap;

use executor::check::float::FloatModel;
use executor::check::metrics::{Headroom, StepError};
use executor::engine::{Engine, Feed, SequenceId, Tap};
use executor::kernels::Sampling;
use executor::model::{Model, StepLabel};
use executor::program::op::Range;
use executor::program::{NodeId, Width};
use serde_json::{Value, json};

use crate::failure::bad_input;

/// The two sides and what was seen of their steps.
pub(super) struct SideBySide<'a> {
    float: &'a FloatModel,
    steps: &'a [StepLabel],
    errors: Vec<StepError>,
    headrooms: Vec<Headroom>,
    recorder: Recorder,
}

/// The integer side's values of the window at hand. Memory: 4 bytes for each value of each step.
struct Recorder {
    /// Where each node's rows are.
    slots: HashMap<NodeId, usize>,
    rows: Vec<Rows>,
}

struct Rows {
    width: usize,
    /// Has the node one row only, at the last position.
    single: bool,
    values: Vec<i32>,
}

impl Tap for Recorder {
    fn wants(&self, node: NodeId) -> bool {
        self.slots.contains_key(&node)
    }

    fn row(&mut self, _: SequenceId, node: NodeId, position: u32, values: &[i64]) {
        let Some(rows) = self.slots.get(&node).and_then(|slot| self.rows.get_mut(*slot)) else { return };
        let start = if rows.single { 0 } else { position as usize * rows.width };
        if let Some(row) = rows.values.get_mut(start..start + rows.width) {
            row.iter_mut().zip(values).for_each(|(to, from)| *to = *from as i32);
        }
    }
}

impl<'a> SideBySide<'a> {
    /// Refuses a float model whose steps are not those of the integer model.
    pub(super) fn new(model: &'a Model, float: &'a FloatModel) -> anyhow::Result<Self> {
        let steps = model.steps();
        let names = || float.graph().steps.iter().map(|step| step.name.as_str());
        if steps.is_empty() || !steps.iter().map(|step| step.name.as_str()).eq(names()) {
            return Err(bad_input("the model was imported by another version of Refute: import it again"));
        }
        let mut recorder = Recorder { slots: HashMap::new(), rows: Vec::new() };
        for step in steps {
            let info = model.infos()[step.node as usize];
            let Width::Fixed(width) = info.width else {
                return Err(bad_input(format!(
                    "step {} has no fixed width: import the model again",
                    step.name
                )));
            };
            let (width, single) = (width as usize, info.range == Range::Last);
            recorder.slots.entry(NodeId(step.node)).or_insert_with(|| {
                recorder.rows.push(Rows { width, single, values: Vec::new() });
                recorder.rows.len() - 1
            });
        }
        let (errors, headrooms) =
            (vec![StepError::default(); steps.len()], vec![Headroom::default(); steps.len()]);
        Ok(Self { float, steps, errors, headrooms, recorder })
    }

    /// One sequence. Gives the last step's values of both sides, and the fractional bits of the integer ones.
    pub(super) fn run(
        &mut self,
        engine: &mut dyn Engine,
        tokens: &[u32],
    ) -> anyhow::Result<(Vec<f32>, &[i32], i32)> {
        for rows in &mut self.recorder.rows {
            let count = if rows.single { 1 } else { tokens.len() };
            rows.values.clear();
            rows.values.resize(count * rows.width, 0);
        }
        let sequence = engine.open(Sampling::GREEDY)?;
        let ran = engine.step(&[Feed { sequence, tokens, outputs_from: 0 }], Some(&mut self.recorder));
        engine.close(sequence);
        ran?;
        let Self { recorder, steps, errors, headrooms, .. } = self;
        let integer = |i: usize| {
            let slot = recorder.slots.get(&NodeId(steps[i].node)).copied().unwrap_or_default();
            recorder.rows[slot].values.as_slice()
        };
        let last = self.float.forward(tokens, &mut |step, float| {
            let i = step.0;
            errors[i].add(float, integer(i), steps[i].fraction);
            headrooms[i].add(integer(i));
        })?;
        let end = steps.len() - 1;
        Ok((last, integer(end), steps[end].fraction))
    }

    /// What was seen of every step, and the worst of them.
    pub(super) fn report(&self) -> Value {
        let rows = || self.steps.iter().zip(&self.errors).zip(&self.headrooms);
        let table: Vec<Value> = rows()
            .map(|((step, error), headroom)| {
                json!({
                    "step": step.name,
                    "fraction": step.fraction,
                    "relative_error": error.relative(),
                    "headroom_bits": headroom.bits(),
                    "saturated": headroom.saturated(),
                })
            })
            .collect();
        let largest = rows().max_by(|a, b| a.0.1.relative().total_cmp(&b.0.1.relative()));
        let tightest = rows().min_by_key(|(_, headroom)| headroom.bits());
        json!({
            "saturated": self.headrooms.iter().map(Headroom::saturated).sum::<u64>(),
            "headroom": tightest.map(|((step, _), h)| json!({"step": step.name, "bits": h.bits()})),
            "largest_error": largest.map(|((step, e), _)| json!({"step": step.name, "relative": e.relative()})),
            "steps": table,
        })
    }
}
