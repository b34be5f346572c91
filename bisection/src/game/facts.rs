//! Facts (protocol, 5.1): what has been answered, once per assertion, shared by all its games.
//!
//! A fact's key is everything that its check reads. The contract keeps times and digests; what was answered is in
//! its log, and is kept here beside them.

use std::collections::BTreeMap;

use super::clock::Time;
use crate::hash::{Hash, tagged};
use crate::trace::{List, Place};

/// What can be asked: the key of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The root of an item's trace.
    Root {
        /// Which item.
        item: u32,
    },
    /// The hashes below one.
    Open {
        /// How far below.
        levels: u32,
        /// How many of them are in range.
        count: u64,
        /// The one above.
        hash: Hash,
    },
    /// A chunk's bytes.
    Chunk {
        /// The index that its hash is bound to.
        index: u64,
        /// Its length, which its hash is bound to; 0 has no answer.
        length: usize,
        /// Its hash.
        hash: Hash,
    },
    /// That an element, or a segment of it, is right; or the list that it is made of.
    Element {
        /// Which item.
        item: u32,
        /// Where in its trace.
        place: Place,
    },
    /// That a published output is the trace's.
    Output {
        /// Which item.
        item: u32,
        /// Which token, or element of the vector.
        index: u32,
    },
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The trace root.
    Root(Hash),
    /// The hashes below one, those in range.
    Children(Vec<Hash>),
    /// A chunk's bytes.
    Bytes(Vec<u8>),
    /// Partial results: more is asked of them.
    List(List),
    /// It is proven: who asked has lost.
    Proven,
}

/// An answer and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// When it was given.
    pub at: Time,
    /// What it is.
    pub answer: Answer,
}

/// All facts of an assertion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<Question, Fact>);

impl Facts {
    /// The answer to a question.
    pub fn get(&self, question: &Question) -> Option<&Fact> {
        self.0.get(question)
    }

    /// The root of an item's trace.
    pub fn root(&self, item: u32) -> Option<Hash> {
        match self.get(&Question::Root { item })?.answer {
            Answer::Root(root) => Some(root),
            _ => None,
        }
    }

    /// Stores an answer; the first stays. Is it the first?
    pub fn put(&mut self, question: Question, at: Time, answer: Answer) -> bool {
        let mut first = false;
        self.0.entry(question).or_insert_with(|| {
            first = true;
            Fact { at, answer }
        });
        first
    }
}

/// What a pick names a list by: `H("rf.list_", entries as i64 big-endian)`.
pub fn list_digest(entries: &[i64]) -> Hash {
    let bytes: Vec<u8> = entries.iter().flat_map(|e| e.to_be_bytes()).collect();
    tagged(b"rf.list_", &[&bytes])
}
