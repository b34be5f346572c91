//! The game (protocol, section 5): asks and moves of one game; [`Assertion`] plays them by the rules.

mod action;
mod answers;
mod assertion;
pub mod clock;
pub mod facts;
pub mod money;
mod picks;

pub use action::{Action, Child, Refused};
pub use assertion::{Assertion, Call, Status};

use crate::hash::Hash;
use crate::trace::{Place, Subtree, TensorShape, Tree};
use crate::tree;
use clock::{Clock, Due, Span, Spans};
use facts::{Answer, Fact, Facts, Question};
use money::{Actor, Meter, Terms};

/// What an assertion is played by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Lengths of time.
    pub spans: Spans,
    /// Amounts.
    pub terms: Terms,
}

/// What the contract checks and this crate cannot: the machine. `root` is the posted one; openings are made under it.
///
/// `true` and `Some` mean that data exist with which the contract's check succeeds.
pub trait Judge {
    /// Nodes of the item's program.
    fn nodes(&self, item: u32) -> u32;
    /// The shape of a node's tensor; `None` if there is no such node.
    fn tensor(&self, item: u32, node: u32) -> Option<TensorShape>;
    /// Published tokens, or elements of the vector.
    fn outputs(&self, item: u32) -> u32;
    /// Does one step give `value`, from inputs opened under `root`?
    fn step(&self, item: u32, root: Hash, at: Place, value: i64) -> bool;
    /// Do the entries amount to `value`? Then the terms of a segment, and the term after the last.
    fn list(&self, item: u32, root: Hash, at: Place, value: i64, entries: &[i64]) -> Option<(u32, u32)>;
    /// Is the output in the trace the published one?
    fn output(&self, item: u32, root: Hash, index: u32) -> bool;
}

/// What the challenger wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The trace root.
    Root,
    /// What is below a hash.
    Open {
        /// The hash.
        hash: Hash,
        /// Where it lies.
        at: Subtree,
        /// Leaves of its tree.
        leaves: u64,
    },
    /// The bytes of a chunk.
    Chunk {
        /// Its hash.
        hash: Hash,
        /// Of which node.
        node: u32,
        /// Which one.
        chunk: u64,
        /// Its bytes. 0 for a node without positions whose root is not pad: that has no answer.
        length: usize,
    },
    /// Why an element, or an entry of a list, is what it is.
    Element {
        /// Where.
        place: Place,
        /// What it is in the posted trace or list.
        value: i64,
    },
    /// Why a published output is the trace's.
    Output {
        /// Which one.
        index: u32,
    },
}

impl Ask {
    /// The key of its fact.
    pub fn question(&self, item: u32) -> Question {
        match *self {
            Self::Root => Question::Root { item },
            Self::Open { hash, at, leaves } => {
                let levels = tree::opening_levels(tree::depth(leaves)).min(at.height);
                Question::Open { levels, count: at.below(levels, leaves).1, hash }
            }
            Self::Chunk { hash, chunk, length, .. } => Question::Chunk { index: chunk, length, hash },
            Self::Element { place, .. } => Question::Element { item, place },
            Self::Output { index } => Question::Output { item, index },
        }
    }
}

/// One challenger's dispute of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// Which item of the assertion.
    pub item: u32,
    /// Who asks.
    pub challenger: Actor,
    /// What is asked.
    pub ask: Ask,
    /// Whose time has run how far.
    pub clock: Clock,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The challenger's gas.
    pub asked_gas: Meter,
    /// The gas of the defender key.
    pub answered_gas: Meter,
}

/// How a game ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The challenger loses its bond.
    ChallengerLost,
    /// The assertion is rejected by this game.
    Rejected,
    /// The assertion was rejected by another game: bond and gas are to be claimed.
    Void,
    /// They have been claimed.
    Claimed,
}

impl Game {
    /// The fact of its ask.
    pub fn fact<'a>(&self, facts: &'a Facts) -> Option<&'a Fact> {
        facts.get(&self.ask.question(self.item))
    }

    /// What its present turn is guaranteed.
    pub fn minimum(&self, spans: &Spans) -> Span {
        if self.ask == Ask::Root { spans.trace } else { spans.turn }
    }

    /// Whose turn it is.
    pub fn due(&self, facts: &Facts, spans: &Spans) -> Due {
        self.clock.due(self.fact(facts).map(|fact| fact.at), self.minimum(spans))
    }

    /// The answer to its ask, given in time.
    pub fn answer<'a>(&self, facts: &'a Facts, spans: &Spans) -> Option<&'a Answer> {
        match self.due(facts, spans) {
            Due::Proposer { .. } => None,
            Due::Challenger { .. } => self.fact(facts).map(|fact| &fact.answer),
        }
    }

    /// The hash below which the challenger picks, where it lies, the leaves of its tree, and the hashes shown.
    pub fn opened<'a>(&self, facts: &'a Facts, nodes: u32) -> Option<Opened<'a>> {
        let (hash, at, leaves) = match self.ask {
            Ask::Root => {
                let leaves = u64::from(nodes);
                (facts.root(self.item)?, Subtree::whole(Tree::Nodes, leaves), leaves)
            }
            Ask::Open { hash, at, leaves } => (hash, at, leaves),
            _ => return None,
        };
        let question = Ask::Open { hash, at, leaves }.question(self.item);
        let Question::Open { levels, .. } = question else { return None };
        let children = match facts.get(&question).map(|fact| &fact.answer) {
            Some(Answer::Children(children)) => children.as_slice(),
            // A tree of one leaf is not opened: its root is the leaf.
            _ if at.height == 0 => &[],
            _ => return None,
        };
        Some(Opened { hash, at, leaves, levels, children })
    }
}

/// A hash that has been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The hash.
    pub hash: Hash,
    /// Where it lies.
    pub at: Subtree,
    /// Leaves of its tree.
    pub leaves: u64,
    /// How far below it the children are.
    pub levels: u32,
    /// Those in range; none if it is the one leaf of its tree.
    pub children: &'a [Hash],
}
