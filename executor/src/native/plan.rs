//! From a program to an order of execution.
//!
//! Nodes fall into four kinds: those that read one position (rows), matrix products (linear), attention, and those
//! that read one input at all positions (whole: means and maps). The plan groups as many nodes of a kind as their inputs allow into one step, so
//! that threads meet once a step. Values that leave a step live in buffers of a row per position, the others in
//! scratch rows of a thread. Any order that respects the inputs gives the same values.

use std::collections::HashMap;

use super::order::{Order, late};
use super::pattern::{Attention, attentions};
use crate::engine::EngineError;
use crate::import::chain::sampling;
use crate::program::op::{Op, Range};
use crate::program::{ElementType, NodeId, Program, Width};
use crate::{model::Model, program::NodeInfo};

/// What a row's elements are held as while they are worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Fixed, exponents, indices.
    I32,
    /// Mantissas.
    I16,
    /// Sums.
    I64,
    /// Mantissas for products, in the layout of the kernels.
    Packed,
}

/// Where a node's row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In a buffer with a row per position (`wide`) or per output.
    Buffer(usize),
    /// In a thread's scratch, at an offset of its kind.
    Scratch(usize),
    /// In the caches of a sequence: keys or values of attention `attention`.
    Cache { attention: usize, what: Cached },
    /// Nowhere: computed where it is used.
    None,
}

/// What a cached node is to its attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cached {
    /// Mantissas of keys or values.
    Keys,
    Values,
    /// Their exponents are read when the mantissas are written.
    Exponents,
}

/// A node's place in the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) kind: Kind,
    pub(super) width: usize,
    pub(super) home: Home,
    /// Also in scratch where `home` is a cache or packed: the offset.
    pub(super) scratch: Option<usize>,
}

/// What is done between two meetings of the threads.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Nodes that read one position, in order, for each row.
    Rows(Vec<NodeId>),
    /// Products of the same or different inputs.
    Linear(Vec<NodeId>),
    /// One attention.
    Attend(usize),
    /// A mean over all positions, or a map of them.
    Whole(NodeId),
}

/// A buffer's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) width: usize,
    /// Rows of a product that a row is packed as.
    pub(super) groups: usize,
    /// A row per position; else per output.
    pub(super) all: bool,
}

/// Order, places and patterns.
pub(super) struct Plan {
    /// Steps over all positions.
    pub(super) body: Vec<Step>,
    /// Steps over the positions that give an output.
    pub(super) head: Vec<Step>,
    pub(super) slots: Vec<Slot>,
    pub(super) attentions: Vec<Attention>,
    pub(super) buffers: Vec<Shape>,
    /// Scratch elements a thread needs of I32, I16 and I64.
    pub(super) scratch: [usize; 3],
    /// The node of the logits, and the nodes of sampling after it (run by `sample`).
    pub(super) logits: Option<NodeId>,
    pub(super) chain: Vec<NodeId>,
}

/// Largest magnitude of a mantissa of 16 bits.
const MANTISSA_MAX: i64 = 32_767;

pub(super) fn refuse(what: &str) -> EngineError {
    EngineError::Backend(format!("{what}; try `--backend reference`"))
}

impl Plan {
    /// A plan that computes every node at all its positions (`whole`), or only what the outputs need.
    pub(super) fn new(model: &Model, whole: bool) -> Result<Self, EngineError> {
        let (program, infos) = (model.program(), model.infos());
        let attentions = attentions(program, infos)?;
        let (logits, chain) = sampling_chain(program)?;
        let mut inside = vec![None; program.nodes.len()];
        for (i, a) in attentions.iter().enumerate() {
            for node in [a.score, a.top, a.weight, a.total, a.vtop, a.mix] {
                inside[node.index()] = Some(i);
            }
        }
        let late = if whole { vec![false; program.nodes.len()] } else { late(program) };
        let order = Order { program, attentions: &attentions, inside: &inside, chain: &chain, late: &late };
        let (body, head) = (order.steps(true), order.steps(false));
        let mut plan = Self {
            slots: vec![
                Slot { kind: Kind::I32, width: 0, home: Home::None, scratch: None };
                program.nodes.len()
            ],
            body,
            head,
            attentions,
            buffers: Vec::new(),
            scratch: [0; 3],
            logits,
            chain,
        };
        plan.place(program, infos, &late)?;
        Ok(plan)
    }

    /// Gives every node its home.
    fn place(&mut self, program: &Program, infos: &[NodeInfo], late: &[bool]) -> Result<(), EngineError> {
        let steps: Vec<Step> = self.body.iter().chain(&self.head).cloned().collect();
        let mut step_of = vec![usize::MAX; program.nodes.len()];
        for (s, step) in steps.iter().enumerate() {
            for node in self.outputs(step) {
                step_of[node.index()] = s;
            }
        }
        // The last step that reads a node from its buffer, and whether that is another than its own.
        let mut last = step_of.clone();
        let mut linear_only = vec![true; program.nodes.len()];
        let mut by_linear = vec![false; program.nodes.len()];
        let groups = groups(program, infos)?;
        for (s, step) in steps.iter().enumerate() {
            let reads: Vec<NodeId> = match step {
                Step::Attend(a) => vec![self.attentions[*a].q, self.attentions[*a].qe],
                other => {
                    self.outputs(other).iter().flat_map(|n| program.nodes[n.index()].inputs.clone()).collect()
                }
            };
            for input in reads {
                last[input.index()] = last[input.index()].max(s);
                match step {
                    Step::Linear(_) => by_linear[input.index()] = true,
                    _ => linear_only[input.index()] = false,
                }
            }
        }
        for out in self.logits.into_iter().chain(output_vector(program)) {
            last[out.index()] = steps.len();
            linear_only[out.index()] = false;
        }
        for a in &self.attentions {
            let together = |m: NodeId, e: NodeId| step_of[m.index()] == step_of[e.index()];
            if !together(a.k, a.ke) || !together(a.v, a.ve) {
                return Err(refuse("mantissas and their exponents are made apart"));
            }
        }
        let mut free: HashMap<Shape, Vec<usize>> = HashMap::new();
        let mut ends: Vec<Vec<(Shape, usize)>> = vec![Vec::new(); steps.len() + 1];
        for (s, step) in steps.iter().enumerate() {
            let mut used = [0; 3];
            for node in self.outputs(step) {
                let i = node.index();
                let Width::Fixed(width) = infos[i].width else { continue };
                let width = width as usize;
                let kind = match infos[i].element {
                    ElementType::I64 => Kind::I64,
                    _ if is_mantissas(program, node) => Kind::I16,
                    _ => Kind::I32,
                };
                let cached = self.attentions.iter().enumerate().find_map(|(a, at)| match node {
                    n if n == at.k => Some((a, Cached::Keys)),
                    n if n == at.v => Some((a, Cached::Values)),
                    n if n == at.ke || n == at.ve => Some((a, Cached::Exponents)),
                    _ => None,
                });
                let packed = by_linear[i] && kind == Kind::I16;
                if cached.is_some() && last[i] != s {
                    return Err(refuse("keys or values are read by something else than their attention"));
                }
                if packed && !linear_only[i] {
                    return Err(refuse("mantissas are read by a product and by something else"));
                }
                let leaves =
                    last[i] != s || matches!(step, Step::Linear(_) | Step::Attend(_) | Step::Whole(_));
                let mut slot = Slot { kind, width, home: Home::None, scratch: None };
                let mut in_scratch = || {
                    let at = match kind {
                        Kind::I32 => 0,
                        Kind::I16 => 1,
                        _ => 2,
                    };
                    used[at] += width.next_multiple_of(16);
                    used[at] - width.next_multiple_of(16)
                };
                if let Some((attention, what)) = cached {
                    slot.home = Home::Cache { attention, what };
                    slot.scratch = Some(in_scratch());
                } else if leaves {
                    let kind = if packed { Kind::Packed } else { kind };
                    if packed {
                        slot.scratch = Some(in_scratch());
                    }
                    let all = program.nodes[i].range == Range::All && !late[i];
                    let shape = Shape { kind, width, groups: groups[i], all };
                    let buffer = free.entry(shape).or_default().pop().unwrap_or_else(|| {
                        self.buffers.push(shape);
                        self.buffers.len() - 1
                    });
                    slot.kind = kind;
                    slot.home = Home::Buffer(buffer);
                    ends[last[i].min(steps.len())].push((shape, buffer));
                } else {
                    slot.home = Home::Scratch(in_scratch());
                }
                self.slots[i] = slot;
            }
            for (total, used) in self.scratch.iter_mut().zip(used) {
                *total = (*total).max(used);
            }
            for (shape, buffer) in std::mem::take(&mut ends[s]) {
                free.entry(shape).or_default().push(buffer);
            }
        }
        Ok(())
    }

    /// The nodes whose values a step makes.
    fn outputs(&self, step: &Step) -> Vec<NodeId> {
        match step {
            Step::Rows(nodes) | Step::Linear(nodes) => nodes.clone(),
            Step::Attend(a) => vec![self.attentions[*a].mix],
            Step::Whole(node) => vec![*node],
        }
    }
}

/// Are a node's values mantissas, in rows or gathered from others.
fn is_mantissas(program: &Program, node: NodeId) -> bool {
    let node = &program.nodes[node.index()];
    match (node.op, node.inputs.first()) {
        (Op::Quantise { .. }, _) => true,
        // An input is a lower node, so this ends.
        (Op::Gather { .. }, Some(input)) => is_mantissas(program, *input),
        _ => false,
    }
}

/// In how many groups each node's row is a factor of products; 1 for a row that is none.
fn groups(program: &Program, infos: &[NodeInfo]) -> Result<Vec<usize>, EngineError> {
    let mut groups = vec![None; program.nodes.len()];
    for node in program.nodes.iter().filter(|n| matches!(n.op, Op::Linear { .. })) {
        let &[m, e] = node.inputs.as_slice() else { continue };
        // The packed form has no room for the lowest value, which mantissas never have.
        if !is_mantissas(program, m) || infos[m.index()].low < -MANTISSA_MAX {
            return Err(refuse("a product of something else than mantissas"));
        }
        let of_product = infos[e.index()].width.at(0, 1);
        if groups[m.index()].replace(of_product).is_some_and(|other| other != of_product) {
            return Err(refuse("mantissas in groups of different sizes"));
        }
    }
    Ok(groups.into_iter().map(|g| g.unwrap_or(1)).collect())
}

fn output_vector(program: &Program) -> Option<NodeId> {
    match program.interface.output {
        crate::program::Output::Vector { node, .. } => Some(node),
        crate::program::Output::Tokens { .. } => None,
    }
}

/// Logits and the nodes that turn them into a token: exactly those that the importer appends, for `sample` does what
/// they say without reading them.
fn sampling_chain(program: &Program) -> Result<(Option<NodeId>, Vec<NodeId>), EngineError> {
    let crate::program::Output::Tokens { greedy, .. } = program.interface.output else {
        return Ok((None, Vec::new()));
    };
    let unknown = || refuse("tokens are sampled in a way that is not known");
    let logits = *program.nodes[greedy.index()].inputs.first().ok_or_else(unknown)?;
    let shift = program.nodes.iter().find_map(|n| match n.op {
        Op::Distance { shift } => Some(shift),
        _ => None,
    });
    let exp2 = program.nodes.iter().find(|n| matches!(n.op, Op::Weigh {})).and_then(|n| n.constants.first());
    let (Some(shift), Some(exp2)) = (shift, exp2) else { return Err(unknown()) };
    let mut nodes = program.nodes[..greedy.index()].to_vec();
    let output = sampling(&mut nodes, logits, shift + 20 - 16, *exp2);
    if nodes != program.nodes || output != program.interface.output {
        return Err(unknown());
    }
    Ok((Some(logits), (greedy.0..nodes.len() as u32).map(NodeId).collect()))
}
