//! How the numbers of a tensor are stored.

use half::{bf16, f16};

use super::gguf::{dequant, k_quants};

/// A storage format; `decode` gives f32 as the format's reference implementation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "the formats' own names")]
pub(crate) enum Encoding {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K,
    Q5_K,
    Q6_K,
}

impl Encoding {
    /// Numbers in a block and the block's bytes.
    pub(crate) const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4_K => (256, 144),
            Self::Q5_K => (256, 176),
            Self::Q6_K => (256, 210),
        }
    }

    /// Bytes of a row of `n` numbers, or None if the row is no whole number of blocks or too long to count.
    pub(crate) fn row_bytes(self, n: usize) -> Option<usize> {
        let (numbers, bytes) = self.block();
        if !n.is_multiple_of(numbers) {
            return None;
        }
        (n / numbers).checked_mul(bytes)
    }

    /// Appends the numbers of whole blocks; bytes after the last whole block are left.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F32 => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::F16 => out.extend(bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Self::BF16 => out.extend(bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
            Self::Q4_0 => blocks(bytes, out, dequant::q4_0),
            Self::Q4_1 => blocks(bytes, out, dequant::q4_1),
            Self::Q5_0 => blocks(bytes, out, dequant::q5_0),
            Self::Q5_1 => blocks(bytes, out, dequant::q5_1),
            Self::Q8_0 => blocks(bytes, out, dequant::q8_0),
            Self::Q4_K => blocks(bytes, out, k_quants::q4_k),
            Self::Q5_K => blocks(bytes, out, k_quants::q5_k),
            Self::Q6_K => blocks(bytes, out, k_quants::q6_k),
        }
    }
}

fn blocks<const BYTES: usize, const NUMBERS: usize>(
    bytes: &[u8],
    out: &mut Vec<f32>,
    decode: fn(&[u8; BYTES]) -> [f32; NUMBERS],
) {
    for block in bytes.as_chunks().0 {
        out.extend_from_slice(&decode(block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors from the reference decoder, see `generate.py` beside them.
    const VECTORS: [(Encoding, &str); 11] = [
        (Encoding::F32, include_str!("../../tests/data/dequant/f32.json")),
        (Encoding::F16, include_str!("../../tests/data/dequant/f16.json")),
        (Encoding::BF16, include_str!("../../tests/data/dequant/bf16.json")),
        (Encoding::Q4_0, include_str!("../../tests/data/dequant/q4_0.json")),
        (Encoding::Q4_1, include_str!("../../tests/data/dequant/q4_1.json")),
        (Encoding::Q5_0, include_str!("../../tests/data/dequant/q5_0.json")),
        (Encoding::Q5_1, include_str!("../../tests/data/dequant/q5_1.json")),
        (Encoding::Q8_0, include_str!("../../tests/data/dequant/q8_0.json")),
        (Encoding::Q4_K, include_str!("../../tests/data/dequant/q4_k.json")),
        (Encoding::Q5_K, include_str!("../../tests/data/dequant/q5_k.json")),
        (Encoding::Q6_K, include_str!("../../tests/data/dequant/q6_k.json")),
    ];

    fn bytes(vector: &serde_json::Value, key: &str) -> Vec<u8> {
        let digits = vector[key].as_str().unwrap();
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn every_encoding_decodes_to_the_bits_of_the_reference() {
        for (encoding, text) in VECTORS {
            let vector: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(vector["encoding"], format!("{encoding:?}"));
            let mut decoded = Vec::new();
            encoding.decode(&bytes(&vector, "stored"), &mut decoded);
            let decoded: Vec<u8> = decoded.iter().flat_map(|x| x.to_le_bytes()).collect();
            assert!(!decoded.is_empty() && decoded == bytes(&vector, "f32"), "{encoding:?}");
        }
    }

    #[test]
    fn a_row_is_whole_blocks() {
        assert_eq!(Encoding::Q4_K.row_bytes(512), Some(288));
        assert_eq!(Encoding::Q4_K.row_bytes(100), None);
        assert_eq!(Encoding::F32.row_bytes(usize::MAX), None);
    }
}
