//! One inference as a contract knows it: its header, its hash, its positions, and how its tokens are packed.

use bisection::{Hash, tagged, tree};

use crate::kernels::Sampling;
use crate::program::op::Range;
use crate::program::{Interface, Output};

/// The header of an item. docs/protocol.md, 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The program, its constants and its interface.
    pub model_id: Hash,
    /// Does it give a vector rather than tokens.
    pub vector: bool,
    /// Bits of a packed token.
    pub token_bits: u8,
    /// Tokens of the prompt.
    pub prompt_length: u32,
    /// Tokens of the output, or elements of the output vector.
    pub output_length: u32,
    /// What the request says of sampling.
    pub sampling: Sampling,
    /// Tensor root of the packed prompt tokens.
    pub prompt_root: Hash,
    /// Tensor root of the packed output tokens, or of the `i32` elements of the output vector.
    pub output_root: Hash,
}

/// Bits of a packed token of a vocabulary of `entries`.
pub fn token_bits(entries: u32) -> u8 {
    let bits = u32::BITS.saturating_sub(entries.saturating_sub(1).leading_zeros());
    bits.max(1) as u8
}

/// Tokens of `bits` bits each, most significant bit first, the last byte filled with zeros.
pub fn pack_tokens(tokens: &[u32], bits: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut byte = 0u8;
    let mut filled = 0u8;
    for token in tokens {
        for bit in (0..bits).rev() {
            byte = (byte << 1) | ((token >> bit) & 1) as u8;
            filled = filled.saturating_add(1);
            if filled == 8 {
                out.push(byte);
                (byte, filled) = (0, 0);
            }
        }
    }
    if filled > 0 {
        out.push(byte << 8_u8.saturating_sub(filled));
    }
    out
}

impl Item {
    /// An inference that gave tokens.
    pub fn tokens(
        model_id: Hash,
        face: &Interface,
        prompt: &[u32],
        output: &[u32],
        sampling: Sampling,
    ) -> Self {
        let bits = token_bits(face.vocabulary);
        Self {
            model_id,
            vector: false,
            token_bits: bits,
            prompt_length: prompt.len() as u32,
            output_length: output.len() as u32,
            sampling,
            prompt_root: tree::tensor_root(&pack_tokens(prompt, bits)),
            output_root: tree::tensor_root(&pack_tokens(output, bits)),
        }
    }

    /// An inference that gave a vector.
    pub fn vector(model_id: Hash, face: &Interface, prompt: &[u32], output: &[i32]) -> Self {
        let bytes: Vec<u8> = output.iter().flat_map(|x| x.to_le_bytes()).collect();
        let item = Self::tokens(model_id, face, prompt, &[], Sampling::GREEDY);
        Self {
            vector: true,
            output_length: output.len() as u32,
            output_root: tree::tensor_root(&bytes),
            ..item
        }
    }

    /// Is it of the kind that a program gives.
    pub fn fits(&self, face: &Interface) -> bool {
        self.vector == matches!(face.output, Output::Vector { .. })
            && self.token_bits == token_bits(face.vocabulary)
    }

    /// The fields in order, packed: 154 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.model_id.0.to_vec();
        out.extend([u8::from(self.vector), self.token_bits]);
        let s = &self.sampling;
        for x in [self.prompt_length, self.output_length, s.temperature, s.top_k, s.top_p, s.min_p] {
            out.extend(x.to_be_bytes());
        }
        out.extend(s.seed);
        out.extend(self.prompt_root.0);
        out.extend(self.output_root.0);
        out
    }

    /// What games know it by.
    pub fn hash(&self) -> Hash {
        tagged(b"rf.item_", &[&self.encode()])
    }

    /// Positions that are run.
    pub fn positions(&self) -> u32 {
        if self.vector {
            self.prompt_length
        } else {
            self.prompt_length.saturating_add(self.output_length).saturating_sub(1)
        }
    }

    /// First position of a range, and how many it has.
    pub fn range(&self, range: Range) -> (u32, u32) {
        let n = self.positions();
        let outputs = self.prompt_length.saturating_sub(1);
        match range {
            Range::All => (0, n),
            Range::Sampled if self.sampling.is_greedy() => (outputs, 0),
            Range::Outputs | Range::Sampled => (outputs, n.saturating_sub(outputs)),
            Range::Last => (n.saturating_sub(1), n.min(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lie_back_to_back() {
        assert_eq!([1, 2, 3, 256, 257, 49_152].map(token_bits), [1, 1, 2, 8, 9, 16]);
        assert_eq!(pack_tokens(&[0b101, 0b011, 0b110], 3), [0b1010_1111, 0]);
        assert_eq!(pack_tokens(&[0x1234, 0xabcd], 16), [0x12, 0x34, 0xab, 0xcd]);
        assert_eq!(pack_tokens(&[1], 9), [0, 0b1000_0000]);
        assert!(pack_tokens(&[], 9).is_empty());
    }
}
