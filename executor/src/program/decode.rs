//! Canonical encoding of programs. Big-endian, fixed, one encoding per program: what is hashed is what is read.
//!
//! A node is `code u8, range u8, n u8, n x input u32, n u8, n x constant u32, n u8, n x attribute i64`.

use super::op::{Attribute as _, Op, Range};
use super::{ConstantId, ConstantInfo, ElementType, Node, NodeId};

/// Bytes that are no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end early.
    #[error("the program is cut short at byte {0}")]
    Short(usize),
    /// Bytes follow the end.
    #[error("{0} bytes follow the program's end")]
    Trailing(usize),
    /// An operation that this version does not know.
    #[error("unknown operation {0}: this model needs a newer version")]
    Opcode(u8),
    /// Too few or too many attributes.
    #[error("operation {0} has a wrong number of attributes")]
    AttributeCount(u8),
    /// An attribute outside of its type.
    #[error("attribute {0} is out of range")]
    Attribute(i64),
    /// An element type that does not exist.
    #[error("unknown element type {0}")]
    ElementType(u8),
    /// More items than a program may have.
    #[error("{0} {1} are more than the limit of {2}")]
    Count(u64, &'static str, u64),
}

/// Most nodes or constants of a program.
pub const ITEMS_MAX: u32 = 1 << 17;
/// Most stop tokens.
pub const STOP_TOKENS_MAX: u32 = 1024;

/// A cursor over untrusted bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(n).ok_or(DecodeError::Short(self.at))?;
        let part = self.bytes.get(self.at..end).ok_or(DecodeError::Short(self.at))?;
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| DecodeError::Short(at))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn bytes32(&mut self) -> Result<[u8; 32], DecodeError> {
        self.array()
    }

    pub(crate) fn count(&mut self, what: &'static str, most: u32) -> Result<usize, DecodeError> {
        let n = self.u32()?;
        if n > most {
            return Err(DecodeError::Count(n.into(), what, most.into()));
        }
        Ok(n as usize)
    }

    pub(crate) fn end(self) -> Result<(), DecodeError> {
        match self.bytes.len().saturating_sub(self.at) {
            0 => Ok(()),
            n => Err(DecodeError::Trailing(n)),
        }
    }
}

impl Node {
    /// Appends the canonical encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.op.code(), self.range.to_wire() as u8, self.inputs.len() as u8]);
        self.inputs.iter().for_each(|x| out.extend(x.0.to_be_bytes()));
        out.push(self.constants.len() as u8);
        self.constants.iter().for_each(|x| out.extend(x.0.to_be_bytes()));
        let attributes = self.op.attributes();
        out.push(attributes.len() as u8);
        attributes.iter().for_each(|x| out.extend(x.to_be_bytes()));
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = from.u8()?;
        let range = Range::from_wire(from.u8()?.into())?;
        let n = from.u8()?;
        let inputs = (0..n).map(|_| from.u32().map(NodeId)).collect::<Result<_, _>>()?;
        let n = from.u8()?;
        let constants = (0..n).map(|_| from.u32().map(ConstantId)).collect::<Result<_, _>>()?;
        let n = from.u8()?;
        let attributes = (0..n).map(|_| from.i64()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { op: Op::from_wire(code, &attributes)?, range, inputs, constants })
    }
}

impl ConstantInfo {
    /// Appends the canonical encoding: `type u8, rows u32, columns u32, low i64, high i64`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.element as u8);
        out.extend(self.rows.to_be_bytes());
        out.extend(self.columns.to_be_bytes());
        out.extend(self.low.to_be_bytes());
        out.extend(self.high.to_be_bytes());
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let element = ElementType::from_code(from.u8()?)?;
        Ok(Self { element, rows: from.u32()?, columns: from.u32()?, low: from.i64()?, high: from.i64()? })
    }
}
