//! From the nodes of an exported program to the steps of a graph.
//!
//! Nodes are taken in order, and only those that the output needs. Each reads values under the names that earlier
//! nodes gave; a name that no earlier node gave, or gave twice, is refused, so a cycle cannot be written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::import::error::ImportError;
use crate::import::graph::{FRACTION_MAX, Fill, FormatId, Operation, Step, StepId};
use crate::program::op::Index;

use super::call::{Call, Refusal};
use super::schema::{Argument, GraphModule, InputSpec, Node, Program, SymInt};
use super::view::{Base, Size, View};
use super::weights::{Dtype, Weights};
use super::{images, layers, pointwise, views};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A tensor.
    View(View),
    /// A size of one.
    Size(Size),
}

/// What a program is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Token ids along a sequence.
    Tokens,
    /// So many numbers, each a token of its own.
    Numbers(usize),
}

/// Numbers that an input can hold: 0 to 255, as the bytes of an image.
pub(super) const NUMBERS: usize = 256;

/// What makes two gathers one: their input, is it visible, are they at the last position only, fill and map.
type Gathered = (StepId, bool, bool, Fill, Arc<[i32]>);

/// A program while it is read.
pub(super) struct Translator<'a> {
    module: &'a GraphModule,
    pub(super) weights: Weights,
    values: HashMap<&'a str, Value>,
    /// Names that share a storage have one number; what an operation in place has changed is not read again.
    storages: HashMap<&'a str, usize>,
    changed: HashSet<usize>,
    pub(super) steps: Vec<Step>,
    /// Steps whose values are in one format.
    pub(super) alike: Vec<(StepId, StepId)>,
    /// Most fractional bits of each step.
    pub(super) limits: Vec<i32>,
    /// Gathers by what they gather.
    pub(super) gathered: HashMap<Gathered, StepId>,
    /// The tables of the numbers, by scale and offset.
    pub(super) tables: HashMap<(u64, u64), StepId>,
    pub(super) input: Option<Input>,
    /// Entries of the vocabulary, and positions that the tables know.
    pub(super) vocabulary: Option<usize>,
    pub(super) context: Option<usize>,
}

impl<'a> Translator<'a> {
    /// Binds the inputs.
    pub(super) fn new(program: &'a Program, weights: Weights) -> Result<Self, ImportError> {
        let mut t = Self {
            module: &program.graph_module,
            weights,
            values: HashMap::new(),
            storages: HashMap::new(),
            changed: HashSet::new(),
            steps: Vec::new(),
            alike: Vec::new(),
            limits: Vec::new(),
            gathered: HashMap::new(),
            tables: HashMap::new(),
            input: None,
            vocabulary: None,
            context: None,
        };
        for spec in &t.module.signature.input_specs.0 {
            let refused = |name: &str, reason: Refusal| {
                ImportError::Unsupported(format!("the program's input {name}: {reason}"))
            };
            match spec {
                InputSpec::Stored { input, tensor } => {
                    let stored = t.weights.stored(tensor).cloned();
                    let stored = stored
                        .ok_or_else(|| ImportError::Missing(format!("tensor {tensor} in the archive")))?;
                    let sizes = stored.sizes.iter().map(|n| Size::Fixed(*n)).collect();
                    let view = View::whole(Base::Stored(tensor.clone(), stored), sizes);
                    t.bind(input, Value::View(view), None).map_err(|reason| refused(input, reason))?;
                }
                InputSpec::User(Argument::Tensor(name)) => {
                    let view = t.user_input(name, program).map_err(|reason| refused(name, reason))?;
                    t.bind(name, Value::View(view), None).map_err(|reason| refused(name, reason))?;
                }
                InputSpec::User(Argument::None) => {}
                InputSpec::User(_) => {
                    return Err(ImportError::Unsupported(
                        "an input that is no tensor; bind it in the exported module".into(),
                    ));
                }
                InputSpec::Other(kind) => {
                    return Err(ImportError::Unsupported(format!("an input of the kind {kind}")));
                }
            }
        }
        Ok(t)
    }

    /// A tensor that the caller gives: token ids along one dynamic dimension, or numbers in a fixed shape.
    fn user_input(&mut self, name: &str, program: &Program) -> Result<View, Refusal> {
        let meta = self.module.graph.tensor_values.0.get(name).ok_or("its shape is not told")?;
        let dtype = Dtype::of(meta.dtype.into()).ok_or_else(|| format!("dtype code {}", meta.dtype))?;
        let (ids, dimensions) = (!dtype.is_real() && dtype != Dtype::U8, meta.sizes.0.len());
        let mut sizes = Vec::new();
        for (axis, size) in meta.sizes.0.iter().enumerate() {
            sizes.push(match size {
                SymInt::Int(n) if *n >= 1 => Size::Fixed(usize::try_from(*n).map_err(|_| "too large")?),
                SymInt::Int(n) => return Err(format!("dimension {axis} is {n}")),
                // The batch: one sequence or image at a time.
                _ if axis == 0 && dimensions > 1 => Size::Fixed(1),
                SymInt::Name(text) | SymInt::Expression(text) if ids => {
                    let most = bound(text, program).unwrap_or(2048);
                    self.context = Some(self.context.map_or(most, |c| c.min(most)));
                    Size::Length
                }
                _ => return Err(format!("dimension {axis} is dynamic; export an image with fixed sizes")),
            });
        }
        if dimensions > 1 && sizes.first() != Some(&Size::Fixed(1)) {
            return Err("the first dimension must be the batch, of 1 or dynamic".into());
        }
        if !ids {
            let view = View::whole(Base::Numbers { scale: 1.0, offset: 0.0 }, sizes);
            super::view::elements(&view.sizes)?;
            return self.claim(Input::Numbers(view.len())).map(|()| view);
        }
        if sizes.iter().filter(|size| **size == Size::Length).count() != 1
            || sizes.iter().any(|s| s.own() != 1)
        {
            return Err("token ids need one dynamic dimension, their length: export with \
                        dynamic_shapes={...: {1: torch.export.Dim(\"length\", min=2, max=512)}}"
                .into());
        }
        // A sequence is never padded: these inputs have one value.
        match name {
            n if n.ends_with("attention_mask") => View::uniform(1.0, sizes),
            n if n.ends_with("token_type_ids") => View::uniform(0.0, sizes),
            n if n.ends_with("position_ids") => Ok(View::whole(Base::Positions, sizes)),
            _ => self.claim(Input::Tokens).map(|()| View::whole(Base::Tokens, sizes)),
        }
    }

    fn claim(&mut self, input: Input) -> Result<(), Refusal> {
        match self.input.replace(input) {
            None => Ok(()),
            Some(_) => Err("the program already has an input; one text or one image is read".into()),
        }
    }

    /// The value of a name.
    pub(super) fn value(&self, name: &str) -> Result<&Value, Refusal> {
        if self.storages.get(name).is_some_and(|storage| self.changed.contains(storage)) {
            return Err(format!(
                "it reads {name} after an operation in place has changed it; run exported.run_decompositions() before saving"
            ));
        }
        self.values.get(name).ok_or_else(|| format!("it reads {name}, which no earlier node gives"))
    }

    /// The dtype that the program tells of a name.
    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.module.graph.tensor_values.0.get(name).and_then(|meta| Dtype::of(meta.dtype.into()))
    }

    fn bind(&mut self, name: &'a str, value: Value, storage: Option<usize>) -> Result<(), Refusal> {
        let storage = storage.unwrap_or(self.storages.len());
        match (self.values.insert(name, value), self.storages.insert(name, storage)) {
            (None, _) => Ok(()),
            _ => Err(format!("the name {name} is given twice")),
        }
    }

    /// Translates what the output needs and gives the output.
    pub(super) fn run(&mut self) -> Result<View, ImportError> {
        let outputs: Vec<&Argument> =
            self.module.signature.output_specs.0.iter().filter_map(|spec| spec.user.as_ref()).collect();
        let tensors: Vec<&str> = outputs.into_iter().filter_map(tensor_name).collect();
        let [output] = tensors.as_slice() else {
            return Err(ImportError::Unsupported(format!(
                "a program with {} outputs; return one tensor from the exported module",
                tensors.len()
            )));
        };
        let nodes = &self.module.graph.nodes.0;
        let needed = needed(nodes, output);
        for (node, _) in nodes.iter().zip(needed).filter(|(_, needed)| *needed) {
            self.node(node)?;
        }
        let missing = |reason: Refusal| ImportError::Unsupported(format!("the program's output: {reason}"));
        match self.value(output).map_err(missing)? {
            Value::View(view) => Ok(view.clone()),
            Value::Size(_) => Err(ImportError::Unsupported("a program whose output is a size".into())),
        }
    }

    /// A step with the output's elements in order.
    pub(super) fn output_rows(&mut self, output: &View) -> Result<StepId, Refusal> {
        let node = Node::default();
        let call = Call { node: &node, op: "output", name: "output" };
        images::into_rows(self, &call, output).map(|(step, _)| step)
    }

    fn node(&mut self, node: &'a Node) -> Result<(), ImportError> {
        let target = node.target.0.as_str();
        let names: Vec<&str> = node.outputs.0.iter().flat_map(names).collect();
        let name = names.first().copied().unwrap_or("");
        let refused = |reason: Refusal| {
            let line = &node.metadata.stack_trace.0;
            let line = if line.is_empty() { "no source line".into() } else { format!("source: {line}") };
            ImportError::Unsupported(format!("{target} at node {name}: {reason} ({line})"))
        };
        let in_place = in_place(node);
        let call = Call { node, op: op(node).trim_end_matches('_'), name };
        let values = self.dispatch(&call).map_err(refused)?;
        if values.len() != names.len() {
            let reason = format!("it gives {} values under {} names", values.len(), names.len());
            return Err(refused(reason));
        }
        let source = node.inputs.0.first().and_then(|input| tensor_name(&input.arg));
        let storage = source.and_then(|source| self.storages.get(source).copied());
        if in_place {
            self.changed.extend(storage);
        }
        let shared = storage.filter(|_| !in_place && views::is_view(call.op));
        for (name, value) in names.into_iter().zip(values) {
            self.bind(name, value, shared).map_err(refused)?;
        }
        Ok(())
    }

    fn dispatch(&mut self, call: &Call<'_>) -> Result<Vec<Value>, Refusal> {
        if let Some(values) = views::translate(self, call)? {
            return Ok(values);
        }
        let view = match layers::translate(self, call)? {
            Some(view) => Some(view),
            None => match images::translate(self, call)? {
                Some(view) => Some(view),
                None => pointwise::translate(self, call)?,
            },
        };
        view.map(|view| vec![Value::View(view)])
            .ok_or_else(|| "this operation has no integer form here".into())
    }

    /// Appends a step. `last`: it has one row, at the last position.
    pub(super) fn push(&mut self, name: &str, width: usize, last: bool, operation: Operation) -> StepId {
        self.steps.push(Step {
            name: name.into(),
            operation,
            width,
            format: FormatId(self.steps.len()),
            outputs_only: last,
        });
        self.limits.push(FRACTION_MAX);
        StepId(self.steps.len() - 1)
    }

    /// As [`Self::push`], in the format of another step.
    pub(super) fn push_like(
        &mut self,
        name: &str,
        like: StepId,
        width: usize,
        last: bool,
        operation: Operation,
    ) -> StepId {
        let step = self.push(name, width, last, operation);
        self.alike.push((like, step));
        step
    }

    /// The table that gives each number of the input its value.
    pub(super) fn number_table(&mut self, scale: f64, offset: f64) -> StepId {
        let key = (scale.to_bits(), offset.to_bits());
        if let Some(step) = self.tables.get(&key) {
            return *step;
        }
        let name = format!("numbers.{}", self.tables.len());
        let values = (0..NUMBERS).map(|n| (n as f64 * scale + offset) as f32).collect();
        self.weights.make(&name, values, &[NUMBERS, 1]);
        let table = Operation::Embed { table: name.clone(), index: Index::Token, plus: None };
        let step = self.push(&name, 1, false, table);
        self.tables.insert(key, step);
        step
    }
}

/// The most that a symbol may be, where the program says so.
fn bound(expression: &str, program: &Program) -> Option<usize> {
    let symbol = expression.split(['\'', '"']).nth(1).unwrap_or(expression);
    let most = program.range_constraints.0.get(symbol)?.max_val?;
    usize::try_from(most).ok().filter(|n| *n <= 1 << 17)
}

/// `conv2d` of `torch.ops.aten.conv2d.default`; an operation that is not PyTorch's own keeps its whole name.
fn op(node: &Node) -> &str {
    let target = node.target.0.as_str();
    target.strip_prefix("torch.ops.aten.").map_or(target, |rest| rest.split('.').next().unwrap_or(rest))
}

/// Does it change its first input: PyTorch ends such names with an underscore.
fn in_place(node: &Node) -> bool {
    op(node).ends_with('_') && !matches!(op(node), "detach_" | "requires_grad_")
}

fn tensor_name(argument: &Argument) -> Option<&str> {
    match argument {
        Argument::Tensor(name) => Some(name),
        _ => None,
    }
}

/// The names that an output gives, or that an argument reads.
fn names(argument: &Argument) -> Vec<&str> {
    match argument {
        Argument::Tensor(name) | Argument::SymInt(SymInt::Name(name)) => vec![name],
        Argument::Tensors(names) => names.iter().map(String::as_str).collect(),
        Argument::SymInts(sizes) => {
            let mut names = Vec::new();
            for size in sizes {
                if let SymInt::Name(name) = size {
                    names.push(name.as_str());
                }
            }
            names
        }
        _ => vec![],
    }
}

/// Which nodes the output needs. An operation in place is needed where what it changes is.
fn needed(nodes: &[Node], output: &str) -> Vec<bool> {
    let mut wanted: HashSet<&str> = HashSet::from([output]);
    let mut needed = vec![false; nodes.len()];
    for (node, needed) in nodes.iter().zip(&mut needed).rev() {
        let gives = node.outputs.0.iter().flat_map(names).any(|name| wanted.contains(name));
        let changes = in_place(node)
            && node.inputs.0.first().and_then(|x| tensor_name(&x.arg)).is_some_and(|x| wanted.contains(x));
        if gives || changes {
            *needed = true;
            wanted.extend(node.inputs.0.iter().flat_map(|input| names(&input.arg)));
        }
    }
    needed
}
