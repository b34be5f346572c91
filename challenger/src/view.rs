//! A game as the chain shows it: the contract's storage and its log, turned into the solver's terms.
//!
//! Nothing is remembered between two looks but what the log says, so a restart, or a reorganisation, needs no repair.

use alloy::primitives::{B256, Log};
use alloy::sol_types::SolEventInterface;
use bindings::dispute_game::DisputeGame as dispute_game;
use bindings::dispute_game::DisputeGame::DisputeGameEvents as Event;
use bisection::Hash;
use bisection::game::clock::{Clock, Span, Time};
use bisection::game::facts::{Answer, Facts, Question};
use bisection::game::money::{Actor, Meter};
use bisection::game::{Ask, Game, Outcome};
use bisection::trace::{List, Place, Subtree, TensorShape, Tree};

/// `Phase` of `contracts/src/libraries/Games.sol`: an ABI has no names of an enum's values.
pub mod phase {
    /// The trace root.
    pub const ROOT: u8 = 1;
    /// The children of an inner node.
    pub const OPEN: u8 = 2;
    /// The bytes of a chunk.
    pub const CHUNK: u8 = 3;
    /// A proof of an element.
    pub const ELEMENT: u8 = 4;
    /// A proof of a segment.
    pub const SEGMENT: u8 = 5;
    /// That an output is its sample.
    pub const OUTPUT: u8 = 6;
    /// Nothing more.
    pub const OVER: u8 = 7;
}

/// A hash of the chain as the protocol's.
pub fn hash(x: B256) -> Hash {
    Hash(x.0)
}

/// A hash of the protocol as the chain's.
pub fn word(x: Hash) -> B256 {
    B256::from(x.0)
}

/// Hashes of the protocol as the chain's.
pub fn words(hashes: &[Hash]) -> Vec<B256> {
    hashes.iter().map(|x| word(*x)).collect()
}

/// A list's entries from their bytes, i64 big-endian.
fn entries(bytes: &[u8]) -> Vec<i64> {
    bytes.as_chunks().0.iter().map(|x| i64::from_be_bytes(*x)).collect()
}

/// What the log of an assertion says, as facts. Events of other assertions and other contracts change nothing.
pub fn learn(facts: &mut Facts, assertion: B256, log: &Log, time: u64) {
    let at = Time(time);
    let Ok(event) = Event::decode_log(log) else { return };
    match event.data {
        Event::RootPosted(e) if e.assertion == assertion => {
            let root = hash(e.root);
            let leaves = u64::from(e.nodes);
            let whole = Subtree::whole(Tree::Nodes, leaves);
            if whole.height > 0 {
                let question = Ask::Open { hash: root, at: whole, leaves }.question(e.item);
                let children = e.children.iter().map(|x| hash(*x)).collect();
                facts.put(question, at, Answer::Children(children));
            }
            facts.put(Question::Root { item: e.item }, at, Answer::Root(root));
        }
        Event::Opened(e) if e.assertion == assertion => {
            let children: Vec<Hash> = e.children.iter().map(|x| hash(*x)).collect();
            let levels = u32::try_from(e.levels).unwrap_or(u32::MAX);
            let question = Question::Open { levels, count: children.len() as u64, hash: hash(e.hash) };
            facts.put(question, at, Answer::Children(children));
        }
        Event::ChunkOpened(e) if e.assertion == assertion => {
            let question = Question::Chunk { index: e.index.to(), length: e.data.len(), hash: hash(e.hash) };
            facts.put(question, at, Answer::Bytes(e.data.to_vec()));
        }
        Event::ListPosted(e) if e.assertion == assertion => {
            let question = Question::Element { item: e.item, place: place(&e.place) };
            let list = List { entries: entries(&e.entries), segment: e.segment, end: e.end };
            facts.put(question, at, Answer::List(list));
        }
        Event::Proven(e) if e.assertion == assertion => {
            facts.put(Question::Element { item: e.item, place: place(&e.place) }, at, Answer::Proven);
        }
        Event::OutputProven(e) if e.assertion == assertion => {
            facts.put(Question::Output { item: e.item, index: e.index }, at, Answer::Proven);
        }
        _ => {}
    }
}

fn place(x: &dispute_game::Place) -> Place {
    Place { node: x.node, chunk: x.chunk, slot: x.slot, from: x.from, to: x.to }
}

/// A stored game in the solver's terms; `shape` gives the tensor of a node, `rejected` says whether another game has
/// rejected the assertion: then there is nothing left to do but to claim. `None` if there is no such game, or it asks
/// for what the item's program does not have.
pub fn game(
    stored: &dispute_game::Game,
    rejected: bool,
    shape: impl Fn(u32) -> Option<TensorShape>,
) -> Option<Game> {
    let cursor = &stored.cursor;
    let (asked, index) = (hash(stored.hash), cursor.index.to::<u64>());
    let (ask, outcome) = match cursor.phase {
        phase::ROOT => (Ask::Root, None),
        phase::OPEN => {
            let tree = if cursor.inNode { Tree::Chunks { node: stored.node } } else { Tree::Nodes };
            let at = Subtree { tree, height: cursor.height.into(), index };
            (Ask::Open { hash: asked, at, leaves: stored.leaves.to::<u64>() }, None)
        }
        phase::CHUNK => {
            // A node without positions whose root is not pad: nothing answers that.
            let empty = stored.leaves.is_zero();
            let length = if empty { 0 } else { shape(stored.node)?.chunk_len(index)? };
            (Ask::Chunk { hash: asked, node: stored.node, chunk: index, length }, None)
        }
        phase::ELEMENT | phase::SEGMENT => {
            let place = Place {
                node: stored.node,
                chunk: stored.chunk,
                slot: stored.slot,
                from: stored.from,
                to: stored.to,
            };
            (Ask::Element { place, value: stored.value }, None)
        }
        phase::OUTPUT => (Ask::Output { index: u32::try_from(index).ok()? }, None),
        // How it ended is in the log; there is nothing left to do.
        phase::OVER => (Ask::Root, Some(Outcome::Claimed)),
        _ => return None,
    };
    let outcome = outcome.or(rejected.then_some(Outcome::Void));
    let clock = Clock {
        asked: Time(cursor.asked.to::<u64>()),
        proposer_left: Span(cursor.proposerLeft.into()),
        challenger_left: Span(cursor.challengerLeft.into()),
    };
    // Money is the contract's; the solver does not look at it.
    let (challenger, asked_gas, answered_gas) = (Actor(0), Meter::default(), Meter::default());
    Some(Game { item: stored.item, challenger, ask, clock, outcome, asked_gas, answered_gas })
}
