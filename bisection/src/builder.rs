//! Roots of what is too large to keep: leaves or bytes come in order, a few hashes a level are held.

use crate::hash::Hash;
use crate::lanes::LANES;
use crate::tree::{self, CHUNK};

/// Hashes of a level that wait for each other: eight pairs, one batch.
const BATCH: usize = 2 * LANES;

/// The root of a positional tree from its leaves in order. Holds at most 16 hashes a level.
#[derive(Clone, Debug, Default)]
pub struct TreeBuilder {
    /// From the leaves up; each shorter than [`BATCH`].
    levels: Vec<Vec<Hash>>,
    leaves: u64,
}

impl TreeBuilder {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves taken.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Takes the next leaves, which are already bound to their index. Batches of any size give the same root;
    /// those of a multiple of 16 are the fastest.
    pub fn push(&mut self, leaves: &[Hash]) {
        self.leaves = self.leaves.saturating_add(leaves.len() as u64);
        for part in leaves.chunks(BATCH) {
            self.push_at(0, part);
        }
    }

    /// The root.
    pub fn finish(self) -> Hash {
        // The hashes of the levels done, all of the level at hand: what waits there, then what comes from below.
        let mut carried = Vec::new();
        let mut levels = self.levels.into_iter().peekable();
        while let Some(mut level) = levels.next() {
            level.append(&mut carried);
            if levels.peek().is_none() {
                return tree::root(level);
            }
            carried = tree::parents(&level);
        }
        tree::pad()
    }

    /// Takes at most a batch of hashes of one level; gives full batches to the next.
    fn push_at(&mut self, level: usize, hashes: &[Hash]) {
        if self.levels.len() <= level {
            self.levels.push(Vec::with_capacity(BATCH));
        }
        let Some(waiting) = self.levels.get_mut(level) else { return };
        let (now, later) = hashes.split_at(hashes.len().min(BATCH.saturating_sub(waiting.len())));
        waiting.extend_from_slice(now);
        if waiting.len() == BATCH {
            let up = tree::parents(waiting);
            waiting.clear();
            waiting.extend_from_slice(later);
            self.push_at(level.saturating_add(1), &up);
        }
    }
}

/// The tensor root of bytes in order, in chunks of 512. Holds at most 16 chunks and their tree's [`TreeBuilder`].
#[derive(Clone, Debug, Default)]
pub struct TensorBuilder {
    tree: TreeBuilder,
    /// Fewer bytes than [`WINDOW`].
    waiting: Vec<u8>,
}

/// Bytes that are hashed at a time.
const WINDOW: usize = BATCH * CHUNK;

impl TensorBuilder {
    /// A tensor without bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, any number of them.
    pub fn push(&mut self, mut bytes: &[u8]) {
        if !self.waiting.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(WINDOW.saturating_sub(self.waiting.len())));
            self.waiting.extend_from_slice(now);
            if self.waiting.len() < WINDOW {
                return;
            }
            let full = std::mem::take(&mut self.waiting);
            self.hash(&full);
            bytes = later;
        }
        let (windows, rest) = bytes.as_chunks::<WINDOW>();
        windows.iter().for_each(|window| self.hash(window));
        self.waiting.extend_from_slice(rest);
    }

    /// The tensor root.
    pub fn finish(mut self) -> Hash {
        let rest = std::mem::take(&mut self.waiting);
        self.hash(&rest);
        self.tree.finish()
    }

    /// Hashes whole chunks, or the last ones.
    fn hash(&mut self, bytes: &[u8]) {
        let hashes = tree::chunk_hashes(self.tree.leaves(), bytes.chunks(CHUNK));
        self.tree.push(&hashes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The root by definition, one hash after the other.
    fn plain_root(mut level: Vec<Hash>) -> Hash {
        while level.len() > 1 {
            let pair = |p: &[Hash]| tree::node_hash(&p[0], p.get(1).unwrap_or(&tree::pad()));
            level = level.chunks(2).map(pair).collect();
        }
        level.first().copied().unwrap_or_else(tree::pad)
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| tree::chunk_hash(i, &[7])).collect()
    }

    #[test]
    fn every_number_of_leaves_has_the_root_of_the_definition() {
        for count in (0..300).chain([511, 512, 513, 4097]) {
            let all = leaves(count);
            let mut builder = TreeBuilder::new();
            builder.push(&all);
            assert!(builder.levels.iter().all(|level| level.len() < BATCH));
            assert_eq!(builder.finish(), plain_root(all.clone()), "{count} leaves, streamed");
            assert_eq!(tree::root(all.clone()), plain_root(all), "{count} leaves");
        }
    }

    #[test]
    fn a_subtree_without_all_its_leaves_is_completed_with_pad() {
        let all = leaves(11);
        let expected = plain_root(all.clone());
        let quarters = (0..3).map(|q| tree::subtree_root(all[4 * q..all.len().min(4 * q + 4)].to_vec(), 2));
        assert_eq!(tree::subtree_root(quarters.collect(), 2), expected);
        let one = tree::subtree_root(vec![all[0]], 2);
        assert_eq!(one, tree::node_hash(&tree::node_hash(&all[0], &tree::pad()), &tree::pad()));
        assert_eq!(tree::subtree_root(vec![], 3), tree::pad());
    }

    proptest! {
        #[test]
        fn batches_of_any_size_give_one_root(
            batches in prop::collection::vec(0usize..70, 0..20)
        ) {
            let all = leaves(batches.iter().sum::<usize>() as u64);
            let mut builder = TreeBuilder::new();
            let mut rest = all.as_slice();
            for batch in batches {
                let (now, later) = rest.split_at(batch);
                builder.push(now);
                rest = later;
            }
            prop_assert_eq!(builder.finish(), plain_root(all));
        }

        #[test]
        fn bytes_of_any_lengths_give_one_tensor_root(
            parts in prop::collection::vec(0usize..9000, 0..12), seed: u8
        ) {
            let bytes: Vec<u8> = (0..parts.iter().sum()).map(|i: usize| (i % 251) as u8 ^ seed).collect();
            let chunks = (0u64..).zip(bytes.chunks(CHUNK));
            let expected = plain_root(chunks.map(|(i, chunk)| tree::chunk_hash(i, chunk)).collect());
            prop_assert_eq!(tree::tensor_root(&bytes), expected);
            let mut builder = TensorBuilder::new();
            let mut rest = bytes.as_slice();
            for part in parts {
                let (now, later) = rest.split_at(part);
                builder.push(now);
                rest = later;
            }
            prop_assert_eq!(builder.finish(), expected);
        }
    }
}
