//! The tree over a tensor's chunks while they come: its root, and the hashes of its subtrees of one height.

use std::collections::BTreeMap;

use bisection::{Hash, tree};

/// Height of the subtrees that are made at once.
const GROUP: u32 = 6;
/// Greatest height of the subtrees that are kept.
const KEPT_MAX: u32 = 12;

/// Height of the subtrees whose hashes are kept of a trace of so many chunks: few enough to hold, small enough to
/// be made again in a moment.
pub(super) fn kept_height(chunks: u64) -> u32 {
    tree::depth(chunks >> 18).clamp(GROUP, KEPT_MAX)
}

/// Builds one tensor's tree.
pub(super) struct Growing {
    height: u32,
    chunks: u64,
    /// Leaves that have been taken.
    taken: u64,
    /// Leaves of the present group, hashes of the groups of the present subtree.
    leaves: Vec<Hash>,
    groups: Vec<Hash>,
    kept: Vec<Hash>,
    /// Leaves that have come early.
    early: BTreeMap<u64, Vec<Hash>>,
}

/// The tree of a whole tensor, cut below a height.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Levels from that height (or the root's, if it is lower) up to the root; none without chunks.
    pub(super) levels: Vec<Vec<Hash>>,
}

impl Kept {
    pub(super) fn root(&self) -> Hash {
        self.levels.last().and_then(|top| top.first()).copied().unwrap_or_else(tree::pad)
    }
}

impl Growing {
    pub(super) fn new(chunks: u64, height: u32) -> Self {
        let (leaves, groups, kept, early) = Default::default();
        Self { height, chunks, taken: 0, leaves, groups, kept, early }
    }

    /// Consecutive leaves from `first` on.
    pub(super) fn push(&mut self, first: u64, hashes: Vec<Hash>) {
        self.early.insert(first, hashes);
        while let Some(next) = self.early.first_entry().filter(|e| *e.key() == self.taken) {
            let hashes = next.remove();
            self.taken = self.taken.saturating_add(hashes.len() as u64);
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let room = (1usize << GROUP).saturating_sub(self.leaves.len());
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.leaves.extend_from_slice(now);
                rest = later;
                if self.leaves.len() == 1 << GROUP {
                    self.close_group();
                }
            }
        }
    }

    fn close_group(&mut self) {
        let leaves = std::mem::replace(&mut self.leaves, Vec::with_capacity(1 << GROUP));
        self.groups.push(tree::subtree_root(leaves, GROUP));
        if self.groups.len() == 1 << self.height.saturating_sub(GROUP) {
            self.close_subtree();
        }
    }

    fn close_subtree(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        self.kept.push(tree::subtree_root(groups, self.height.saturating_sub(GROUP)));
    }

    /// The tree, if all leaves have come.
    pub(super) fn finish(mut self) -> Option<Kept> {
        if self.taken != self.chunks {
            return None;
        }
        let depth = tree::depth(self.chunks);
        if self.chunks == 0 {
            return Some(Kept::default());
        }
        if depth <= self.height {
            // A tree lower than the subtrees that are kept is one of its own height.
            let alone = self.kept.is_empty() && self.groups.is_empty();
            let root = if alone {
                tree::root(self.leaves)
            } else {
                if !self.leaves.is_empty() {
                    self.close_group();
                }
                self.kept.first().copied().unwrap_or_else(|| tree::root(self.groups))
            };
            return Some(Kept { levels: vec![vec![root]] });
        }
        if !self.leaves.is_empty() {
            self.close_group();
        }
        if !self.groups.is_empty() {
            self.close_subtree();
        }
        let mut levels = vec![self.kept];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(tree::parents(level));
        }
        Some(Kept { levels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_order_and_height_gives_the_root(
            chunks in 0..900_u64,
            height in 6..9_u32,
            pieces in prop::collection::vec(1..90_u64, 1..40),
            turn: usize,
        ) {
            let leaves: Vec<Hash> = (0..chunks).map(|i| tree::chunk_hash(i, &[1])).collect();
            let mut parts = Vec::new();
            let mut at = 0;
            for piece in pieces.into_iter().cycle() {
                let end = (at + piece).min(chunks);
                parts.push((at, leaves[at as usize..end as usize].to_vec()));
                at = end;
                if at == chunks {
                    break;
                }
            }
            let middle = turn % parts.len();
            parts.rotate_left(middle);
            parts.retain(|(_, hashes)| !hashes.is_empty());
            let mut growing = Growing::new(chunks, height);
            for (first, hashes) in parts {
                growing.push(first, hashes);
            }
            let kept = growing.finish().unwrap();
            prop_assert_eq!(kept.root(), tree::root(leaves.clone()));
            if tree::depth(chunks) > height {
                let first: Vec<Hash> = leaves.into_iter().take(1 << height).collect();
                prop_assert_eq!(kept.levels[0][0], tree::subtree_root(first, height));
            }
        }
    }
}
