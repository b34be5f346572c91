//! A hash over every node's value: what two back ends must agree on.

use std::collections::BTreeMap;

use bisection::{Hash, Hasher, keccak256};

use crate::engine::{SequenceId, Tap};
use crate::model::Model;
use crate::program::NodeId;

/// Hashes the rows of one sequence, in whatever order they come.
pub struct ValueHash {
    model: Model,
    sequence: SequenceId,
    rows: BTreeMap<(NodeId, u32), Hash>,
}

impl ValueHash {
    /// Listens to one sequence.
    pub fn new(model: &Model, sequence: SequenceId) -> Self {
        Self { model: model.clone(), sequence, rows: BTreeMap::new() }
    }

    /// Number of rows seen.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Has no row been seen.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows seen, by node and position.
    pub fn rows(&self) -> impl Iterator<Item = ((NodeId, u32), Hash)> {
        self.rows.iter().map(|(at, hash)| (*at, *hash))
    }

    /// The hash over all rows, by node and position.
    pub fn finish(&self) -> Hash {
        let mut hasher = Hasher::new();
        for ((node, position), row) in &self.rows {
            hasher.update(&node.0.to_be_bytes()).update(&position.to_be_bytes()).update(&row.0);
        }
        hasher.finish()
    }
}

impl Tap for ValueHash {
    fn wants(&self, _: NodeId) -> bool {
        true
    }

    fn row(&mut self, sequence: SequenceId, node: NodeId, position: u32, values: &[i64]) {
        if sequence == self.sequence {
            let mut bytes = Vec::new();
            self.model.infos()[node.index()].element.write(values, &mut bytes);
            self.rows.insert((node, position), keccak256(&bytes));
        }
    }
}
