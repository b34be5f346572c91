//! Moves of the solver as calls of the contract.

use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolCall;
use bindings::dispute_game::DisputeGame as Contract;
use bindings::dispute_game::DisputeGame::{Item, ModelHeader, NodeProof, Place, StepData};
use bisection::game::{Action, Child};
use bisection::trace::{Place as At, Subtree, Tree};
use bisection::tree;
use executor::trace as machine;

use crate::view::{word, words};

/// Which game a move is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The assertion.
    pub assertion: B256,
    /// The item.
    pub item: u32,
    /// The game.
    pub game: B256,
    /// The game that repays an answer's gas: this one for a defender key; none for the proposer, who gets what is left
    /// of a lost bond anyhow, and for everybody else, who is not repaid. Naming none is cheaper.
    pub credit: B256,
}

/// An item's header.
pub fn item(x: &machine::Item) -> Item {
    Item {
        modelId: word(x.model_id),
        kind: u8::from(x.vector),
        tokenBits: x.token_bits,
        promptLength: x.prompt_length,
        outputLength: x.output_length,
        temperature: x.sampling.temperature,
        topK: x.sampling.top_k,
        topP: x.sampling.top_p,
        minP: x.sampling.min_p,
        seed: B256::from(x.sampling.seed),
        promptRoot: word(x.prompt_root),
        outputRoot: word(x.output_root),
    }
}

/// What a model id is the hash of.
pub fn model(x: &machine::ModelHeader) -> ModelHeader {
    ModelHeader {
        nodes: x.nodes,
        constants: x.constants,
        nodesRoot: word(x.nodes_root),
        constantsRoot: word(x.constants_root),
        interfaceHash: word(x.interface_hash),
    }
}

/// A place of a trace.
pub fn place(x: At) -> Place {
    Place { node: x.node, chunk: x.chunk, slot: x.slot, from: x.from, to: x.to }
}

/// The data of a step.
pub fn step(x: machine::StepData) -> StepData {
    StepData {
        item: item(&x.item),
        node: NodeProof { model: model(&x.model), record: x.record.into(), path: words(&x.path) },
        position: x.position,
        element: x.element,
        witness: x.witness.into(),
    }
}

fn entries(list: &[i64]) -> Bytes {
    list.iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<u8>>().into()
}

/// The name of a move, as the contract has it.
pub fn name(action: &Action) -> &'static str {
    match action {
        Action::PostRoot { .. } => "postRoot",
        Action::Open { .. } => "open",
        Action::OpenChunk { .. } => "openChunk",
        Action::Prove { .. } => "prove",
        Action::PostList { .. } => "postList",
        Action::ProveOutput { .. } => "proveOutput",
        Action::Pick(_) => "pick",
        Action::PickNode(_) => "pickNode",
        Action::PickElement { .. } => "pickElement",
        Action::PickSegment { .. } => "pickSegment",
        Action::PickOutput { .. } => "pickOutput",
        Action::Close => "timeout",
        Action::Claim => "claim",
    }
}

/// What a move needs besides itself: the machine gives it.
pub trait Machine {
    /// Why it could not.
    type Error;
    /// The item.
    fn item(&self) -> machine::Item;
    /// The item's model.
    fn model(&mut self) -> machine::ModelHeader;
    /// A node's record and its path.
    fn record(&mut self, node: u32) -> (Vec<u8>, Vec<bisection::Hash>);
    /// The data of a step.
    fn step(&mut self, at: At) -> Result<machine::StepData, Self::Error>;
    /// The data of a list's finish.
    fn finish(&mut self, at: At) -> Result<machine::StepData, Self::Error>;
    /// The data of an output.
    fn output(&mut self, index: u32) -> Result<machine::StepData, Self::Error>;
}

impl<S: machine::Source> Machine for machine::Trace<S> {
    type Error = machine::TraceError;

    fn item(&self) -> machine::Item {
        *self.subject().item()
    }

    fn model(&mut self) -> machine::ModelHeader {
        self.subject().header()
    }

    fn record(&mut self, node: u32) -> (Vec<u8>, Vec<bisection::Hash>) {
        self.subject().record(node)
    }

    fn step(&mut self, at: At) -> Result<machine::StepData, Self::Error> {
        Ok(machine::Trace::step(self, at)?.1)
    }

    fn finish(&mut self, at: At) -> Result<machine::StepData, Self::Error> {
        machine::Trace::finish(self, at)
    }

    fn output(&mut self, index: u32) -> Result<machine::StepData, Self::Error> {
        machine::Trace::output(self, index)
    }
}

/// Calldata of a move. `nodes` is the number of the program's nodes; `at` where the asked hash lies, for openings.
pub fn encode<M: Machine>(
    table: Table,
    action: Action,
    asked: Option<(Subtree, u64)>,
    machine: &mut M,
) -> Result<Bytes, M::Error> {
    let Table { assertion, item: index, game, credit } = table;
    let data = match action {
        Action::PostRoot { root, children } => {
            // A tree of one leaf is its own opening.
            let children = if children.is_empty() { vec![root] } else { children };
            let (header, model) = (item(&machine.item()), model(&machine.model()));
            let (root, children) = (word(root), words(&children));
            Contract::postRootCall { assertion, item: index, root, header, model, children, game: credit }
                .abi_encode()
        }
        Action::Open { hash, children } => {
            let levels =
                asked.map_or(0, |(at, leaves)| tree::opening_levels(tree::depth(leaves)).min(at.height));
            let (hash, children) = (word(hash), words(&children));
            Contract::openCall { assertion, hash, levels: levels as u8, children, game: credit }.abi_encode()
        }
        Action::OpenChunk { hash, bytes } => {
            let chunk = asked.map_or(0, |(at, _)| at.index);
            let index = alloy::primitives::aliases::U48::from(chunk);
            Contract::openChunkCall { assertion, hash: word(hash), index, data: bytes.into(), game: credit }
                .abi_encode()
        }
        Action::Prove { place: at } => {
            let data = step(machine.step(at)?);
            Contract::proveCall { id: game, place: place(at), data }.abi_encode()
        }
        Action::PostList { place: at, entries: list } => {
            let data = step(machine.finish(at)?);
            Contract::postListCall { id: game, place: place(at), entries: entries(&list), data }.abi_encode()
        }
        Action::ProveOutput { index: output } => {
            let data = step(machine.output(output)?);
            Contract::proveOutputCall { assertion, item: index, index: output, data, game }.abi_encode()
        }
        Action::Pick(c) => Contract::pickCall {
            id: game,
            hash: word(c.hash),
            child: U256::from(c.child),
            childHash: word(c.child_hash),
            siblings: words(&c.siblings),
        }
        .abi_encode(),
        Action::PickNode(c) => pick_node(game, c, asked, machine),
        Action::PickElement { hash, slot, bytes } => {
            Contract::pickElementCall { id: game, hash: word(hash), slot, data: bytes.into() }.abi_encode()
        }
        Action::PickSegment { digest, entries: list, segment } => {
            Contract::pickSegmentCall { id: game, digest: word(digest), entries: entries(&list), segment }
                .abi_encode()
        }
        Action::PickOutput { root, index } => {
            Contract::pickOutputCall { id: game, root: word(root), index }.abi_encode()
        }
        Action::Close => Contract::timeoutCall { id: game }.abi_encode(),
        Action::Claim => Contract::claimCall { id: game }.abi_encode(),
    };
    Ok(data.into())
}

fn pick_node<M: Machine>(game: B256, c: Child, asked: Option<(Subtree, u64)>, machine: &mut M) -> Vec<u8> {
    let first = asked.map_or(0, |(at, leaves)| {
        let levels = tree::opening_levels(tree::depth(leaves)).min(at.height);
        at.below(levels, leaves).0
    });
    let node = first.saturating_add(c.child) as u32;
    debug_assert!(asked.is_none_or(|(at, _)| at.tree == Tree::Nodes), "only a node's root is picked so");
    let (record, path) = machine.record(node);
    let (header, model) = (item(&machine.item()), model(&machine.model()));
    let proof = NodeProof { model, record: record.into(), path: words(&path) };
    Contract::pickNodeCall {
        id: game,
        hash: word(c.hash),
        child: U256::from(c.child),
        childHash: word(c.child_hash),
        siblings: words(&c.siblings),
        header,
        proof,
    }
    .abi_encode()
}
