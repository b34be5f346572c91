//! What a trace offers to the game: hashes, chunks, lists. The machine implements it, the game never looks inside.

use crate::hash::Hash;
use crate::tree::{self, CHUNK};

/// Which of a trace's trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// The tree over the nodes' tensor roots; its root is the trace root.
    Nodes,
    /// The tree over the chunks of one node's tensor.
    Chunks {
        /// Node of the program.
        node: u32,
    },
}

/// A subtree: `index` counts the subtrees of its height from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// Of which tree.
    pub tree: Tree,
    /// Levels above the leaves; 0 is a leaf.
    pub height: u32,
    /// Among those of its height.
    pub index: u64,
}

impl Subtree {
    /// The whole tree over `leaves` leaves.
    pub fn whole(tree: Tree, leaves: u64) -> Self {
        Self { tree, height: tree::depth(leaves), index: 0 }
    }

    /// The subtrees `levels` below that cover a leaf of `leaves`: index of the first, and their number.
    /// A subtree without leaves has none; `levels` above the height are cut to it.
    pub fn below(&self, levels: u32, leaves: u64) -> (u64, u64) {
        let levels = levels.min(self.height);
        let at_level = tree::width(leaves, self.height.saturating_sub(levels));
        let span = 1u64.checked_shl(levels).unwrap_or(u64::MAX);
        let first = self.index.saturating_mul(span);
        (first, at_level.saturating_sub(first).min(span))
    }
}

/// An element of a trace, or a segment of its reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Node of the program.
    pub node: u32,
    /// Chunk of the node's tensor.
    pub chunk: u64,
    /// Element within the chunk.
    pub slot: u32,
    /// First term of the segment. `from = to = 0` is the whole element.
    pub from: u32,
    /// Term after the segment's last.
    pub to: u32,
}

impl Place {
    /// A whole element.
    pub fn element(node: u32, chunk: u64, slot: u32) -> Self {
        Self { node, chunk, slot, from: 0, to: 0 }
    }

    /// Is it a whole element, not a segment of one?
    pub fn is_whole(&self) -> bool {
        self.to == 0
    }
}

/// How a node's elements lie in chunks. Elements never straddle chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Rows one after the other, cut every 512 bytes.
    Rows {
        /// Of all rows.
        bytes: u64,
    },
    /// Blocks of 512 bytes' worth of positions; in a block, a chunk for each element of the row.
    Columns {
        /// Positions.
        count: u64,
        /// Elements of a row.
        width: u64,
    },
}

/// A node's tensor: chunks, their lengths, their elements. It follows from program and item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorShape {
    /// Where elements lie.
    pub layout: Layout,
    /// Bytes of an element: 1, 2, 4 or 8, little-endian.
    pub size: u32,
    /// Two's complement, or not.
    pub signed: bool,
}

impl TensorShape {
    /// Chunks, the leaves of its tree. 0 if the node has no positions: its root is then pad.
    pub fn chunks(&self) -> u64 {
        match self.layout {
            Layout::Rows { bytes } => bytes.div_ceil(CHUNK as u64),
            Layout::Columns { count, width } => {
                let blocks = if self.per() == 0 { 0 } else { count.div_ceil(self.per()) };
                blocks.saturating_mul(width)
            }
        }
    }

    /// Bytes of a chunk, at least 1; `None` out of range.
    pub fn chunk_len(&self, chunk: u64) -> Option<usize> {
        if chunk >= self.chunks() {
            return None;
        }
        let bytes = match self.layout {
            Layout::Rows { bytes } => bytes.checked_sub(chunk.checked_mul(CHUNK as u64)?)?,
            Layout::Columns { count, width } => {
                let before = chunk.checked_div(width)?.checked_mul(self.per())?;
                count.checked_sub(before)?.min(self.per()).checked_mul(u64::from(self.size))?
            }
        };
        usize::try_from(bytes.min(CHUNK as u64)).ok()
    }

    /// Elements of a chunk; 0 out of range.
    pub fn slots(&self, chunk: u64) -> u32 {
        let bytes = self.chunk_len(chunk).and_then(|bytes| u32::try_from(bytes).ok());
        bytes.and_then(|bytes| bytes.checked_div(self.size)).unwrap_or(0)
    }

    /// The element in a slot of a chunk's bytes; `None` out of range.
    pub fn value(&self, bytes: &[u8], slot: u32) -> Option<i64> {
        let size = usize::try_from(self.size).ok()?;
        let start = usize::try_from(slot).ok()?.checked_mul(size)?;
        let element = bytes.get(start..start.checked_add(size)?)?;
        let negative = self.signed && element.last()? & 0x80 != 0;
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide.get_mut(..size)?.copy_from_slice(element);
        Some(i64::from_le_bytes(wide))
    }

    /// Positions in a block of columns.
    fn per(&self) -> u64 {
        (CHUNK as u64).checked_div(u64::from(self.size)).unwrap_or(0)
    }
}

/// The partial results of a reduction that is too long for one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// One for each segment, in order.
    pub entries: Vec<i64>,
    /// Terms of each segment but the last.
    pub segment: u32,
    /// Term after the last.
    pub end: u32,
}

/// One item's trace, as one party has computed it. All its hashes are what that party stands for.
///
/// The caller asks only for what exists: subtrees, chunks and places in range.
pub trait TraceProvider {
    /// Why an answer could not be had.
    type Error: std::error::Error;

    /// Nodes of the program, the leaves of the tree of nodes. At least 1.
    fn nodes(&self) -> u32;

    /// How a node's tensor lies.
    fn tensor(&self, node: u32) -> Result<TensorShape, Self::Error>;

    /// Hash of a subtree. The trace root is that of `Subtree::whole(Tree::Nodes, nodes)`.
    fn hash(&mut self, at: Subtree) -> Result<Hash, Self::Error>;

    /// The hashes `levels` below a subtree, in order, those in range only (see [`Subtree::below`]).
    fn children(&mut self, at: Subtree, levels: u32) -> Result<Vec<Hash>, Self::Error>;

    /// A chunk's bytes.
    fn chunk(&mut self, node: u32, chunk: u64) -> Result<Vec<u8>, Self::Error>;

    /// The list of an element or of a segment; `None` if one step suffices.
    fn list(&mut self, at: Place) -> Result<Option<List>, Self::Error>;

    /// The first published output (token, or element of the vector) that this trace contradicts.
    ///
    /// A published token outside of the vocabulary is contradicted, and read as a row of zeros by what embeds it:
    /// whatever a proposer commits there has no valid step.
    fn wrong_output(&mut self) -> Result<Option<u32>, Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_every_512_bytes() {
        let shape = TensorShape { layout: Layout::Rows { bytes: 1030 }, size: 2, signed: true };
        assert_eq!(shape.chunks(), 3);
        assert_eq!([0, 1, 2, 3].map(|c| shape.chunk_len(c)), [Some(512), Some(512), Some(6), None]);
        assert_eq!([0, 2, 3].map(|c| shape.slots(c)), [256, 3, 0]);
        assert_eq!(shape.value(&[1, 0, 0xfe, 0xff], 1), Some(-2));
        assert_eq!(shape.value(&[1, 0, 0xfe], 1), None);
    }

    #[test]
    fn columns_have_a_chunk_for_each_element_and_block() {
        let shape = TensorShape { layout: Layout::Columns { count: 130, width: 3 }, size: 8, signed: true };
        assert_eq!(shape.chunks(), 9);
        assert_eq!([0, 5, 6, 8, 9].map(|c| shape.slots(c)), [64, 64, 2, 2, 0]);
        let none = TensorShape { layout: Layout::Columns { count: 0, width: 3 }, ..shape };
        assert_eq!((none.chunks(), none.chunk_len(0)), (0, None));
    }

    #[test]
    fn unsigned_elements_stay_so() {
        let shape = TensorShape { layout: Layout::Rows { bytes: 2 }, size: 2, signed: false };
        assert_eq!(shape.value(&[0xff, 0xff], 0), Some(65_535));
    }

    #[test]
    fn children_in_range() {
        let whole = Subtree::whole(Tree::Nodes, 11); // height 4
        assert_eq!((whole.below(2, 11), whole.below(4, 11)), ((0, 3), (0, 11)));
        let last = Subtree { tree: Tree::Nodes, height: 2, index: 2 };
        assert_eq!((last.below(1, 11), last.below(2, 11), last.below(9, 11)), ((4, 2), (8, 3), (8, 3)));
        assert_eq!(Subtree { index: 3, ..last }.below(2, 11), (12, 0));
    }
}
