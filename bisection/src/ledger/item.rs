//! The header of an item. docs/protocol.md, 2.1.

use super::request::Sampling;
use super::wire::Reader;
use crate::hash::{Hash, tagged};

/// One inference as the games know it. Posting makes it from the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemHeader {
    /// Id of the model.
    pub model: Hash,
    /// Kind 1: does it give a vector rather than tokens.
    pub vector: bool,
    /// Bits of a packed token.
    pub token_bits: u8,
    /// Tokens of the prompt.
    pub prompt_length: u32,
    /// Tokens of the output, or elements of the vector.
    pub output_length: u32,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The item's seed, which a request without one has too if it is sampled.
    pub seed: Hash,
    /// Tensor root of the packed prompt.
    pub prompt_root: Hash,
    /// Tensor root of the packed output, or of the vector's `i32` elements.
    pub output_root: Hash,
}

impl ItemHeader {
    /// Bytes of the encoding.
    pub const BYTES: usize = 154;

    /// The fields in order, packed: 154 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.model.0.to_vec();
        out.extend([u8::from(self.vector), self.token_bits]);
        out.extend(self.prompt_length.to_be_bytes());
        out.extend(self.output_length.to_be_bytes());
        out.extend(self.sampling.encode());
        out.extend(self.seed.0);
        out.extend(self.prompt_root.0);
        out.extend(self.output_root.0);
        out
    }

    /// `None` for a kind that is none; the caller compares hashes.
    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            model: from.hash()?,
            vector: match from.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            token_bits: from.u8()?,
            prompt_length: from.u32()?,
            output_length: from.u32()?,
            sampling: Sampling::read(from)?,
            seed: from.hash()?,
            prompt_root: from.hash()?,
            output_root: from.hash()?,
        })
    }

    /// `H("rf.item_", fields)`.
    pub fn hash(&self) -> Hash {
        tagged(b"rf.item_", &[&self.encode()])
    }
}
