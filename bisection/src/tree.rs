//! Positional trees: binary, of fixed depth, every leaf bound to its index, PAD where a leaf is missing.

use crate::builder::TensorBuilder;
use crate::hash::{Hash, tagged};
use crate::lanes::{LANES, keccak256_many};

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
    tagged(CHUNK_TAG, &[&chunk_head(index, bytes.len()), bytes])
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
    let height = depth(leaves.len() as u64);
    subtree_root(leaves, height)
}

/// Hash of a subtree of this height of which only the first `leaves` exist: the missing ones are pad, level by level.
/// Without leaves it is pad itself. (A height below the leaves' depth is raised to it.)
pub fn subtree_root(leaves: Vec<Hash>, height: u32) -> Hash {
    let height = height.max(depth(leaves.len() as u64));
    if leaves.is_empty() {
        return pad();
    }
    (0..height).fold(leaves, |level, _| parents(&level)).first().copied().unwrap_or_else(pad)
}

/// The next level of a tree: the hash of each pair, the last completed with pad.
pub fn parents(level: &[Hash]) -> Vec<Hash> {
    let (pairs, odd) = level.as_chunks::<2>();
    let mut out = Vec::with_capacity(pairs.len().saturating_add(odd.len()));
    for batch in pairs.chunks(LANES) {
        let mut messages = [[0; 72]; LANES];
        for (message, [left, right]) in messages.iter_mut().zip(batch) {
            join(message, [NODE_TAG, &left.0, &right.0]);
        }
        let messages = messages.each_ref().map(<[u8; 72]>::as_slice);
        out.extend(keccak256_many(messages.get(..batch.len()).unwrap_or(&[])));
    }
    out.extend(odd.first().map(|last| node_hash(last, &pad())));
    out
}

/// Hashes of consecutive chunks, the first of index `first`. Fast where neighbours have one length.
pub fn chunk_hashes<'a>(first: u64, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Hash> {
    let mut out = Vec::new();
    let mut chunks = (first..).zip(chunks);
    let mut messages = [[0; CHUNK + 16]; LANES];
    loop {
        let mut lengths = [0usize; LANES];
        for ((message, length), (i, chunk)) in messages.iter_mut().zip(&mut lengths).zip(chunks.by_ref()) {
            *length = join(message, [CHUNK_TAG, &chunk_head(i, chunk.len()), chunk]);
        }
        let filled = messages.iter().zip(lengths).filter(|(_, length)| *length > 0);
        let batch: Vec<&[u8]> = filled.filter_map(|(message, length)| message.get(..length)).collect();
        out.extend(keccak256_many(&batch));
        if batch.len() < LANES {
            return out;
        }
    }
}

/// Root of a tensor's bytes (row-major, little-endian elements).
pub fn tensor_root(bytes: &[u8]) -> Hash {
    let mut builder = TensorBuilder::new();
    builder.push(bytes);
    builder.finish()
}

/// Index and length of a chunk, as hashed with it.
fn chunk_head(index: u64, length: usize) -> [u8; 8] {
    ((index << 16) | (length as u64 & 0xffff)).to_be_bytes()
}

/// Writes the parts one after the other, as far as there is room; their length.
fn join(mut to: &mut [u8], parts: [&[u8]; 3]) -> usize {
    for part in parts {
        let Some((start, rest)) = to.split_at_mut_checked(part.len()) else { break };
        start.copy_from_slice(part);
        to = rest;
    }
    parts.iter().map(|part| part.len()).sum()
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
