//! Packed tokens: token i is bits i*b ..= i*b+b-1 of the stream, most significant first. docs/protocol.md, 2.1.

use super::refused::Fault;

/// Bytes of `count` numbers of `bits` bits: ceil(count * bits / 8).
pub fn byte_length(count: u32, bits: u8) -> u64 {
    u64::from(count).saturating_mul(bits.into()).div_ceil(8)
}

/// Number `index` of packed ones of `bits` bits, 1 ..= 32. `None` if the bytes end before it.
pub fn token(packed: &[u8], bits: u8, index: u32) -> Option<u32> {
    bits_at(packed, u64::from(index).checked_mul(bits.into())?, bits)
}

/// The number of `bits` bits, 1 ..= 32, that begins at bit `first`.
pub(super) fn bits_at(packed: &[u8], first: u64, bits: u8) -> Option<u32> {
    let start = usize::try_from(first.checked_div(8)?).ok()?;
    let end = usize::try_from(first.checked_add(bits.into())?.div_ceil(8)).ok()?;
    // At most 7 bits before it, and 32 of its own: 5 bytes.
    let mut window = [0; 8];
    window.iter_mut().zip(packed.get(start..end)?).for_each(|(to, from)| *to = *from);
    let word = u64::from_be_bytes(window).checked_shl(u32::try_from(first % 8).ok()?)?;
    u32::try_from(word.checked_shr(64_u32.checked_sub(bits.into())?)?).ok()
}

/// Are the unused bits of the last byte 0.
pub(super) fn tight(packed: &[u8], count: u32, bits: u8) -> Result<(), Fault> {
    let unused = byte_length(count, bits)
        .saturating_mul(8)
        .saturating_sub(u64::from(count).saturating_mul(bits.into()));
    let mask = u32::try_from(unused).ok().and_then(|n| 1u8.checked_shl(n)).unwrap_or(0).saturating_sub(1);
    match packed.last() {
        Some(last) if last & mask != 0 => Err(Fault::LooseBits),
        _ => Ok(()),
    }
}

/// Are all tokens below the vocabulary.
pub(super) fn below(packed: &[u8], count: u32, bits: u8, vocabulary: u32) -> Result<(), Fault> {
    if 1u64.checked_shl(bits.into()) == Some(vocabulary.into()) {
        return Ok(());
    }
    match (0..count).find(|i| token(packed, bits, *i).is_none_or(|token| token >= vocabulary)) {
        Some(index) => Err(Fault::Token { index }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition, bit by bit.
    fn pack(tokens: &[u32], bits: u8) -> Vec<u8> {
        let stream: Vec<u8> =
            tokens.iter().flat_map(|t| (0..bits).rev().map(move |b| (t >> b & 1) as u8)).collect();
        stream.chunks(8).map(|c| c.iter().fold(0, |byte, bit| byte << 1 | bit) << (8 - c.len())).collect()
    }

    proptest! {
        #[test]
        fn every_token_is_found(bits in 1u8..=32, words in prop::collection::vec(any::<u32>(), 1..50), at: prop::sample::Index) {
            let tokens: Vec<u32> = words.iter().map(|w| (u64::from(*w) & ((1 << bits) - 1)) as u32).collect();
            let (packed, count) = (pack(&tokens, bits), tokens.len() as u32);
            prop_assert_eq!(packed.len() as u64, byte_length(count, bits));
            for (i, t) in tokens.iter().enumerate() {
                prop_assert_eq!(token(&packed, bits, i as u32), Some(*t));
            }
            prop_assert_eq!(token(&packed, bits, (packed.len() * 8) as u32 / u32::from(bits)), None);
            prop_assert_eq!(tight(&packed, count, bits), Ok(()));
            let unused = packed.len() * 8 - tokens.len() * usize::from(bits);
            if unused > 0 {
                let mut loose = packed.clone();
                *loose.last_mut().unwrap() |= 1 << at.index(unused);
                prop_assert_eq!(tight(&loose, count, bits), Err(Fault::LooseBits));
            }
            let highest = tokens.iter().max().copied().unwrap();
            let first = tokens.iter().position(|t| *t == highest).unwrap() as u32;
            if highest < u32::MAX {
                prop_assert_eq!(below(&packed, count, bits, highest + 1), Ok(()));
            }
            if highest > 0 {
                prop_assert_eq!(below(&packed, count, bits, highest), Err(Fault::Token { index: first }));
            }
        }
    }
}
