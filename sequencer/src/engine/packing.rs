//! Prompts and outputs as they are posted.

use bisection::{Hash, tree};
use executor::trace::pack_tokens;

/// What came out of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tokens.
    Tokens(Vec<u32>),
    /// A vector, as Fixed.
    Vector(Vec<i32>),
}

impl Output {
    /// Tokens, or elements.
    pub fn length(&self) -> u32 {
        match self {
            Self::Tokens(tokens) => tokens.len() as u32,
            Self::Vector(vector) => vector.len() as u32,
        }
    }

    /// The bytes that are posted.
    pub fn pack(&self, bits: u8) -> Vec<u8> {
        match self {
            Self::Tokens(tokens) => pack_tokens(tokens, bits),
            Self::Vector(vector) => vector.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// The other way round; `None` if there are not as many bytes as `length` needs.
    pub fn unpack(bytes: &[u8], length: u32, bits: u8, vector: bool) -> Option<Self> {
        if !vector {
            return unpack_tokens(bytes, length, bits).map(Self::Tokens);
        }
        let (words, rest) = bytes.as_chunks::<4>();
        let whole = rest.is_empty() && words.len() == length as usize;
        whole.then(|| Self::Vector(words.iter().map(|w| i32::from_le_bytes(*w)).collect()))
    }
}

/// Root of packed bytes: a request's `prompt`, a receipt's `output`.
pub fn root(packed: &[u8]) -> Hash {
    tree::tensor_root(packed)
}

/// Tokens of `bits` bits each, as [`pack_tokens`] has packed them.
pub fn unpack_tokens(bytes: &[u8], length: u32, bits: u8) -> Option<Vec<u32>> {
    let needed = (u64::from(length) * u64::from(bits)).div_ceil(8);
    if bytes.len() as u64 != needed || !(1..=32).contains(&bits) {
        return None;
    }
    let (mut held, mut filled, mut rest) = (0_u64, 0_u32, bytes.iter());
    let mut token = || {
        while filled < u32::from(bits) {
            held = (held << 8) | u64::from(*rest.next()?);
            filled += 8;
        }
        filled -= u32::from(bits);
        let token = (held >> filled) as u32;
        held &= (1 << filled) - 1;
        Some(token)
    };
    (0..length).map(|_| token()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for bits in [1, 3, 8, 9, 16, 17, 31] {
            let tokens: Vec<u32> =
                (0..100_u32).map(|i| i.wrapping_mul(2_654_435_761) & ((1 << bits) - 1)).collect();
            let packed = pack_tokens(&tokens, bits);
            assert_eq!(unpack_tokens(&packed, 100, bits), Some(tokens));
            assert_eq!(unpack_tokens(&packed[1..], 100, bits), None);
        }
        assert_eq!(unpack_tokens(&[], 0, 9), Some(vec![]));
        let vector = Output::Vector(vec![1, -2]);
        assert_eq!(Output::unpack(&vector.pack(9), 2, 9, true), Some(vector.clone()));
        assert_eq!(Output::unpack(&vector.pack(9), 3, 9, true), None);
    }
}
