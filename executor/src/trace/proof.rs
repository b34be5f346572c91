//! Which hashes prove leaves under a root. docs/protocol.md, 3.

use bisection::{Hash, tree};

/// (height, index) of the siblings that prove leaves `lo..hi` of `count`, bottom up, left before right.
pub fn range_siblings(lo: u64, hi: u64, count: u64) -> Vec<(u32, u64)> {
    let (mut lo, mut hi, mut count, mut height) = (lo, hi, count, 0u32);
    let mut out = Vec::new();
    while count > 1 {
        if lo & 1 == 1 {
            out.push((height, lo.saturating_sub(1)));
        }
        if hi & 1 == 1 && hi < count {
            out.push((height, hi));
        }
        (lo, hi, count) = (lo >> 1, hi.div_ceil(2), count.div_ceil(2));
        height = height.saturating_add(1);
    }
    out
}

/// The path of one leaf in a tree of which all levels are held.
pub(super) fn path(levels: &[Vec<Hash>], leaf: u64, out: &mut Vec<Hash>) {
    let count = levels.first().map_or(0, |leaves| leaves.len() as u64);
    for (height, i) in range_siblings(leaf, leaf.saturating_add(1), count) {
        out.extend(levels.get(height as usize).and_then(|level| level.get(i as usize)));
    }
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

/// Root over the leaves of a range proof, as a contract computes it: `None` if hashes are missing or left over.
pub fn range_root(leaves: Vec<Hash>, lo: u64, count: u64, proof: &[Hash]) -> Option<Hash> {
    let (mut level, mut lo, mut count) = (leaves, lo, count);
    let mut proof = proof.iter();
    let mut hi = lo.checked_add(level.len() as u64)?;
    while count > 1 {
        if lo & 1 == 1 {
            level.insert(0, *proof.next()?);
        }
        if hi & 1 == 1 {
            level.push(if hi < count { *proof.next()? } else { tree::pad() });
        }
        level = tree::parents(&level);
        (lo, hi, count) = (lo >> 1, hi.div_ceil(2), count.div_ceil(2));
    }
    if proof.next().is_some() {
        return None;
    }
    level.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_prove_themselves(count in 1..200_u64, a in 0..200_u64, b in 0..200_u64) {
            let (lo, hi) = ((a % count).min(b % count), (a % count).max(b % count) + 1);
            let leaves: Vec<Hash> = (0..count).map(|i| tree::chunk_hash(i, &[7])).collect();
            let levels = levels(leaves.clone());
            let at = |(height, i): (u32, u64)| levels[height as usize][i as usize];
            let proof: Vec<Hash> = range_siblings(lo, hi, count).into_iter().map(at).collect();
            let range = leaves[lo as usize..hi as usize].to_vec();
            prop_assert_eq!(range_root(range.clone(), lo, count, &proof), Some(tree::root(leaves)));
            let mut longer = proof.clone();
            longer.push(tree::pad());
            prop_assert_eq!(range_root(range, lo, count, &longer), None);
            if hi == lo + 1 {
                let mut one = Vec::new();
                path(&levels, lo, &mut one);
                prop_assert_eq!(one, proof);
            }
        }
    }
}
