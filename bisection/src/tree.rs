//! Positional trees: binary, of fixed depth, every leaf bound to its index, PAD where a leaf is missing.

use crate::hash::{Hash, tagged};

/// Bytes of a chunk. With its header of 16 bytes it fills four keccak blocks but for 16 bytes.
pub const CHUNK: usize = 512;

/// Tag of a chunk's hash.
const CHUNK_TAG: &[u8; 8] = b"rf.chunk";
/// Tag of an inner node's hash.
const NODE_TAG: &[u8; 8] = b"rf.node_";

/// A missing child. The hash of a tag alone, which no leaf (tag and more) can equal.
pub fn pad() -> Hash {
    tagged(b"rf.pad__", &[])
}

/// Hash of a chunk: `keccak(tag, index u48 big-endian, length u16 big-endian, bytes)`.
pub fn chunk_hash(index: u64, bytes: &[u8]) -> Hash {
    let head = (index << 16) | (bytes.len() as u64 & 0xffff);
    tagged(CHUNK_TAG, &[&head.to_be_bytes(), bytes])
}

/// Hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    tagged(NODE_TAG, &[&left.0, &right.0])
}

/// Depth of the tree over `leaves` leaves: the least d with 2^d >= leaves.
pub fn depth(leaves: u64) -> u32 {
    leaves.max(1).next_power_of_two().trailing_zeros()
}

/// Hashes of a tree over `leaves` leaves at a height above them: ceil(leaves / 2^height).
pub fn width(leaves: u64, height: u32) -> u64 {
    leaves.div_ceil(1u64.checked_shl(height).unwrap_or(u64::MAX))
}

/// Levels that one opening of a tree of this height shows: ceil(h / ceil(h / 6)); the last shows what is left.
pub fn opening_levels(height: u32) -> u32 {
    height.div_ceil(height.div_ceil(6).max(1))
}

/// Root over leaves that are already bound to their index.
pub fn root(leaves: Vec<Hash>) -> Hash {
    let pad = pad();
    let mut level = leaves;
    if level.is_empty() {
        return pad;
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [left] => node_hash(left, &pad),
                _ => pad,
            })
            .collect();
    }
    level.first().copied().unwrap_or(pad)
}

/// Root of a tensor's bytes (row-major, little-endian elements).
pub fn tensor_root(bytes: &[u8]) -> Hash {
    root(bytes.chunks(CHUNK).zip(0u64..).map(|(chunk, i)| chunk_hash(i, chunk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_bound_to_its_index_and_length() {
        let a = chunk_hash(0, &[1, 2, 3]);
        assert_ne!(a, chunk_hash(1, &[1, 2, 3]));
        assert_ne!(a, chunk_hash(0, &[1, 2, 3, 0]));
        assert_ne!(tensor_root(&[0; 512]), tensor_root(&[0; 511]));
    }

    #[test]
    fn missing_leaves_are_pad() {
        let leaves: Vec<Hash> = (0..3).map(|i| chunk_hash(i, &[7])).collect();
        let left = node_hash(&leaves[0], &leaves[1]);
        let right = node_hash(&leaves[2], &pad());
        assert_eq!(root(leaves), node_hash(&left, &right));
        assert_eq!(root(vec![]), pad());
        assert_eq!((depth(0), depth(1), depth(2), depth(3), depth(4), depth(5)), (0, 0, 1, 2, 2, 3));
        assert_eq!((width(11, 0), width(11, 1), width(11, 4), width(0, 3)), (11, 6, 1, 0));
    }

    #[test]
    fn openings_are_even() {
        assert_eq!([0, 1, 6, 7, 12, 13, 22].map(opening_levels), [0, 1, 6, 4, 6, 5, 6]);
    }
}
