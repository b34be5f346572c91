//! The float side of `model check`: a graph evaluated over f32, sums that are not matrix products in f64.

use super::attention::Attention;
use super::matrix::{in_parallel, product};
use super::pointwise::{activate, layer_norm, mean, normalize, rms_norm, rope};
use super::weights::{Weights, bind};
use crate::import::error::ImportError;
use crate::import::graph::{Fill, Graph, Head, Operation, StepId};
use crate::import::source::{ModelConfig, Tensors};
use crate::program::op::Index;

/// A graph with its weights, all of them in memory as f32.
pub struct FloatModel {
    graph: Graph,
    /// Angular frequencies of each rotary table.
    frequencies: Vec<Vec<f64>>,
    /// One entry a step.
    weights: Vec<Weights>,
    /// The last step that reads each step's values.
    last_use: Vec<StepId>,
}

impl FloatModel {
    /// Takes the weights out of `tensors`. Refuses a graph whose shapes do not fit together, naming the step.
    pub fn new(graph: &Graph, config: &ModelConfig, tensors: &dyn Tensors) -> Result<Self, ImportError> {
        let frequencies: Vec<Vec<f64>> = config.ropes.iter().map(|rope| rope.frequencies.clone()).collect();
        let weights = bind(graph, &frequencies, tensors)?;
        let mut last_use: Vec<StepId> = (0..graph.steps.len()).map(StepId).collect();
        for (i, step) in graph.steps.iter().enumerate() {
            for input in step.operation.inputs() {
                last_use[input.0] = StepId(i);
            }
        }
        last_use[head_step(graph.head).0] = StepId(graph.steps.len());
        Ok(Self { graph: graph.clone(), frequencies, weights, last_use })
    }

    /// The graph that is evaluated.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// One sequence from position 0. Gives logits `[positions, vocabulary]`, or the one vector of an encoder.
    ///
    /// `on_step` sees each step's values once, in order: `[positions, width]` row-major, with logits at every
    /// position; after a `Pool` there is one row only. An unknown token and a sequence longer than a table of
    /// positions are refused.
    pub fn forward(
        &self,
        tokens: &[u32],
        on_step: &mut dyn FnMut(StepId, &[f32]),
    ) -> Result<Vec<f32>, ImportError> {
        let mut values: Vec<Vec<f32>> = Vec::with_capacity(self.graph.steps.len());
        for (i, step) in self.graph.steps.iter().enumerate() {
            let y = self.evaluate(i, tokens, &values).map_err(|row| ImportError::Refused {
                node: step.name.clone(),
                reason: format!("there is no row {row}; use fewer positions and tokens of this vocabulary"),
            })?;
            // What is needed at the last position only has one row, though its input may have one for each position.
            let y = match self.graph.head {
                Head::Vector(_) if step.outputs_only => y[y.len().saturating_sub(step.width)..].to_vec(),
                _ => y,
            };
            on_step(StepId(i), &y);
            values.push(y);
            for input in step.operation.inputs() {
                if self.last_use[input.0] == StepId(i) {
                    values[input.0] = Vec::new();
                }
            }
        }
        Ok(std::mem::take(&mut values[head_step(self.graph.head).0]))
    }

    /// The values of step `i`, or the row that its table lacks.
    fn evaluate(&self, i: usize, tokens: &[u32], values: &[Vec<f32>]) -> Result<Vec<f32>, usize> {
        let (step, weights) = (&self.graph.steps[i], &self.weights[i]);
        let width = step.width;
        let at = |x: &StepId| values[x.0].as_slice();
        let width_of = |x: &StepId| self.graph.steps[x.0].width;
        Ok(match &step.operation {
            Operation::Embed { index, .. } => embed(weights, *index, tokens, width)?,
            // A row of several parts is that many rows.
            Operation::Linear { x, .. } => {
                let parts = width / weights.rows;
                linear(weights, at(x), width_of(x) / parts, weights.rows)
            }
            Operation::RmsNorm { x, eps, .. } => {
                rows(at(x), width, |x, y| rms_norm(x, &weights.main, *eps, y))
            }
            Operation::LayerNorm { x, eps, .. } => {
                rows(at(x), width, |x, y| layer_norm(x, &weights.main, &weights.extra, *eps, y))
            }
            Operation::Rope { x, table, head_dim } => {
                let mut y = at(x).to_vec();
                in_parallel(&mut y, width, |first, part| {
                    for (t, row) in part.chunks_exact_mut(width).enumerate() {
                        rope(row, first + t, &self.frequencies[table.0], *head_dim);
                    }
                });
                y
            }
            Operation::Attention { q, k, v, heads, kv_heads, span, scale } => {
                let (heads, kv_heads, span, scale) = (*heads, *kv_heads, *span, *scale);
                Attention { heads, kv_heads, head_dim: width / heads, span, scale }.apply(at(q), at(k), at(v))
            }
            Operation::Glu { gate, up, activation } => pairs(at(gate), at(up), width, |gate, up| {
                (activate(*activation, gate) * f64::from(up)) as f32
            }),
            Operation::Add { a, b } => pairs(at(a), at(b), width, |a, b| a + b),
            Operation::Act { x, activation } => each(at(x), width, |x| activate(*activation, x) as f32),
            Operation::Scale { x, factor } => each(at(x), width, |x| (f64::from(x) * factor) as f32),
            Operation::SoftCap { x, cap } => {
                each(at(x), width, |x| (cap * (f64::from(x) / cap).tanh()) as f32)
            }
            Operation::Pool { x } => mean(at(x), width),
            Operation::Normalize { x } => normalize(at(x)),
            Operation::Gather { x, visible, map, fill } => {
                let from = if *visible { at(x).len() } else { width_of(x) };
                gather(at(x), from, map, *fill)
            }
            Operation::Clamp { x, low, high } => {
                each(at(x), width, |x| f64::from(x).clamp(*low, *high) as f32)
            }
            Operation::GroupMax { x } => groups(at(x), width_of(x) / width, |group| {
                group.iter().copied().fold(f32::NEG_INFINITY, f32::max)
            }),
            Operation::GroupMean { x } => {
                let size = width_of(x) / width;
                groups(at(x), size, |group| {
                    (group.iter().map(|x| f64::from(*x)).sum::<f64>() / size as f64) as f32
                })
            }
            Operation::Mul { a, b } => pairs(at(a), at(b), width, |a, b| a * b),
        })
    }
}

/// The step that gives the result.
pub(super) fn head_step(head: Head) -> StepId {
    match head {
        Head::Logits(x) | Head::Vector(x) => x,
    }
}

fn embed(weights: &Weights, index: Index, tokens: &[u32], width: usize) -> Result<Vec<f32>, usize> {
    let mut y = Vec::with_capacity(tokens.len() * width);
    for (t, token) in tokens.iter().enumerate() {
        let row = match index {
            Index::Token => *token as usize,
            Index::Position => t,
        };
        let found =
            row.checked_mul(width).and_then(|start| weights.main.get(start..)?.get(..width)).ok_or(row)?;
        if weights.extra.is_empty() {
            y.extend_from_slice(found);
        } else {
            y.extend(found.iter().zip(weights.extra.iter()).map(|(a, b)| a + b));
        }
    }
    Ok(y)
}

fn linear(weights: &Weights, x: &[f32], inner: usize, width: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / inner * width];
    in_parallel(&mut y, width, |first, part| {
        product(&x[first * inner..], &weights.main, inner, part);
        if !weights.extra.is_empty() {
            for row in part.chunks_exact_mut(width) {
                row.iter_mut().zip(weights.extra.iter()).for_each(|(y, b)| *y += b);
            }
        }
    });
    y
}

/// Elements of each row of `from` elements by a map.
fn gather(x: &[f32], from: usize, map: &[i32], fill: Fill) -> Vec<f32> {
    let fill = match fill {
        Fill::Zero => 0.0,
        Fill::Lowest => f32::NEG_INFINITY,
    };
    let of =
        |row: &[f32], at: i32| usize::try_from(at).ok().and_then(|at| row.get(at).copied()).unwrap_or(fill);
    x.chunks_exact(from.max(1))
        .flat_map(|row| map.iter().map(|at| of(row, *at)).collect::<Vec<_>>())
        .collect()
}

/// One value for each group of neighbours.
fn groups(x: &[f32], size: usize, f: impl Fn(&[f32]) -> f32) -> Vec<f32> {
    x.chunks_exact(size.max(1)).map(f).collect()
}

/// Rows of x to rows of y of the same width.
fn rows(x: &[f32], width: usize, f: impl Fn(&[f32], &mut [f32]) + Sync) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    in_parallel(&mut y, width, |first, part| f(&x[first * width..][..part.len()], part));
    y
}

fn each(x: &[f32], width: usize, f: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    rows(x, width, |x, y| y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x)))
}

fn pairs(a: &[f32], b: &[f32], width: usize, f: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
    let mut y = vec![0.0; a.len()];
    in_parallel(&mut y, width, |first, part| {
        for ((y, a), b) in part.iter_mut().zip(&a[first * width..]).zip(&b[first * width..]) {
            *y = f(*a, *b);
        }
    });
    y
}
