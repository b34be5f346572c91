//! What can be done in a game, and why the contract reverts.

use crate::hash::Hash;
use crate::trace::Place;

/// A child of an opened hash, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The opened hash.
    pub hash: Hash,
    /// Which of the children in range.
    pub child: u64,
    /// Its hash.
    pub child_hash: Hash,
    /// Its siblings up to the opened hash, as in a path.
    pub siblings: Vec<Hash>,
}

/// What can be done in a game. Names and arguments are those of the contract; records and witnesses are the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers Root.
    PostRoot {
        /// Of the trace.
        root: Hash,
        /// The first opening of the tree of nodes; none for a program of one node.
        children: Vec<Hash>,
    },
    /// Answers Open.
    Open {
        /// Which hash.
        hash: Hash,
        /// Those in range.
        children: Vec<Hash>,
    },
    /// Answers Chunk.
    OpenChunk {
        /// Which hash.
        hash: Hash,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Answers Element by one step.
    Prove {
        /// Which element or segment.
        place: Place,
    },
    /// Answers Element by partial results.
    PostList {
        /// Which element or segment.
        place: Place,
        /// One for each segment.
        entries: Vec<i64>,
    },
    /// Answers Output.
    ProveOutput {
        /// Which output.
        index: u32,
    },
    /// Asks Open or Chunk.
    Pick(Child),
    /// The same, where the child is a node's root.
    PickNode(Child),
    /// Asks Element.
    PickElement {
        /// Of the chunk.
        hash: Hash,
        /// In the chunk.
        slot: u32,
        /// Of the chunk.
        bytes: Vec<u8>,
    },
    /// Asks Element for a segment.
    PickSegment {
        /// Of the list.
        digest: Hash,
        /// Of the list.
        entries: Vec<i64>,
        /// Which of them.
        segment: u32,
    },
    /// Asks Output, as the first move after the root.
    PickOutput {
        /// The posted one.
        root: Hash,
        /// Which output.
        index: u32,
    },
    /// Closes a game that is over: a side is late, or the ask is proven.
    Close,
    /// Takes bond and gas of a game that another's rejection cut short.
    Claim,
}

/// Why the contract reverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The assertion or the game is no longer open, or there is none.
    #[error("not open")]
    NotOpen,
    /// The window for challenges has passed, or has not for a confirmation.
    #[error("not in this window of time")]
    Window,
    /// Another kind of answer or pick is due.
    #[error("not what is due")]
    NotDue,
    /// The turn's deadline has passed: only closing works.
    #[error("late")]
    Late,
    /// Nothing to close yet.
    #[error("not over")]
    NotOver,
    /// Only the challenger picks; only proposer and defender key post roots and lists.
    #[error("not this account's move")]
    NotYours,
    /// Another hash, element or digest than the asked one.
    #[error("another thing was asked")]
    Names,
    /// Out of range.
    #[error("out of range")]
    OutOfRange,
    /// What is shown does not hash to what it should.
    #[error("hashes differ")]
    Hashes,
    /// The machine says no.
    #[error("not proven")]
    NotProven,
}
