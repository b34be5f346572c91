//! Where a trace's chunks and hashes come from.

use bisection::Hash;

use super::Subject;
use super::step::Fault;
use crate::engine::EngineError;

/// Why a trace could not be made or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The back end failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The back end did not show all rows.
    #[error("node {0} has no value at some position: the back end does not show whole traces")]
    Rows(u32),
    /// A step has no value.
    #[error("an element of node {node} has no valid step: {fault}")]
    Step {
        /// The node.
        node: u32,
        /// Why.
        fault: Fault,
    },
    /// Nothing answers this: the place is out of range, or it lies below hashes that were made up.
    #[error("this trace has no answer there")]
    NoAnswer,
}

/// Chunks that are needed, and whether with their bytes or only their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// Node of the program.
    pub node: u32,
    /// First chunk.
    pub lo: u64,
    /// Chunk after the last.
    pub hi: u64,
    /// Are the bytes wanted.
    pub bytes: bool,
}

/// Chunks and hashes of all nodes. What is not at hand is fetched first.
pub trait Source {
    /// What the trace is of.
    fn subject(&self) -> &Subject;
    /// Root of a node's tensor.
    fn root(&self, node: u32) -> Hash;
    /// Hash of a subtree of a node's tensor, if it is at hand.
    fn hash(&self, node: u32, height: u32, index: u64) -> Option<Hash>;
    /// Bytes of a chunk, if they are at hand.
    fn chunk(&self, node: u32, chunk: u64) -> Option<Vec<u8>>;
    /// Makes chunks, and all hashes that lead from them to the root, be at hand.
    fn fetch(&mut self, wants: &[Want]) -> Result<(), TraceError>;
    /// An element that is not what its step gives: its lists must say so too.
    fn lie(&self) -> Option<Lie> {
        None
    }
}

/// A changed element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Node of the program.
    pub node: u32,
    /// Position.
    pub position: u64,
    /// Element of the row.
    pub element: u64,
    /// The value that stands there.
    pub value: i64,
}
