//! How long and how expensive a dispute can get, from the program alone.

use bisection::tree::{self, CHUNK};

use super::step::{Fault, Reader, Step, Stepped, segment_terms};
use super::{Item, Tensor};
use crate::kernels::Sampling;
use crate::model::Model;
use crate::program::op::Op;
use crate::program::{ConstantInfo, Layout, Node, NodeId, Output, SHAPE_BYTES};

/// What an ABI-encoded step has besides record, path and witness: hashes, place, header, item, offsets.
const STEP_WORDS: u64 = 36;
/// A move's arguments besides the hashes that it carries.
const MOVE_WORDS: u64 = 8;
const WORD: u64 = 32;
const CHUNK_BYTES: u64 = CHUNK as u64;

/// The most that a dispute about an element of a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCost {
    /// The node.
    pub node: u32,
    /// Its operation.
    pub op: &'static str,
    /// Chunks of its tensor.
    pub chunks: u64,
    /// Length of the reduction.
    pub terms: u64,
    /// Moves of a challenger that are answered, from the root to the step.
    pub rounds: u32,
    /// Bytes of the largest witness: of a step, or of a list's finish.
    pub witness_bytes: u64,
    /// Bytes of calldata of all moves and answers.
    pub calldata_bytes: u64,
}

impl NodeCost {
    /// Gas of the calldata where it costs its floor: 40 a byte that is not zero.
    pub fn floor_gas(&self) -> u64 {
        self.calldata_bytes.saturating_mul(40)
    }

    /// Gas of the calldata where execution costs more than the floor: 16 a byte that is not zero.
    pub fn standard_gas(&self) -> u64 {
        self.calldata_bytes.saturating_mul(16)
    }
}

/// Counts the bytes of openings; what it reads is 1.
struct Sizer<'a> {
    node: &'a Node,
    tensor: &'a Tensor,
    inputs: &'a [Tensor],
    constants: &'a [ConstantInfo],
    item: &'a Item,
    nodes: u64,
    constants_of_program: u64,
    bytes: u64,
}

/// Most bytes of a range proof of `k` of `count` leaves.
fn proof_bytes(k: u64, count: u64) -> u64 {
    let depth = u64::from(tree::depth(count));
    let sides = if k > 1 { 2 } else { 1 };
    depth.saturating_mul(sides).saturating_mul(WORD)
}

/// Most chunks that `bytes` bytes touch, and their bytes.
fn touched(bytes: u64, size: u64, all: u64) -> u64 {
    bytes.saturating_add(CHUNK as u64).saturating_sub(size).div_ceil(CHUNK as u64).min(all)
}

impl Sizer<'_> {
    fn opening(&mut self, chunks: u64, of: u64, path: u64) {
        let bytes = chunks.saturating_mul(CHUNK as u64).saturating_add(proof_bytes(chunks, of));
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(path);
    }

    fn elements(&mut self, tensor: &Tensor, count: u64, along: bool) -> Stepped<Vec<i64>> {
        let path = proof_bytes(1, self.nodes);
        let lies_along = tensor.shape.layout == Layout::Columns;
        if along == lies_along && !along {
            let bytes = count.saturating_mul(tensor.size());
            self.opening(touched(bytes, tensor.size(), tensor.chunks()), tensor.chunks(), path);
        } else {
            let per = if along && lies_along { tensor.per().max(1) } else { 1 };
            let blocks = count.saturating_add(per).saturating_sub(2).checked_div(per).unwrap_or(0);
            for _ in 0..blocks.saturating_add(1).min(count) {
                self.opening(1, tensor.chunks(), path);
            }
        }
        Ok(vec![1; usize::try_from(count).map_err(|_| Fault::Missing)?])
    }
}

impl Reader for Sizer<'_> {
    fn row(&mut self, input: usize, _: u64, _: u64, count: u64) -> Stepped<Vec<i64>> {
        let tensor = *self.inputs.get(input).ok_or(Fault::Missing)?;
        self.elements(&tensor, count, false)
    }

    fn column(&mut self, input: usize, _: u64, _: u64, count: u64) -> Stepped<Vec<i64>> {
        let tensor = *self.inputs.get(input).ok_or(Fault::Missing)?;
        self.elements(&tensor, count, true)
    }

    fn constant(&mut self, k: usize, _: u64, count: u64) -> Stepped<Vec<i64>> {
        let info = self.constants.get(k).ok_or(Fault::Missing)?;
        debug_assert!(k < self.node.constants.len());
        let size = info.element.size() as u64;
        let all = info.len().saturating_mul(size).div_ceil(CHUNK as u64);
        let chunks = touched(count.saturating_mul(size), size, all);
        let path = proof_bytes(1, self.constants_of_program).saturating_add(25);
        self.opening(chunks, all, path);
        // An entry of a map that leads somewhere in any row, however short: what it leads to is read.
        Ok(vec![0; usize::try_from(count).map_err(|_| Fault::Missing)?])
    }

    fn token(&mut self, _: u64) -> Stepped<i64> {
        let tokens = self.item.prompt_length.max(self.item.output_length);
        let all = u64::from(tokens).saturating_mul(self.item.token_bits.into()).div_ceil(8);
        let chunks = all.div_ceil(CHUNK as u64);
        self.opening(chunks.min(2), chunks, 0);
        Ok(1)
    }

    fn own(&mut self, _: u64, _: u64) -> Stepped<i64> {
        let tensor = *self.tensor;
        Ok(self.elements(&tensor, 1, false)?.len() as i64)
    }
}

/// Openings of a tree, and the bytes of all of them with the moves that ask for them.
fn openings(height: u32) -> (u32, u64) {
    let levels = tree::opening_levels(height);
    let (mut left, mut rounds, mut bytes) = (height, 0u32, 0u64);
    while left > 0 {
        let now = levels.min(left);
        let children = 1u64.checked_shl(now).unwrap_or(u64::MAX);
        let words = children.saturating_add(now.into()).saturating_add(2 * MOVE_WORDS);
        bytes = bytes.saturating_add(words.saturating_mul(WORD));
        rounds = rounds.saturating_add(1);
        left = left.saturating_sub(now);
    }
    (rounds, bytes)
}

/// The worst dispute about each node of a model, for an item of so many positions.
pub fn worst_case(model: &Model, positions: u32) -> Vec<NodeCost> {
    let (program, infos) = (model.program(), model.infos());
    let sampling =
        Sampling { temperature: 65_536, top_k: 1, top_p: 65_536, min_p: 1, seed: Default::default() };
    let face = &program.interface;
    let mut item = Item::tokens(model.id(), face, &[], &[], sampling);
    match face.output {
        Output::Tokens { .. } => (item.prompt_length, item.output_length) = (1, positions),
        Output::Vector { .. } => (item.prompt_length, item.output_length, item.vector) = (positions, 1, true),
    }
    let tensors: Vec<Tensor> = infos.iter().map(|info| Tensor::new(info.shape(), &item)).collect();
    let costs = (0u32..).zip(&program.nodes).zip(&tensors).filter(|(_, tensor)| tensor.chunks() > 0);
    costs
        .map(|((index, node), tensor)| {
            let inputs: Vec<Tensor> =
                node.inputs.iter().filter_map(|x: &NodeId| tensors.get(x.index())).copied().collect();
            let constants: Vec<ConstantInfo> =
                node.constants.iter().filter_map(|c| program.constants.get(c.index())).copied().collect();
            let t = tensor.first.saturating_add(tensor.count).saturating_sub(1);
            let step = Step {
                node,
                tensor: *tensor,
                inputs: &inputs,
                constants: &constants,
                item: &item,
                t,
                // The first element of a sum has nothing before it.
                e: u64::from(matches!(node.op, Op::CumSum {}) && tensor.row(t) > 1),
                claimed: 1,
            };
            let measure = |read: &dyn Fn(&mut Sizer<'_>)| {
                let mut sizer = Sizer {
                    node,
                    tensor,
                    inputs: &inputs,
                    constants: &constants,
                    item: &item,
                    nodes: program.nodes.len() as u64,
                    constants_of_program: program.constants.len() as u64,
                    bytes: 0,
                };
                read(&mut sizer);
                sizer.bytes
            };
            // Made-up values may leave a domain: by then everything has been read.
            let terms = step.terms().unwrap_or(1);
            let most = node.op.step_terms();
            let partial = measure(&|from| {
                let _ = step.partial(from, 0, terms.min(most));
            });
            let finish = measure(&|from| {
                let _ = step.finish(from, 0);
            });
            cost(index, node, tensor, (terms, most), (partial, finish), program.nodes.len() as u64)
        })
        .collect()
}

fn cost(
    index: u32,
    node: &Node,
    tensor: &Tensor,
    (terms, most): (u64, u64),
    (partial, finish): (u64, u64),
    nodes: u64,
) -> NodeCost {
    let mut encoding = Vec::new();
    node.encode(&mut encoding);
    let shapes = node.inputs.len().saturating_add(1).saturating_mul(SHAPE_BYTES);
    let record = encoding.len().saturating_add(shapes) as u64;
    let fixed = STEP_WORDS.saturating_mul(WORD).saturating_add(record).saturating_add(proof_bytes(1, nodes));
    let (upper, upper_bytes) = openings(tree::depth(nodes));
    let (lower, lower_bytes) = openings(tree::depth(tensor.chunks()));
    // The root carries the first opening of the tree of nodes; naming a node carries its record.
    let mut rounds = upper.max(1).saturating_add(lower).saturating_add(2);
    let chunk = CHUNK_BYTES.saturating_add(MOVE_WORDS * WORD).saturating_mul(2);
    let mut bytes = upper_bytes.saturating_add(lower_bytes).saturating_add(chunk).saturating_add(fixed);
    let (mut left, mut witness) = (terms, partial.saturating_add(finish));
    let whole = left <= most;
    while left > most {
        let segment = segment_terms(left, most);
        let entries = left.div_ceil(segment);
        // Posted by one side, shown again by the other.
        let list = entries.saturating_mul(2 * WORD).saturating_add(fixed);
        bytes = bytes.saturating_add(list);
        rounds = rounds.saturating_add(1);
        left = segment;
    }
    if !whole {
        bytes = bytes.saturating_add(finish);
        witness = partial.max(finish);
    }
    bytes = bytes.saturating_add(if whole { witness } else { partial }).saturating_add(fixed);
    NodeCost {
        node: index,
        op: node.op.stem(),
        chunks: tensor.chunks(),
        terms,
        rounds,
        witness_bytes: witness,
        calldata_bytes: bytes,
    }
}
