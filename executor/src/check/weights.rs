//! A graph's weights as f32, with every shape checked before the first evaluation.

use std::collections::HashMap;
use std::sync::Arc;

use super::float::head_step;
use crate::import::error::ImportError;
use crate::import::graph::{Graph, Operation, Step, StepId};
use crate::import::source::Tensors;

/// The tensors of one step; steps that name the same tensor share it.
#[derive(Debug)]
pub(super) struct Weights {
    /// Table, matrix or gain.
    pub(super) main: Arc<[f32]>,
    /// Bias or the row that is added; empty without.
    pub(super) extra: Arc<[f32]>,
    /// Rows of a matrix.
    pub(super) rows: usize,
}

/// The weights of every step. An error names the step whose shapes do not fit.
pub(super) fn bind(
    graph: &Graph,
    frequencies: &[Vec<f64>],
    tensors: &dyn Tensors,
) -> Result<Vec<Weights>, ImportError> {
    let mut loader = Loader { tensors, loaded: HashMap::new() };
    let weights = graph.steps.iter().enumerate().map(|(i, step)| {
        let earlier = |x: &StepId| x.0 < i;
        if step.width == 0 || !step.operation.inputs().iter().all(earlier) || !fits(graph, step, frequencies)
        {
            return Err(ImportError::Refused {
                node: step.name.clone(),
                reason: "its width does not fit its inputs; the configuration contradicts itself".into(),
            });
        }
        loader.step(graph, step)
    });
    let weights: Vec<Weights> = weights.collect::<Result<_, _>>()?;
    if head_step(graph.head).0 >= graph.steps.len() {
        return Err(ImportError::Missing("the step that gives the result".into()));
    }
    Ok(weights)
}

/// Do the widths of a step and its inputs fit together.
fn fits(graph: &Graph, step: &Step, frequencies: &[Vec<f64>]) -> bool {
    let width = step.width;
    let of = |x: &StepId| graph.steps[x.0].width;
    match &step.operation {
        Operation::Embed { .. } | Operation::Linear { .. } => true,
        Operation::RmsNorm { x, groups, .. } => {
            of(x) == width && *groups > 0 && width.is_multiple_of(*groups)
        }
        Operation::Rope { x, table, head_dim } => {
            let pairs = frequencies.get(table.0).map(Vec::len);
            let whole = *head_dim > 0 && width.is_multiple_of(*head_dim);
            of(x) == width && whole && pairs.is_some_and(|pairs| 2 * pairs <= *head_dim)
        }
        Operation::Attention { q, k, v, heads, kv_heads, .. } => {
            let shared = *kv_heads > 0 && *heads > 0 && heads.is_multiple_of(*kv_heads);
            let whole = shared && width.is_multiple_of(*heads);
            whole && of(q) == width && of(k) == width / heads * kv_heads && of(v) == of(k)
        }
        Operation::Glu { gate: a, up: b, .. } | Operation::Add { a, b } | Operation::Mul { a, b } => {
            of(a) == width && of(b) == width
        }
        Operation::Gather { map, .. } => map.len() == width,
        Operation::GroupMax { x } | Operation::GroupMean { x } => of(x).is_multiple_of(width),
        Operation::LayerNorm { x, .. }
        | Operation::Act { x, .. }
        | Operation::Scale { x, .. }
        | Operation::SoftCap { x, .. }
        | Operation::Clamp { x, .. }
        | Operation::Pool { x }
        | Operation::Normalize { x } => of(x) == width,
    }
}

struct Loader<'a> {
    tensors: &'a dyn Tensors,
    loaded: HashMap<String, Arc<[f32]>>,
}

impl Loader<'_> {
    fn step(&mut self, graph: &Graph, step: &Step) -> Result<Weights, ImportError> {
        let width = step.width;
        let mut weights = Weights { main: Arc::default(), extra: Arc::default(), rows: 0 };
        match &step.operation {
            Operation::Embed { table, plus, .. } => {
                weights.main = self.load(table, |shape| shape.len() == 2 && shape[1] == width)?;
                if let Some(plus) = plus {
                    weights.extra = self.load(plus, |shape| shape.last() == Some(&width))?;
                }
            }
            Operation::Linear { x, weights: matrix, bias } => {
                let inner = graph.steps[x.0].width;
                weights.main = self.load(matrix, |shape| {
                    let [rows, columns] = shape else { return false };
                    let parts = width.checked_div(*rows).unwrap_or(0);
                    parts * rows == width && parts * columns == inner
                })?;
                weights.rows =
                    self.tensors.shape(matrix).and_then(|shape| shape.first()).copied().unwrap_or(0);
                if let Some(bias) = bias {
                    weights.extra = self.load(bias, |shape| shape == [weights.rows])?;
                }
            }
            Operation::RmsNorm { groups, gain, .. } => {
                weights.main = self.load(gain, |shape| shape == [width / groups])?;
            }
            Operation::LayerNorm { gain, bias, .. } => {
                weights.main = self.load(gain, |shape| shape == [width])?;
                weights.extra = self.load(bias, |shape| shape == [width])?;
            }
            _ => {}
        }
        Ok(weights)
    }

    fn load(&mut self, name: &str, fits: impl Fn(&[usize]) -> bool) -> Result<Arc<[f32]>, ImportError> {
        let shape = self.tensors.shape(name).ok_or_else(|| ImportError::Missing(format!("tensor {name}")))?;
        let refused = |reason: String| ImportError::Refused { node: name.to_owned(), reason };
        if !fits(shape) {
            return Err(refused(format!("its shape {shape:?} does not fit the configuration")));
        }
        if let Some(values) = self.loaded.get(name) {
            return Ok(values.clone());
        }
        let rows = if shape.len() == 1 { 1 } else { shape[0] };
        let expected: usize = shape.iter().product();
        let mut values = Vec::with_capacity(expected);
        self.tensors.rows(name, 0..rows, &mut values)?;
        if values.len() != expected {
            return Err(refused(format!(
                "it holds {} values, its shape {shape:?} says {expected}",
                values.len()
            )));
        }
        let values: Arc<[f32]> = values.into();
        self.loaded.insert(name.to_owned(), values.clone());
        Ok(values)
    }
}
