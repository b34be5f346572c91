//! Proofs (protocol, section 3): paths of a leaf, range proofs of neighbouring leaves, in the one canonical order.
//!
//! A witness is a concatenation of openings, so verification takes what it needs from an iterator and leaves the
//! rest; sizes are known to the reader, never sent. A sibling that is out of range is pad and is not sent.

use crate::hash::Hash;
use crate::tree::{self, node_hash, pad, parents};

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The leaf or the range is not one of the tree.
    #[error("leaves {lo}..{hi} of {count} are no range")]
    Range {
        /// First leaf.
        lo: u64,
        /// Leaf after the last.
        hi: u64,
        /// Leaves of the tree.
        count: u64,
    },
    /// The hashes given are not as many as the range.
    #[error("a range of {expected} leaves with {given} hashes")]
    Leaves {
        /// Leaves of the range.
        expected: u64,
        /// Hashes given.
        given: u64,
    },
    /// A sibling is missing at this height.
    #[error("the sibling at height {0} is missing")]
    Short(u32),
}

/// The siblings of leaf `i`, from the bottom.
pub fn path(leaves: Vec<Hash>, i: u64) -> Result<Vec<Hash>, Wrong> {
    range(leaves, i, i.saturating_add(1))
}

/// The root that a leaf and its siblings lead to. Takes exactly [`path_len`] siblings.
pub fn path_root(
    count: u64,
    i: u64,
    leaf: Hash,
    siblings: &mut impl Iterator<Item = Hash>,
) -> Result<Hash, Wrong> {
    range_root(count, i, i.saturating_add(1), vec![leaf], siblings)
}

/// Siblings of leaf `i` among `count`.
pub fn path_len(count: u64, i: u64) -> u64 {
    range_len(count, i, i.saturating_add(1))
}

/// The siblings of leaves `lo..hi`: at each level the left one, then the right one, as far as they are in range.
pub fn range(leaves: Vec<Hash>, lo: u64, hi: u64) -> Result<Vec<Hash>, Wrong> {
    let mut level = leaves;
    let mut out = Vec::new();
    for step in Steps::new(level.len() as u64, lo, hi)? {
        out.extend([step.left, step.right].into_iter().flatten().filter_map(|i| get(&level, i)));
        level = parents(&level);
    }
    Ok(out)
}

/// Where the siblings of leaves `lo..hi` of `count` lie, in the order of the proof: height and index. For trees whose
/// leaves are not all at hand.
pub fn siblings(count: u64, lo: u64, hi: u64) -> Result<Vec<(u32, u64)>, Wrong> {
    let steps = (0u32..).zip(Steps::new(count, lo, hi)?);
    Ok(steps.flat_map(|(h, s)| [s.left, s.right].into_iter().flatten().map(move |i| (h, i))).collect())
}

/// The root that leaves `lo..hi` of `count` and their siblings lead to. Takes exactly [`range_len`] siblings.
pub fn range_root(
    count: u64,
    lo: u64,
    hi: u64,
    leaves: Vec<Hash>,
    siblings: &mut impl Iterator<Item = Hash>,
) -> Result<Hash, Wrong> {
    let steps = Steps::new(count, lo, hi)?;
    let (expected, given) = (hi.saturating_sub(lo), leaves.len() as u64);
    if expected != given {
        return Err(Wrong::Leaves { expected, given });
    }
    let mut level = leaves;
    for (height, step) in (0u32..).zip(steps) {
        let mut next = || siblings.next().ok_or(Wrong::Short(height));
        let left = step.left.map(|_| next()).transpose()?;
        let right = step.right.map(|_| next()).transpose()?;
        // An odd end without a sibling in range is completed with pad.
        level = parents(&left.into_iter().chain(level).chain(right).collect::<Vec<_>>());
    }
    level.first().copied().ok_or(Wrong::Range { lo, hi, count })
}

/// Siblings of leaves `lo..hi` among `count`; 0 if that is no range.
pub fn range_len(count: u64, lo: u64, hi: u64) -> u64 {
    let steps = Steps::new(count, lo, hi).into_iter().flatten();
    steps.map(|step| u64::from(step.left.is_some()).saturating_add(u64::from(step.right.is_some()))).sum()
}

/// The hash that child `i` of a subtree's `count` in range, `levels` below it, and the child's siblings lead to.
///
/// As [`path_root`], but a subtree at the right edge has fewer children than its height has room for.
pub fn child_root(
    levels: u32,
    count: u64,
    i: u64,
    child: Hash,
    siblings: &mut impl Iterator<Item = Hash>,
) -> Result<Hash, Wrong> {
    let top = path_root(count, i, child, siblings)?;
    Ok((tree::depth(count)..levels).fold(top, |hash, _| node_hash(&hash, &pad())))
}

/// Indices of the siblings of a level that are in range.
struct Step {
    left: Option<u64>,
    right: Option<u64>,
}

/// The levels of a range proof, from the bottom to below the root.
struct Steps {
    count: u64,
    lo: u64,
    hi: u64,
}

impl Steps {
    fn new(count: u64, lo: u64, hi: u64) -> Result<Self, Wrong> {
        if lo < hi && hi <= count { Ok(Self { count, lo, hi }) } else { Err(Wrong::Range { lo, hi, count }) }
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.count <= 1 {
            return None;
        }
        let odd = |i: u64| i & 1 == 1;
        let left = odd(self.lo).then(|| self.lo.saturating_sub(1));
        let right = (odd(self.hi) && self.hi < self.count).then_some(self.hi);
        (self.lo, self.hi, self.count) = (self.lo >> 1, self.hi.div_ceil(2), self.count.div_ceil(2));
        Some(Step { left, right })
    }
}

fn get(level: &[Hash], i: u64) -> Option<Hash> {
    usize::try_from(i).ok().and_then(|i| level.get(i)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{chunk_hash, root};
    use proptest::prelude::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| chunk_hash(i, &[9])).collect()
    }

    fn subtree(all: &[Hash], height: u32, i: u64) -> Hash {
        tree::subtree_root(all.chunks(1 << height).nth(i as usize).unwrap().to_vec(), height)
    }

    fn part(all: &[Hash], lo: u64, hi: u64) -> Vec<Hash> {
        all[lo as usize..hi as usize].to_vec()
    }

    #[test]
    fn every_small_range_proves_itself_and_takes_its_siblings_alone() {
        for count in 1..=33 {
            let all = leaves(count);
            for (lo, hi) in (0..count).flat_map(|lo| (lo + 1..=count).map(move |hi| (lo, hi))) {
                let proof = range(all.clone(), lo, hi).unwrap();
                assert_eq!(proof.len() as u64, range_len(count, lo, hi));
                let at = siblings(count, lo, hi).unwrap().into_iter();
                let at = at.map(|(h, i)| subtree(&all, h, i));
                assert!(at.eq(proof.iter().copied()));
                let mut witness = proof.iter().copied().chain([Hash([7; 32])]);
                assert_eq!(
                    range_root(count, lo, hi, part(&all, lo, hi), &mut witness),
                    Ok(root(all.clone()))
                );
                assert_eq!(witness.next(), Some(Hash([7; 32])), "what follows is another opening's");
            }
        }
    }

    #[test]
    fn the_order_of_siblings_is_canonical() {
        // 7 leaves, 1..4: left of 1 is 0, right of 4 is none (4 is even); then 0..2 of 4: none; then 0..1 of 2: right.
        let all = leaves(7);
        let right = node_hash(&node_hash(&all[4], &all[5]), &node_hash(&all[6], &pad()));
        assert_eq!(range(all.clone(), 1, 4), Ok(vec![all[0], right]));
        // 1..3: left 0, right 3.
        assert_eq!(range(all.clone(), 1, 3), Ok(vec![all[0], all[3], right]));
        // The last leaf's first sibling is pad, not sent.
        let left = node_hash(&node_hash(&all[0], &all[1]), &node_hash(&all[2], &all[3]));
        assert_eq!(path(all.clone(), 6), Ok(vec![node_hash(&all[4], &all[5]), left]));
    }

    #[test]
    fn tampering_is_seen() {
        for count in 1..=17 {
            let all = leaves(count);
            for (lo, hi) in (0..count).flat_map(|lo| (lo + 1..=count).map(move |hi| (lo, hi))) {
                let proof = range(all.clone(), lo, hi).unwrap();
                let check = |lo, hi, leaves: Vec<Hash>, proof: &[Hash]| {
                    range_root(count, lo, hi, leaves, &mut proof.iter().copied())
                };
                let good = part(&all, lo, hi);
                for i in 0..good.len() {
                    let mut bad = good.clone();
                    bad[i].0[31] ^= 1;
                    assert_ne!(check(lo, hi, bad, &proof), Ok(root(all.clone())));
                }
                for i in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[i].0[0] ^= 1;
                    assert_ne!(check(lo, hi, good.clone(), &bad), Ok(root(all.clone())));
                    assert!(check(lo, hi, good.clone(), &proof[..i]).is_err());
                }
                for (lo, hi) in (0..count).filter(|l| *l != lo).map(|l| (l, l + hi - lo)) {
                    assert_ne!(check(lo, hi, good.clone(), &proof), Ok(root(all.clone())), "another place");
                }
            }
        }
        assert!(path(leaves(3), 3).is_err() && range(leaves(3), 2, 2).is_err() && path(vec![], 0).is_err());
    }

    #[test]
    fn a_child_leads_to_its_subtree_wherever_it_lies() {
        for (count, levels) in (1..=8).flat_map(|count| (tree::depth(count)..=4).map(move |l| (count, l))) {
            let all = leaves(count);
            let expected = tree::subtree_root(all.clone(), levels);
            for i in 0..count {
                let siblings = path(all.clone(), i).unwrap();
                let child = all[i as usize];
                assert_eq!(child_root(levels, count, i, child, &mut siblings.into_iter()), Ok(expected));
            }
        }
    }

    proptest! {
        #[test]
        fn large_ranges(count in 1u64..3000, a: prop::sample::Index, b: prop::sample::Index) {
            let (a, b) = (a.index(count as usize) as u64, b.index(count as usize) as u64);
            let (lo, hi) = (a.min(b), a.max(b) + 1);
            let all = leaves(count);
            let proof = range(all.clone(), lo, hi).unwrap();
            prop_assert!(proof.len() as u32 <= 2 * tree::depth(count));
            let found = range_root(count, lo, hi, part(&all, lo, hi), &mut proof.into_iter());
            prop_assert_eq!(found, Ok(root(all)));
        }
    }
}
