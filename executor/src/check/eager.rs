//! The float side of `model check` by libtorch: each step of the graph as the operations that PyTorch's own models call, one
//! after the other, in f32. It is also the peer that the `torch` back end is measured against.

use std::collections::HashMap;
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use super::float::head_step;
use super::weights::{Weights, bind};
use crate::import::error::ImportError;
use crate::import::graph::{Fill, Graph, Head, Operation, Step, StepId};
use crate::import::source::{Activation, ModelConfig, Tensors};
use crate::program::op::{Index, Span};

/// What libtorch gives.
type Made = Result<Tensor, TchError>;

/// The tensors of one step.
#[derive(Debug, Default)]
struct Parameters {
    main: Option<Tensor>,
    extra: Option<Tensor>,
}

/// A graph with its weights, all of them in libtorch's memory as f32.
#[derive(Debug)]
pub struct EagerModel {
    graph: Graph,
    /// Angular frequencies of each rotary table.
    frequencies: Vec<Vec<f64>>,
    parameters: Vec<Parameters>,
    /// The last step that reads each step's values.
    last_use: Vec<StepId>,
}

/// Receives a step's values, `[positions, width]` row-major.
pub type Listener<'a> = &'a mut dyn FnMut(StepId, &[f32]);

impl EagerModel {
    /// Takes the weights out of `tensors`. Refuses a graph whose shapes do not fit together, naming the step.
    pub fn new(graph: &Graph, config: &ModelConfig, tensors: &dyn Tensors) -> Result<Self, ImportError> {
        let frequencies: Vec<Vec<f64>> = config.ropes.iter().map(|rope| rope.frequencies.clone()).collect();
        let weights = bind(graph, &frequencies, tensors)?;
        let mut known = HashMap::new();
        let parameters = graph
            .steps
            .iter()
            .zip(&weights)
            .map(|(step, weights)| parameters(step, weights, &mut known).map_err(|e| refused(step, &e)));
        let parameters = parameters.collect::<Result<_, _>>()?;
        let mut last_use: Vec<StepId> = (0..graph.steps.len()).map(StepId).collect();
        for (i, step) in graph.steps.iter().enumerate() {
            for input in step.operation.inputs() {
                last_use[input.0] = StepId(i);
            }
        }
        last_use[head_step(graph.head).0] = StepId(graph.steps.len());
        Ok(Self { graph: graph.clone(), frequencies, parameters, last_use })
    }

    /// As [`super::float::FloatModel::forward`].
    pub fn forward(&self, tokens: &[u32], on_step: Listener<'_>) -> Result<Vec<f32>, ImportError> {
        let y = self.run(tokens, false, Some(on_step))?;
        values(&y).map_err(|e| ImportError::Refused { node: "the result".into(), reason: e.to_string() })
    }

    /// The logits after the last position alone: what a generation asks of its prompt.
    pub fn prefill(&self, tokens: &[u32]) -> Result<Vec<f32>, ImportError> {
        let y = self.run(tokens, true, None)?;
        values(&y).map_err(|e| ImportError::Refused { node: "the result".into(), reason: e.to_string() })
    }

    fn run(
        &self,
        tokens: &[u32],
        last_only: bool,
        mut on_step: Option<Listener<'_>>,
    ) -> Result<Tensor, ImportError> {
        let mut held: Vec<Option<Tensor>> = Vec::with_capacity(self.graph.steps.len());
        for (i, step) in self.graph.steps.iter().enumerate() {
            let narrow = step.outputs_only && (last_only || matches!(self.graph.head, Head::Vector(_)));
            let y = self.evaluate(i, tokens, &held, narrow && last_only)?;
            let made = || if narrow { y.f_narrow(0, y.size()[0] - 1, 1) } else { Ok(y.shallow_clone()) };
            let y = made().map_err(|e| refused(step, &e))?;
            if let Some(on_step) = &mut on_step {
                on_step(StepId(i), &values(&y).map_err(|e| refused(step, &e))?);
            }
            held.push(Some(y));
            for input in step.operation.inputs() {
                if self.last_use[input.0] == StepId(i) {
                    held[input.0] = None;
                }
            }
        }
        let head = held.get_mut(head_step(self.graph.head).0).and_then(Option::take);
        head.ok_or_else(|| ImportError::Missing("the step that gives the result".into()))
    }

    /// The values of step `i`; `narrow` asks for the last position alone, except of keys and values.
    fn evaluate(
        &self,
        i: usize,
        tokens: &[u32],
        held: &[Option<Tensor>],
        narrow: bool,
    ) -> Result<Tensor, ImportError> {
        let step = &self.graph.steps[i];
        let parameters = &self.parameters[i];
        if let Operation::Embed { index, .. } = &step.operation {
            let rows: Vec<i64> = match index {
                Index::Token => tokens.iter().map(|token| i64::from(*token)).collect(),
                Index::Position => (0..tokens.len() as i64).collect(),
            };
            let height = parameters.main.as_ref().map_or(0, |table| table.size()[0]);
            if let Some(row) = rows.iter().find(|row| **row >= height) {
                return Err(ImportError::Refused {
                    node: step.name.clone(),
                    reason: format!(
                        "there is no row {row}; use fewer positions and tokens of this vocabulary"
                    ),
                });
            }
            return embed(parameters, &rows).map_err(|e| refused(step, &e));
        }
        self.compute(step, parameters, held, narrow).map_err(|e| refused(step, &e))
    }

    fn compute(&self, step: &Step, parameters: &Parameters, held: &[Option<Tensor>], narrow: bool) -> Made {
        let width = step.width as i64;
        let whole = |x: &StepId| held[x.0].as_ref().ok_or_else(|| TchError::Shape("a step is gone".into()));
        let at = |x: &StepId| -> Made {
            let x = whole(x)?;
            if narrow { x.f_narrow(0, x.size()[0] - 1, 1) } else { Ok(x.shallow_clone()) }
        };
        let main = || parameters.main.as_ref().ok_or_else(|| TchError::Shape("weights are missing".into()));
        let grouped = |x: &Tensor| x.f_reshape([x.size()[0], width, -1]);
        match &step.operation {
            Operation::Embed { .. } => Err(TchError::Shape("a table is read before".into())),
            Operation::Linear { x, .. } => {
                let (x, matrix) = (at(x)?, main()?);
                let rows = x.size()[0];
                let parts = x.f_reshape([-1, matrix.size()[1]])?;
                parts.f_linear(matrix, parameters.extra.as_ref())?.f_reshape([rows, width])
            }
            Operation::RmsNorm { x, groups, eps, .. } => {
                let x = at(x)?;
                let parts = x.f_reshape([x.size()[0], *groups as i64, -1])?;
                let mean = parts.f_square()?.f_mean_dim([-1_i64].as_slice(), true, Kind::Float)?;
                let y = parts.f_mul(&mean.f_add_scalar(*eps)?.f_rsqrt()?)?.f_mul(main()?)?;
                y.f_reshape([x.size()[0], width])
            }
            Operation::LayerNorm { x, eps, .. } => {
                at(x)?.f_layer_norm([width], Some(main()?), parameters.extra.as_ref(), *eps, false)
            }
            Operation::Rope { x, table, head_dim } => {
                rope(&at(x)?, &self.frequencies[table.0], *head_dim as i64, whole(x)?.size()[0])
            }
            Operation::Attention { q, k, v, heads, kv_heads, span, scale } => {
                attend(&at(q)?, (whole(k)?, whole(v)?), (*heads as i64, *kv_heads as i64), *span, *scale)
            }
            Operation::Glu { gate, up, activation } => activate(&at(gate)?, *activation)?.f_mul(&at(up)?),
            Operation::Add { a, b } => at(a)?.f_add(&at(b)?),
            Operation::Act { x, activation } => activate(&at(x)?, *activation),
            Operation::Scale { x, factor } => at(x)?.f_mul_scalar(*factor),
            Operation::SoftCap { x, cap } => at(x)?.f_mul_scalar(1.0 / cap)?.f_tanh()?.f_mul_scalar(*cap),
            Operation::Pool { x } => whole(x)?.f_mean_dim([0_i64].as_slice(), true, Kind::Float),
            Operation::Normalize { x } => {
                let x = at(x)?;
                // A zero vector stays.
                x.f_div(&x.f_norm()?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?)
            }
            Operation::Gather { x, visible, map, fill } => {
                let x = if *visible { whole(x)?.f_reshape([1, -1])? } else { at(x)? };
                gather(&x, map, *fill)
            }
            Operation::Clamp { x, low, high } => at(x)?.f_clamp(*low, *high),
            Operation::GroupMax { x } => grouped(&at(x)?)?.f_amax([-1_i64].as_slice(), false),
            Operation::GroupMean { x } => {
                grouped(&at(x)?)?.f_mean_dim([-1_i64].as_slice(), false, Kind::Float)
            }
            Operation::Mul { a, b } => at(a)?.f_mul(&at(b)?),
        }
    }
}

fn refused(step: &Step, error: &TchError) -> ImportError {
    ImportError::Refused { node: step.name.clone(), reason: format!("libtorch: {error}") }
}

/// Weights that several steps share are one tensor.
fn parameters(
    step: &Step,
    weights: &Weights,
    known: &mut HashMap<*const f32, Tensor>,
) -> Result<Parameters, TchError> {
    let mut tensor = |values: &Arc<[f32]>, columns: usize| -> Result<Option<Tensor>, TchError> {
        if values.is_empty() {
            return Ok(None);
        }
        if let Some(tensor) = known.get(&values.as_ptr()) {
            return Ok(Some(tensor.f_reshape([-1, columns as i64])?));
        }
        let made = Tensor::f_from_slice(values)?.f_reshape([-1, columns as i64])?;
        known.insert(values.as_ptr(), made.shallow_clone());
        Ok(Some(made))
    };
    Ok(match &step.operation {
        Operation::Embed { .. } => Parameters {
            main: tensor(&weights.main, step.width)?,
            extra: tensor(&weights.extra, step.width)?,
        },
        Operation::Linear { .. } => {
            let columns = weights.main.len() / weights.rows.max(1);
            let bias = tensor(&weights.extra, weights.rows.max(1))?;
            let bias = bias.map(|bias| bias.f_reshape([-1])).transpose()?;
            Parameters { main: tensor(&weights.main, columns)?, extra: bias }
        }
        _ => {
            let flat = |made: Option<Tensor>| made.map(|made| made.f_reshape([-1])).transpose();
            let width = |values: &Arc<[f32]>| values.len().max(1);
            Parameters {
                main: flat(tensor(&weights.main, width(&weights.main))?)?,
                extra: flat(tensor(&weights.extra, width(&weights.extra))?)?,
            }
        }
    })
}

fn embed(parameters: &Parameters, rows: &[i64]) -> Made {
    let table = parameters.main.as_ref().ok_or_else(|| TchError::Shape("weights are missing".into()))?;
    let y = table.f_index_select(0, &Tensor::f_from_slice(rows)?)?;
    match &parameters.extra {
        Some(extra) => y.f_add(&extra.f_narrow(0, 0, 1)?),
        None => Ok(y),
    }
}

/// Turns pairs (i, i + p) of each head; what follows the pairs stays as it is. The last rows of `positions`.
fn rope(x: &Tensor, frequencies: &[f64], head_dim: i64, positions: i64) -> Made {
    let (rows, pairs) = (x.size()[0], frequencies.len() as i64);
    let angle = |t: i64| frequencies.iter().map(move |f| t as f64 * f);
    let angles: Vec<f64> = (positions - rows..positions).flat_map(angle).collect();
    let table = |f: fn(f64) -> f64| {
        let values: Vec<f32> = angles.iter().map(|a| f(*a) as f32).collect();
        Tensor::f_from_slice(&values)?.f_reshape([rows, 1, pairs])
    };
    let (cos, sin) = (table(f64::cos)?, table(f64::sin)?);
    let heads = x.f_reshape([rows, -1, head_dim])?;
    let (a, b) = (heads.f_narrow(2, 0, pairs)?, heads.f_narrow(2, pairs, pairs)?);
    let real = a.f_mul(&cos)?.f_sub(&b.f_mul(&sin)?)?;
    let imaginary = a.f_mul(&sin)?.f_add(&b.f_mul(&cos)?)?;
    let rest = heads.f_narrow(2, 2 * pairs, head_dim - 2 * pairs)?;
    Tensor::f_cat(&[real, imaginary, rest], 2)?.f_reshape(x.size())
}

fn attend(
    q: &Tensor,
    (k, v): (&Tensor, &Tensor),
    (heads, kv_heads): (i64, i64),
    span: Span,
    scale: f64,
) -> Made {
    let (rows, positions) = (q.size()[0], k.size()[0]);
    let split =
        |x: &Tensor, heads: i64| x.f_reshape([x.size()[0], heads, -1])?.f_transpose(0, 1)?.f_unsqueeze(0);
    let mask = match span {
        Span::All => None,
        // All of what comes before the only row.
        Span::Causal if rows == 1 => None,
        Span::Causal if rows == positions => None,
        Span::Causal | Span::Window(_) => {
            let sees = |t: i64| {
                let visible = span.visible(t as usize, positions as usize);
                (0..positions as usize).map(move |s| visible.contains(&s))
            };
            let mask: Vec<bool> = (positions - rows..positions).flat_map(sees).collect();
            Some(Tensor::f_from_slice(&mask)?.f_reshape([rows, positions])?)
        }
    };
    let causal = span == Span::Causal && rows > 1 && mask.is_none();
    let y = Tensor::f_scaled_dot_product_attention(
        &split(q, heads)?,
        &split(k, kv_heads)?,
        &split(v, kv_heads)?,
        mask,
        0.0,
        causal,
        scale,
        heads != kv_heads,
    )?;
    y.f_squeeze_dim(0)?.f_transpose(0, 1)?.f_reshape([rows, -1])
}

fn activate(x: &Tensor, activation: Activation) -> Made {
    match activation {
        Activation::Silu => x.f_silu(),
        Activation::Gelu => x.f_gelu("none"),
        Activation::GeluTanh => x.f_gelu("tanh"),
    }
}

fn gather(x: &Tensor, map: &[i32], fill: Fill) -> Made {
    let width = x.size()[1];
    let index: Vec<i64> = map.iter().map(|at| i64::from(*at).clamp(0, width - 1)).collect();
    let inside: Vec<bool> = map.iter().map(|at| (0..width).contains(&i64::from(*at))).collect();
    let y = x.f_index_select(1, &Tensor::f_from_slice(&index)?)?;
    let fill = match fill {
        Fill::Zero => 0.0,
        Fill::Lowest => f64::NEG_INFINITY,
    };
    let inside = Tensor::f_from_slice(&inside)?.f_expand_as(&y)?;
    y.f_where_self(&inside, &y.f_full_like(fill)?)
}

fn values(x: &Tensor) -> Result<Vec<f32>, TchError> {
    let x = x.f_to(Device::Cpu)?.f_contiguous()?;
    let mut out = vec![0.0; x.numel()];
    let count = out.len();
    x.f_copy_data(&mut out, count)?;
    Ok(out)
}
