//! What a trace is of: a model, an item, and what was published of it.

use std::sync::OnceLock;

use bisection::{Hash, tree};

use super::model::{constant_leaves, node_leaves};
use super::{Item, ModelHeader, Tensor, pack_tokens, proof};
use crate::kernels::Sampling;
use crate::model::Model;
use crate::program::{ConstantId, NodeId, Output};

/// An output as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Tokens.
    Tokens(Vec<u32>),
    /// A vector.
    Vector(Vec<i32>),
}

/// An inference that somebody published.
pub struct Subject {
    pub(super) model: Model,
    pub(super) item: Item,
    pub(super) prompt: Vec<u32>,
    pub(super) output: Published,
    pub(super) tensors: Vec<Tensor>,
    /// Levels of the tree over the node records.
    records: Vec<Vec<Hash>>,
    /// Made when the first constant is opened.
    constants: OnceLock<Constants>,
}

/// The tree over the constants.
struct Constants {
    header: ModelHeader,
    levels: Vec<Vec<Hash>>,
}

impl Subject {
    /// An item of a model: its header follows from what was published.
    pub fn new(model: &Model, sampling: Sampling, prompt: Vec<u32>, output: Published) -> Self {
        let face = &model.program().interface;
        let item = match &output {
            Published::Tokens(output) => Item::tokens(model.id(), face, &prompt, output, sampling),
            Published::Vector(output) => Item::vector(model.id(), face, &prompt, output),
        };
        let tensors = model.infos().iter().map(|info| Tensor::new(info.shape(), &item)).collect();
        let records = proof::levels(node_leaves(model.program(), model.infos()));
        Self { model: model.clone(), item, prompt, output, tensors, records, constants: OnceLock::new() }
    }

    /// The item's header.
    pub fn item(&self) -> &Item {
        &self.item
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The tensors of all nodes.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tokens that are run. A published token outside of the vocabulary is contradicted by the output itself;
    /// what stands in its place does not matter.
    pub fn tokens(&self) -> Vec<u32> {
        let output: &[u32] = match &self.output {
            Published::Tokens(output) => output,
            Published::Vector(_) => &[],
        };
        let vocabulary = self.model.program().interface.vocabulary;
        let run = self.prompt.iter().chain(output).take(self.item.positions() as usize);
        run.map(|token| if *token < vocabulary { *token } else { 0 }).collect()
    }

    /// The node that gives the output.
    pub fn output_node(&self) -> NodeId {
        crate::engine::output_node(self.model.program().interface.output, &self.item.sampling)
    }

    /// Position and element of output `index`.
    pub fn output_place(&self, index: u32) -> (u64, u64) {
        let (prompt, index) = (u64::from(self.item.prompt_length), u64::from(index));
        match self.model.program().interface.output {
            Output::Tokens { .. } => (prompt.saturating_sub(1).saturating_add(index), 0),
            Output::Vector { .. } => (u64::from(self.item.positions()).saturating_sub(1), index),
        }
    }

    /// The published outputs as values.
    pub fn published(&self) -> Vec<i64> {
        match &self.output {
            Published::Tokens(tokens) => tokens.iter().map(|x| i64::from(*x)).collect(),
            Published::Vector(values) => values.iter().map(|x| i64::from(*x)).collect(),
        }
    }

    /// Published bytes: of the prompt, or of the output.
    pub fn published_bytes(&self, of_prompt: bool) -> Vec<u8> {
        let bits = self.item.token_bits;
        match (&self.output, of_prompt) {
            (_, true) => pack_tokens(&self.prompt, bits),
            (Published::Tokens(tokens), false) => pack_tokens(tokens, bits),
            (Published::Vector(values), false) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// A node's record and its path.
    pub fn record(&self, node: u32) -> (Vec<u8>, Vec<Hash>) {
        let path = proof::path(&self.records, node.into()).unwrap_or_default();
        let i = node as usize;
        let record = self.model.program().nodes.get(i).map(|n| n.record(i, self.model.infos()));
        (record.unwrap_or_default(), path)
    }

    /// What the model's id is the hash of. The first call hashes all constants.
    pub fn header(&self) -> ModelHeader {
        self.constants().header
    }

    /// Path of a constant's leaf.
    pub(super) fn constant_path(&self, id: ConstantId) -> Vec<Hash> {
        proof::path(&self.constants().levels, id.0.into()).unwrap_or_default()
    }

    fn constants(&self) -> &Constants {
        self.constants.get_or_init(|| {
            let program = self.model.program();
            let root = |i: u32| {
                let constant = self.model.constant(ConstantId(i));
                constant.map_or_else(tree::pad, |c| tree::tensor_root(&c.row_major()))
            };
            let count = program.constants.len() as u32;
            // Every other constant is another thread's: the matrices alternate with small tables.
            let half = |parity: u32| -> Vec<(u32, Hash)> {
                (0..count).filter(|i| (i >> 2) & 1 == parity).map(|i| (i, root(i))).collect()
            };
            let mut roots: Vec<(u32, Hash)> = std::thread::scope(|scope| {
                let other = scope.spawn(|| half(1));
                let mut all = half(0);
                all.extend(other.join().unwrap_or_else(|_| half(1)));
                all
            });
            roots.sort_by_key(|(i, _)| *i);
            let roots: Vec<Hash> = roots.into_iter().map(|(_, root)| root).collect();
            Constants {
                header: ModelHeader::new(program, self.model.infos(), &roots),
                levels: proof::levels(constant_leaves(program, &roots)),
            }
        })
    }
}
