//! The committed graph: nodes over constants, between an input and an output interface.
//!
//! A program is data. It knows nothing of how it is run; `kernels/` says what each node's value is.

mod decode;
pub mod op;
pub(crate) mod shape;
mod validate;

pub(crate) use decode::Reader;
pub use decode::{DecodeError, ITEMS_MAX, STOP_TOKENS_MAX};
pub use shape::{Layout, SHAPE_BYTES, Shape, record_hash};
pub use validate::{Invalid, NodeInfo, validate};

use bisection::Hash;
use op::{Op, Range, Span};

/// Index of a node; inputs of a node have lower indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Index of a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstantId(pub u32);

impl NodeId {
    /// As an index into slices.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ConstantId {
    /// As an index into slices.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How an element is stored: two's complement, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ElementType {
    /// 1 byte.
    I8 = 0,
    /// 2 bytes.
    I16 = 1,
    /// 4 bytes.
    I32 = 2,
    /// 8 bytes.
    I64 = 3,
    /// 2 bytes, unsigned.
    U16 = 4,
}

impl ElementType {
    /// Bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    /// Least and greatest value.
    pub const fn limits(self) -> (i64, i64) {
        match self {
            Self::I8 => (i8::MIN as i64, i8::MAX as i64),
            Self::I16 => (i16::MIN as i64, i16::MAX as i64),
            Self::I32 => (i32::MIN as i64, i32::MAX as i64),
            Self::I64 => (i64::MIN, i64::MAX),
            Self::U16 => (0, u16::MAX as i64),
        }
    }

    fn from_code(code: u8) -> Result<Self, DecodeError> {
        [Self::I8, Self::I16, Self::I32, Self::I64, Self::U16]
            .into_iter()
            .find(|t| *t as u8 == code)
            .ok_or(DecodeError::ElementType(code))
    }

    /// Appends the stored bytes of `values`, each of which must fit.
    pub fn write(self, values: &[i64], out: &mut Vec<u8>) {
        for x in values {
            out.extend_from_slice(&x.to_le_bytes()[..self.size()]);
        }
    }
}

/// One operation, at a range of positions, over lower nodes and constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Where the node has a value.
    pub range: Range,
    /// Nodes that it reads, all lower.
    pub inputs: Vec<NodeId>,
    /// Constants that it reads.
    pub constants: Vec<ConstantId>,
}

/// Shape and declared range of a constant, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstantInfo {
    /// Type of the elements.
    pub element: ElementType,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
    /// No element is below.
    pub low: i64,
    /// No element is above.
    pub high: i64,
}

impl ConstantInfo {
    /// Number of elements.
    pub fn len(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns)
    }

    /// Is there no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Width of a node's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// The same at every position.
    Fixed(u32),
    /// For each group one element per visible position, groups outermost.
    PerVisible {
        /// Groups.
        groups: u32,
        /// Visible positions.
        span: Span,
    },
}

impl Width {
    /// Elements of the row at position `t` of a sequence of `positions`.
    pub fn at(self, t: usize, positions: usize) -> usize {
        match self {
            Self::Fixed(n) => n as usize,
            Self::PerVisible { groups, span } => {
                (groups as usize).saturating_mul(span.visible(t, positions).len())
            }
        }
    }
}

/// What comes out of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A token at every output position: the node of greedy requests, and the node of sampled ones.
    Tokens {
        /// `argmax`.
        greedy: NodeId,
        /// `pick`.
        sampled: NodeId,
    },
    /// A vector at the last position, in units of 2^-fraction.
    Vector {
        /// The node.
        node: NodeId,
        /// Fractional bits.
        fraction: i32,
    },
}

/// What goes in and out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Token ids are below this.
    pub vocabulary: u32,
    /// Most positions of a sequence.
    pub context: u32,
    /// Tokens that end a generation, ascending.
    pub stop_tokens: Vec<u32>,
    /// What comes out.
    pub output: Output,
    /// keccak256 of the tokenizer's bytes.
    pub tokenizer: Hash,
    /// keccak256 of the chat template's bytes (of nothing if there is none).
    pub chat_template: Hash,
}

/// A committed graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// In trace order.
    pub nodes: Vec<Node>,
    /// Referred to by the nodes.
    pub constants: Vec<ConstantInfo>,
    /// What goes in and out.
    pub interface: Interface,
}

impl Program {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((self.constants.len() as u32).to_be_bytes());
        self.constants.iter().for_each(|c| c.encode(&mut out));
        out.extend((self.nodes.len() as u32).to_be_bytes());
        self.nodes.iter().for_each(|n| n.encode(&mut out));
        self.interface.encode(&mut out);
        out
    }

    /// Reads the canonical encoding. The program is not yet validated.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        let n = from.count("constants", ITEMS_MAX)?;
        let constants = (0..n).map(|_| ConstantInfo::decode(&mut from)).collect::<Result<_, _>>()?;
        let n = from.count("nodes", ITEMS_MAX)?;
        let nodes = (0..n).map(|_| Node::decode(&mut from)).collect::<Result<_, _>>()?;
        let interface = Interface::decode(&mut from)?;
        from.end()?;
        Ok(Self { nodes, constants, interface })
    }
}

impl Interface {
    /// Appends the canonical encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.vocabulary.to_be_bytes());
        out.extend(self.context.to_be_bytes());
        let (kind, a, b) = match self.output {
            Output::Tokens { greedy, sampled } => (0u8, greedy.0, sampled.0),
            Output::Vector { node, fraction } => (1, node.0, fraction as u32),
        };
        out.push(kind);
        out.extend(a.to_be_bytes());
        out.extend(b.to_be_bytes());
        out.extend(self.tokenizer.0);
        out.extend(self.chat_template.0);
        out.extend((self.stop_tokens.len() as u32).to_be_bytes());
        self.stop_tokens.iter().for_each(|t| out.extend(t.to_be_bytes()));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (vocabulary, context) = (from.u32()?, from.u32()?);
        let (kind, a, b) = (from.u8()?, from.u32()?, from.u32()?);
        let output = match kind {
            0 => Output::Tokens { greedy: NodeId(a), sampled: NodeId(b) },
            1 => Output::Vector { node: NodeId(a), fraction: b as i32 },
            _ => return Err(DecodeError::Attribute(kind.into())),
        };
        let (tokenizer, chat_template) = (Hash(from.bytes32()?), Hash(from.bytes32()?));
        let n = from.count("stop tokens", STOP_TOKENS_MAX)?;
        let stop_tokens = (0..n).map(|_| from.u32()).collect::<Result<_, _>>()?;
        Ok(Self { vocabulary, context, stop_tokens, output, tokenizer, chat_template })
    }
}
