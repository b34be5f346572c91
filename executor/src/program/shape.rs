//! What a node's tensor looks like, as a contract reads it. docs/protocol.md, 2.2 and 2.4.

use bisection::{Hash, tagged};

use super::op::{Attribute as _, Op, Range, Span};
use super::{ElementType, Node, NodeInfo, Width};

/// In which order a node's elements lie in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layout {
    /// The rows of all positions, one after the other.
    Rows = 0,
    /// Blocks of positions; in a block, a chunk for each element of the row. For what is summed over time.
    Columns = 1,
}

/// Bytes of an encoded shape.
pub const SHAPE_BYTES: usize = 16;

/// Element type, width, range and layout of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Type of the elements.
    pub element: ElementType,
    /// Width of a row.
    pub width: Width,
    /// Where the node has a value.
    pub range: Range,
    /// Where its elements lie.
    pub layout: Layout,
}

impl Shape {
    /// `u8 element, u8 kind, u32 width or groups, i64 span, u8 range, u8 layout`.
    pub fn encode(&self) -> [u8; SHAPE_BYTES] {
        let (kind, width, span) = match self.width {
            Width::Fixed(n) => (0, n, 0),
            Width::PerVisible { groups, span } => (1, groups, span.to_wire()),
        };
        let mut out = [0; SHAPE_BYTES];
        out[0] = self.element as u8;
        out[1] = kind;
        out[2..6].copy_from_slice(&width.to_be_bytes());
        out[6..14].copy_from_slice(&span.to_be_bytes());
        out[14] = self.range.to_wire() as u8;
        out[15] = self.layout as u8;
        out
    }
}

impl NodeInfo {
    /// The part of it that is committed.
    pub fn shape(&self) -> Shape {
        Shape { element: self.element, width: self.width, range: self.range, layout: self.layout }
    }
}

impl Op {
    /// Does the operation read the elements of its `k`th input along time, so that they should lie together.
    pub(super) fn reads_columns(&self, k: usize) -> bool {
        match self {
            Self::Mix { .. } => k == 2 || k == 3,
            Self::TimeMax { .. } | Self::Pool {} => true,
            _ => false,
        }
    }

    /// Does a step of the operation read many neighbours in a row of its `k`th input. In columns each of them would be
    /// an opening of its own.
    pub(super) fn reads_neighbours(&self, k: usize) -> bool {
        match self {
            Self::Linear { .. }
            | Self::Rope { .. }
            | Self::RowExp { .. }
            | Self::SumSq { .. }
            | Self::RowSum {}
            | Self::Hadamard { .. }
            | Self::RowMax {}
            | Self::GroupMax { .. }
            | Self::GroupMean { .. }
            | Self::WSum {}
            | Self::Mix { .. }
            | Self::Argmax {}
            | Self::BlockSum { .. }
            | Self::Pick { .. } => k == 0,
            Self::Score { .. } => k == 0 || k == 2,
            Self::Hist { .. } => k < 2,
            _ => false,
        }
    }
}

impl Node {
    /// The node's record: its encoding, its shape, the shapes of its inputs. `infos` are those of the whole program.
    pub fn record(&self, index: usize, infos: &[NodeInfo]) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        for i in std::iter::once(index).chain(self.inputs.iter().map(|x| x.index())) {
            out.extend(infos[i].shape().encode());
        }
        out
    }
}

/// Leaf of the tree of a program's nodes.
pub fn record_hash(index: u32, record: &[u8]) -> Hash {
    tagged(b"rf.inode", &[&u64::from(index).to_be_bytes(), record])
}

/// The positions visible through a span, as (first, count).
pub(crate) fn visible(span: Span, position: u64, positions: u64) -> (u64, u64) {
    let end = position.saturating_add(1);
    match span {
        Span::All => (0, positions),
        Span::Causal => (0, end),
        Span::Window(w) => {
            let count = end.min(w.into());
            (end.saturating_sub(count), count)
        }
    }
}
