//! From the graph over real numbers to integer nodes.
//!
//! Each step becomes a few small nodes whose last one is the step's value as a Fixed in the step's format. All
//! shifts follow from the formats; the formats are the pilot run's (`pilot`), or 8 everywhere for the pilot itself.

use std::collections::HashMap;

use super::error::ImportError;
use super::graph::{Fill, Graph, Head, Operation, Step, StepId};
use super::source::{Activation, ModelConfig, Tensors};
use super::weights::{self, Precision};
use super::{chain, tables};
use crate::program::op::{Op, Range, Span};
use crate::program::{ConstantId, ConstantInfo, ElementType, Node, NodeId, Output};

/// How a constant is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row-major, little-endian.
    Rows,
    /// Panels of 32 rows.
    Panels,
}

/// A constant with its values.
pub struct BuiltConstant {
    /// Shape and range.
    pub info: ConstantInfo,
    /// How `bytes` are laid out.
    pub layout: Layout,
    /// The values.
    pub bytes: Vec<u8>,
}

/// What the user chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Weights.
    pub precision: Precision,
    /// Bits of the mantissas in the KV cache: 8 or 16.
    pub kv_bits: u32,
}

/// Nodes, constants and output of a lowered graph.
pub struct Lowered {
    /// In trace order.
    pub nodes: Vec<Node>,
    /// Referred to by the nodes.
    pub constants: Vec<BuiltConstant>,
    /// What comes out.
    pub output: Output,
    /// For each step the node with its value.
    pub steps: Vec<NodeId>,
}

/// Fractional bits of a normalised value before its gain: sqrt(65,536) still leaves a factor of 4.
const NORMED_BITS: i32 = 20;
/// Fractional bits of scores and of a soft cap's argument.
const SCORE_BITS: i32 = 20;
/// Fractional bits of a vector of length 1.
pub(super) const UNIT_BITS: i32 = 28;
/// Lowest row exponent of 16-bit mantissas.
const EXPONENT_MIN: i32 = -15;

/// Lowers a graph; `fractions` holds the fractional bits of each format.
pub fn lower(
    graph: &Graph,
    config: &ModelConfig,
    tensors: &dyn Tensors,
    options: Options,
    fractions: &[i32],
) -> Result<Lowered, ImportError> {
    let mut l = Lowering {
        graph,
        config,
        tensors,
        options,
        fractions,
        nodes: Vec::new(),
        constants: Vec::new(),
        steps: Vec::new(),
        shared: HashMap::new(),
        mantissas: HashMap::new(),
        shift_max: HashMap::new(),
    };
    l.limit_shifts();
    for step in &graph.steps {
        let node = l.step(step)?;
        l.steps.push(node);
    }
    let output = match graph.head {
        Head::Logits(x) => {
            let exp2 = l.shared("exp2", || row(ElementType::I32, &tables::exp2()));
            let (logits, fraction) = (l.value(x), l.fraction(x));
            chain::sampling(&mut l.nodes, logits, fraction, exp2)
        }
        Head::Vector(x) => Output::Vector { node: l.value(x), fraction: l.fraction(x) },
    };
    Ok(Lowered { nodes: l.nodes, constants: l.constants, output, steps: l.steps })
}

struct Lowering<'a> {
    graph: &'a Graph,
    config: &'a ModelConfig,
    tensors: &'a dyn Tensors,
    options: Options,
    fractions: &'a [i32],
    nodes: Vec<Node>,
    constants: Vec<BuiltConstant>,
    steps: Vec<NodeId>,
    /// Constants that several nodes use, by a name of their own.
    shared: HashMap<String, ConstantId>,
    /// Exponents and mantissas of a step where they are read, by parts.
    mantissas: HashMap<(StepId, bool, u32), (NodeId, NodeId)>,
    /// Largest shift of each matrix.
    shift_max: HashMap<String, i32>,
}

fn built(element: ElementType, rows: u32, values: &[i64]) -> BuiltConstant {
    let (low, high) = (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
    let mut bytes = Vec::with_capacity(values.len() * element.size());
    element.write(values, &mut bytes);
    let columns = values.len() as u32 / rows.max(1);
    BuiltConstant { info: ConstantInfo { element, rows, columns, low, high }, layout: Layout::Rows, bytes }
}

fn row(element: ElementType, values: &[i64]) -> BuiltConstant {
    built(element, 1, values)
}

/// x as (mantissa of `bits` bits, shift): x = mantissa * 2^-shift.
fn mantissa(x: f64, bits: i32) -> (i64, i32) {
    let (_, e) = libm::frexp(x);
    let shift = bits - e;
    (libm::round(libm::scalbn(x, shift)) as i64, shift)
}

impl Lowering<'_> {
    fn fraction(&self, x: StepId) -> i32 {
        match self.graph.steps[x.0].operation {
            Operation::Normalize { .. } => UNIT_BITS,
            _ => self.fractions[self.graph.steps[x.0].format.0],
        }
    }

    fn value(&self, x: StepId) -> NodeId {
        self.steps[x.0]
    }

    fn push(&mut self, op: Op, range: Range, inputs: &[NodeId], constants: &[ConstantId]) -> NodeId {
        self.nodes.push(Node { op, range, inputs: inputs.to_vec(), constants: constants.to_vec() });
        NodeId(self.nodes.len() as u32 - 1)
    }

    fn constant(&mut self, c: BuiltConstant) -> ConstantId {
        self.constants.push(c);
        ConstantId(self.constants.len() as u32 - 1)
    }

    fn shared(&mut self, name: &str, make: impl FnOnce() -> BuiltConstant) -> ConstantId {
        if let Some(id) = self.shared.get(name) {
            return *id;
        }
        let id = self.constant(make());
        self.shared.insert(name.into(), id);
        id
    }

    fn range(&self, step: &Step) -> Range {
        match (step.outputs_only, self.graph.head) {
            (false, _) => Range::All,
            (true, Head::Logits(_)) => Range::Outputs,
            (true, Head::Vector(_)) => Range::Last,
        }
    }

    /// Every use of a matrix must keep its shifts below 63.
    fn limit_shifts(&mut self) {
        for step in &self.graph.steps {
            let f = self.fractions[step.format.0];
            let (name, most) = match &step.operation {
                Operation::Embed { table, .. } => (table, 62 + f),
                Operation::Linear { x, weights, .. } => (weights, 62 + EXPONENT_MIN - self.fraction(*x) + f),
                _ => continue,
            };
            let limit = self.shift_max.entry(name.clone()).or_insert(60);
            *limit = (*limit).min(most);
        }
    }

    /// Bytes of a matrix's weights.
    fn precision(&self, name: &str) -> Precision {
        if self.graph.fine.contains(name) { Precision::W16 } else { self.options.precision }
    }

    /// Weights, multipliers and shifts of a matrix; `plus` is added to each of its rows first.
    fn matrix(&mut self, name: &str, plus: Option<&str>) -> Result<[ConstantId; 3], ImportError> {
        if let Some(id) = self.shared.get(name) {
            return Ok([*id, ConstantId(id.0 + 1), ConstantId(id.0 + 2)]);
        }
        let shift_max = self.shift_max.get(name).copied().unwrap_or(60);
        let precision = self.precision(name);
        let m = match plus {
            None => weights::quantise(self.tensors, name, precision, shift_max)?,
            Some(plus) => {
                let columns = self.tensors.shape(name).and_then(|s| s.get(1)).copied().unwrap_or(0);
                let sum = weights::Sum { inner: self.tensors, plus: self.vector(plus, columns)? };
                weights::quantise(&sum, name, precision, shift_max)?
            }
        };
        let limit = i64::from(precision.limit());
        let element = match precision {
            Precision::W8 => ElementType::I8,
            Precision::W16 => ElementType::I16,
        };
        let info = ConstantInfo {
            element,
            rows: m.rows as u32,
            columns: m.columns as u32,
            low: -limit,
            high: limit,
        };
        let id = self.constant(BuiltConstant { info, layout: Layout::Panels, bytes: m.panels });
        self.shared.insert(name.into(), id);
        let multipliers: Vec<i64> = m.multipliers.into_iter().map(i64::from).collect();
        let shifts: Vec<i64> = m.shifts.into_iter().map(i64::from).collect();
        let multipliers = self.constant(row(ElementType::U16, &multipliers));
        let shifts = self.constant(row(ElementType::I8, &shifts));
        Ok([id, multipliers, shifts])
    }

    /// A vector of reals.
    fn vector(&self, name: &str, width: usize) -> Result<Vec<f64>, ImportError> {
        match self.tensors.shape(name) {
            Some([n]) if *n == width => {}
            Some([rows, n]) if *n == width && *rows > 0 => {}
            Some(other) => {
                let reason = format!("{width} elements were expected, the shape is {other:?}");
                return Err(ImportError::Refused { node: name.into(), reason });
            }
            None => return Err(ImportError::Missing(format!("tensor {name}"))),
        }
        let mut out = Vec::new();
        self.tensors.rows(name, 0..1, &mut out)?;
        Ok(out.into_iter().map(f64::from).collect())
    }

    /// A vector of biases as Fixed of `fraction` bits.
    fn biases(&mut self, name: &str, width: usize, fraction: i32) -> Result<ConstantId, ImportError> {
        let values = self.vector(name, width)?;
        let limit = f64::from(i32::MAX);
        let fixed = |b: f64| libm::round(libm::scalbn(b, fraction)).clamp(-limit, limit) as i64;
        let values: Vec<i64> = values.into_iter().map(fixed).collect();
        Ok(self.constant(row(ElementType::I32, &values)))
    }

    /// Exponents and 16-bit mantissas of a step's equal parts, for a product.
    fn quantised(&mut self, x: StepId, range: Range, parts: u32) -> (NodeId, NodeId) {
        let key = (x, range == Range::All, parts);
        if let Some(found) = self.mantissas.get(&key) {
            return *found;
        }
        let found = self.grouped(self.value(x), range, 16, parts);
        self.mantissas.insert(key, found);
        found
    }

    /// Exponents and mantissas of a node, by groups.
    fn grouped(&mut self, x: NodeId, range: Range, bits: u32, groups: u32) -> (NodeId, NodeId) {
        let e = self.push(Op::RowExp { bits, groups }, range, &[x], &[]);
        (e, self.push(Op::Quantise { bits, groups }, range, &[x, e], &[]))
    }

    fn step(&mut self, step: &Step) -> Result<NodeId, ImportError> {
        let (range, f) = (self.range(step), self.fractions[step.format.0]);
        Ok(match &step.operation {
            Operation::Embed { table, index, plus } => {
                let table = self.matrix(table, plus.as_deref())?;
                self.push(Op::Embed { index: *index, shift: -f }, range, &[], &table)
            }
            Operation::Linear { x, weights, bias } => {
                let rows = self.tensors.shape(weights).and_then(|shape| shape.first()).copied();
                let rows = rows.filter(|rows| *rows > 0).unwrap_or(step.width);
                let (e, m) = self.quantised(*x, range, (step.width / rows) as u32);
                let mut constants = self.matrix(weights, None)?.to_vec();
                if let Some(bias) = bias {
                    constants.push(self.biases(bias, rows, f)?);
                }
                let shift = self.fraction(*x) - f;
                self.push(Op::Linear { shift }, range, &[m, e], &constants)
            }
            Operation::RmsNorm { x, groups, gain, eps } => {
                let gain = self.vector(gain, step.width / groups)?;
                let (node, fraction) = (self.value(*x), self.fraction(*x));
                self.norm(node, fraction, range, Norm { groups: *groups, gain, bias: None, eps: *eps, f })?
            }
            Operation::LayerNorm { x, gain, bias, eps } => {
                let gain = self.vector(gain, step.width)?;
                let (node, fraction) = (self.value(*x), self.fraction(*x));
                let total = self.push(Op::RowSum {}, range, &[node], &[]);
                let centred = self.push(Op::Centre {}, range, &[node, total], &[]);
                let bias = Some(self.biases(bias, step.width, f)?);
                self.norm(centred, fraction, range, Norm { groups: 1, gain, bias, eps: *eps, f })?
            }
            Operation::Rope { x, table, head_dim } => {
                let rope = &self.config.ropes[table.0];
                let rows = self.config.context.div_ceil(256) as u32;
                let upper = self.shared(&format!("rope.{}.upper", table.0), || {
                    built(ElementType::I32, rows, &tables::rotary(rope, rows, 256))
                });
                let lower = self.shared(&format!("rope.{}.lower", table.0), || {
                    built(ElementType::I32, 256, &tables::rotary(rope, 256, 1))
                });
                self.push(Op::Rope { head_dim: *head_dim as u32 }, range, &[self.value(*x)], &[upper, lower])
            }
            Operation::Attention { q, k, v, heads, kv_heads, span, scale } => {
                let heads = Heads { query: *heads as u32, key: *kv_heads as u32, span: *span };
                self.attention([*q, *k, *v], heads, *scale, f)
            }
            Operation::Glu { gate, up, activation } => {
                let table = self.activation(*activation);
                let in_shift = self.fraction(*gate) - 20;
                let shift = self.fraction(*gate) + self.fraction(*up) - f;
                self.push(Op::Glu { in_shift, shift }, range, &[self.value(*gate), self.value(*up)], &[table])
            }
            Operation::Act { x, activation } => {
                let table = self.activation(*activation);
                let op = Op::Act { in_shift: self.fraction(*x) - 20, shift: 23 + self.fraction(*x) - f };
                self.push(op, range, &[self.value(*x)], &[table])
            }
            Operation::Add { a, b } => self.push(Op::Add {}, range, &[self.value(*a), self.value(*b)], &[]),
            Operation::Scale { x, factor } => {
                self.scaled(self.value(*x), range, *factor, self.fraction(*x) - f)?
            }
            Operation::SoftCap { x, cap } => {
                let inner = self.scaled(self.value(*x), range, 1.0 / cap, self.fraction(*x) - SCORE_BITS)?;
                let tanh = self.shared("tanh", || built(ElementType::I32, 4096, &tables::tanh()));
                let bent = self.push(Op::Lut { in_shift: 0, shift: 0 }, range, &[inner], &[tanh]);
                self.scaled(bent, range, *cap, 23 - f)?
            }
            Operation::Pool { x } => self.push(Op::Pool {}, range, &[self.value(*x)], &[]),
            Operation::Normalize { x } => {
                // x / sqrt(sum x^2): a norm over one "element", with gain 1.
                let x = self.value(*x);
                let e = self.push(Op::RowExp { bits: 24, groups: 1 }, range, &[x], &[]);
                let s = self.push(Op::SumSq { groups: 1 }, range, &[x, e], &[]);
                let r = self.push(Op::RNorm { groups: 1, eps: 0, root: 1 << 55 }, range, &[s, e], &[]);
                let one = self.constant(row(ElementType::I32, &vec![1; step.width]));
                let op = Op::Norm { groups: 1, shift: 55 - UNIT_BITS, gain_shift: 0 };
                self.push(op, range, &[x, e, r], &[one])
            }
            Operation::Gather { x, visible, map, fill } => {
                let map: Vec<i64> = map.iter().map(|at| i64::from(*at)).collect();
                let map = self.constant(row(ElementType::I32, &map));
                let fill = match fill {
                    Fill::Zero => 0,
                    Fill::Lowest => i32::MIN,
                };
                let op = Op::Gather { visible: u32::from(*visible), fill };
                self.push(op, range, &[self.value(*x)], &[map])
            }
            Operation::Clamp { x, low, high } => {
                let limit = |bound: f64| {
                    libm::round(libm::scalbn(bound, f)).clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32
                };
                let op = Op::Clamp { low: limit(*low), high: limit(*high) };
                self.push(op, range, &[self.value(*x)], &[])
            }
            Operation::GroupMax { x } => {
                self.push(Op::GroupMax { groups: step.width as u32 }, range, &[self.value(*x)], &[])
            }
            Operation::GroupMean { x } => {
                self.push(Op::GroupMean { groups: step.width as u32 }, range, &[self.value(*x)], &[])
            }
            Operation::Mul { a, b } => {
                let shift = self.fraction(*a) + self.fraction(*b) - f;
                self.push(Op::Mul { shift }, range, &[self.value(*a), self.value(*b)], &[])
            }
        })
    }

    fn activation(&mut self, kind: Activation) -> ConstantId {
        self.shared(&format!("{kind:?}"), || built(ElementType::I32, 4096, &tables::activation(kind)))
    }

    fn scaled(&mut self, x: NodeId, range: Range, factor: f64, shift: i32) -> Result<NodeId, ImportError> {
        let (multiplier, own) = mantissa(factor, 30);
        let multiplier = i32::try_from(multiplier)
            .map_err(|_| ImportError::Refused { node: "scale".into(), reason: format!("factor {factor}") })?;
        Ok(self.push(Op::Rescale { multiplier, shift: own + shift }, range, &[x], &[]))
    }

    fn norm(&mut self, x: NodeId, fraction: i32, range: Range, n: Norm) -> Result<NodeId, ImportError> {
        let groups = n.groups as u32;
        let elements = n.gain.len() as f64;
        let eps = libm::round(libm::scalbn(n.eps * elements, 2 * fraction + 16)) as i64;
        let root = libm::round(libm::scalbn(libm::sqrt(elements), 55)) as i64;
        let most = n.gain.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        // Gains of 30 bits at most, but not finer than 2^-28.
        let gain_bits = (30 - libm::frexp(most).1).clamp(0, 28);
        if most > f64::from(1 << 30) {
            let reason = format!("a gain of {most} is too large");
            return Err(ImportError::Refused { node: "norm".into(), reason });
        }
        let gain: Vec<i64> = n.gain.iter().map(|g| libm::round(libm::scalbn(*g, gain_bits)) as i64).collect();
        let mut constants = vec![self.constant(row(ElementType::I32, &gain))];
        constants.extend(n.bias);
        let e = self.push(Op::RowExp { bits: 24, groups }, range, &[x], &[]);
        let s = self.push(Op::SumSq { groups }, range, &[x, e], &[]);
        let r = self.push(Op::RNorm { groups, eps, root }, range, &[s, e], &[]);
        let op = Op::Norm { groups, shift: 55 - NORMED_BITS, gain_shift: NORMED_BITS + gain_bits - n.f };
        Ok(self.push(op, range, &[x, e, r], &constants))
    }

    fn attention(&mut self, [q, k, v]: [StepId; 3], heads: Heads, scale: f64, f: i32) -> NodeId {
        let bits = self.options.kv_bits;
        let (fq, fk, fv) = (self.fraction(q), self.fraction(k), self.fraction(v));
        let head_dim = self.graph.steps[q.0].width as u32 / heads.query;
        let (mut qn, mut kn) = (self.value(q), self.value(k));
        let mut factor = scale * std::f64::consts::LOG2_E;
        if bits == 8 {
            // Spreads outlier channels over their block. The transform multiplies q.k by the block's width.
            let block = 1_u32 << head_dim.trailing_zeros();
            let shift = block.trailing_zeros().div_ceil(2) as i32;
            qn = self.push(Op::Hadamard { block, shift }, Range::All, &[qn], &[]);
            kn = self.push(Op::Hadamard { block, shift }, Range::All, &[kn], &[]);
            factor *= libm::scalbn(1.0, 2 * shift - block.trailing_zeros() as i32);
        }
        let (qe, qm) = self.grouped(qn, Range::All, 16, heads.query);
        let (ke, km) = self.grouped(kn, Range::All, bits, heads.key);
        let vn = self.value(v);
        let (ve, vm) = self.grouped(vn, Range::All, bits, heads.key);
        let (multiplier, own) = mantissa(factor, 16);
        let score = Op::Score {
            heads: heads.query,
            kv_heads: heads.key,
            span: heads.span,
            multiplier: multiplier as u32,
            shift: fq + fk + own - SCORE_BITS,
        };
        let exp2 = self.shared("exp2", || row(ElementType::I32, &tables::exp2()));
        let scores = self.push(score, Range::All, &[qm, qe, km, ke], &[]);
        let top = self.push(Op::RowMax {}, Range::All, &[scores], &[]);
        let w = self.push(Op::Exp2W {}, Range::All, &[scores, top], &[exp2]);
        let total = self.push(Op::WSum {}, Range::All, &[w], &[]);
        let vtop = self.push(Op::TimeMax { span: heads.span }, Range::All, &[ve], &[]);
        let mix = Op::Mix { heads: heads.query, kv_heads: heads.key, shift: 46 + fv - f };
        self.push(mix, Range::All, &[w, total, vm, ve, vtop], &[])
    }
}

struct Norm {
    groups: usize,
    gain: Vec<f64>,
    bias: Option<ConstantId>,
    eps: f64,
    /// Fractional bits of the result.
    f: i32,
}

struct Heads {
    query: u32,
    key: u32,
    span: Span,
}
