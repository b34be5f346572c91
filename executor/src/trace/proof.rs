//! Trees of which all levels are held, and the proofs in them. docs/protocol.md, 3.

use bisection::{Hash, proof, tree};

/// The hashes that prove leaves `lo..hi` in a tree of which all levels are held; `None` if it has no such leaves.
pub(super) fn range(levels: &[Vec<Hash>], lo: u64, hi: u64) -> Option<Vec<Hash>> {
    let count = levels.first()?.len() as u64;
    let at = |(height, i): (u32, u64)| levels.get(height as usize)?.get(i as usize).copied();
    proof::siblings(count, lo, hi).ok()?.into_iter().map(at).collect()
}

/// The path of one leaf in a tree of which all levels are held.
pub(super) fn path(levels: &[Vec<Hash>], leaf: u64) -> Option<Vec<Hash>> {
    range(levels, leaf, leaf.saturating_add(1))
}

/// All levels of a tree from its leaves to its root; none without leaves.
pub(super) fn levels(leaves: Vec<Hash>) -> Vec<Vec<Hash>> {
    let height = tree::depth(leaves.len() as u64);
    levels_to(leaves, height)
}

/// The levels of a subtree of a height, of which only the first leaves exist; none without leaves.
pub(super) fn levels_to(leaves: Vec<Hash>, height: u32) -> Vec<Vec<Hash>> {
    if leaves.is_empty() {
        return Vec::new();
    }
    let mut levels = vec![leaves];
    for _ in 0..height {
        let next = levels.last().map(|level| tree::parents(level));
        levels.extend(next);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_of_held_trees_are_those_of_the_protocol(count in 1..200_u64, a in 0..200_u64, b in 0..200_u64) {
            let (lo, hi) = ((a % count).min(b % count), (a % count).max(b % count) + 1);
            let leaves: Vec<Hash> = (0..count).map(|i| tree::chunk_hash(i, &[7])).collect();
            let levels = levels(leaves.clone());
            let proved = range(&levels, lo, hi).unwrap();
            prop_assert_eq!(Ok(proved), proof::range(leaves.clone(), lo, hi));
            prop_assert_eq!(path(&levels, lo), proof::path(leaves, lo).ok());
            prop_assert_eq!((range(&levels, lo, count + 1), range(&[], 0, 1)), (None, None));
        }
    }
}
