//! keccak256 of eight messages of one length at a time: 64-bit word i of all eight is one vector.
//!
//! No intrinsics: arrays of eight words become AVX-512 (of four, AVX2) registers where the function may use them.
//! Everything else, and lengths that differ, goes through the scalar `sha3`.

use crate::hash::{Hash, keccak256};

/// Messages of one batch.
pub const LANES: usize = 8;

/// Bytes that one permutation absorbs.
const RATE: usize = 136;

/// keccak256 of each message, in order; fast where neighbours have one length.
pub fn keccak256_many(messages: &[&[u8]]) -> Vec<Hash> {
    let mut out = Vec::with_capacity(messages.len());
    let (full, rest) = messages.as_chunks::<LANES>();
    full.iter().for_each(|batch| out.extend(keccak256_x8(batch)));
    if let [first, _, ..] = rest {
        // The free lanes repeat a message: two lanes already pay for all eight.
        let mut batch = [*first; LANES];
        batch.iter_mut().zip(rest).for_each(|(to, from)| *to = from);
        out.extend(keccak256_x8(&batch).into_iter().take(rest.len()));
    } else {
        out.extend(rest.iter().map(|m| keccak256(m)));
    }
    out
}

/// keccak256 of eight messages.
pub fn keccak256_x8(messages: &[&[u8]; LANES]) -> [Hash; LANES] {
    let [first, rest @ ..] = messages;
    if rest.iter().any(|m| m.len() != first.len()) {
        return messages.map(keccak256);
    }
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl") {
            // SAFETY: the processor has both features.
            return unsafe { avx512(messages) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            let (halves, _) = messages.as_chunks::<4>();
            let mut out = [Hash::default(); LANES];
            for (half, to) in halves.iter().zip(out.chunks_exact_mut(4)) {
                // SAFETY: the processor has the feature.
                to.copy_from_slice(&unsafe { avx2(half) });
            }
            return out;
        }
    }
    messages.map(keccak256)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
fn avx512(messages: &[&[u8]; 8]) -> [Hash; 8] {
    sponge(messages)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(messages: &[&[u8]; 4]) -> [Hash; 4] {
    sponge(messages)
}

/// One word of every message.
type Word<const L: usize> = [u64; L];

/// Absorbs messages of one length and squeezes a digest from each.
#[inline(always)]
fn sponge<const L: usize>(messages: &[&[u8]; L]) -> [Hash; L] {
    let mut state = [[0u64; L]; 25];
    let mut last = [[0; RATE]; L];
    let mut blocks = [(); L].map(|()| [].iter());
    for ((message, last), blocks) in messages.iter().zip(&mut last).zip(&mut blocks) {
        let (full, rest) = message.as_chunks::<RATE>();
        *blocks = full.iter();
        if let Some((start, [end, ..])) = last.split_at_mut_checked(rest.len()) {
            start.copy_from_slice(rest);
            *end = 0x01;
        }
        last[RATE - 1] |= 0x80;
    }
    for _ in 0..blocks.first().map_or(0, |b| b.len()) {
        absorb(&mut state, blocks.iter_mut().filter_map(Iterator::next));
    }
    absorb(&mut state, last.iter());
    let mut out = [Hash::default(); L];
    for (i, hash) in out.iter_mut().enumerate() {
        for (to, word) in hash.0.chunks_exact_mut(8).zip(&state) {
            to.copy_from_slice(&word.get(i).copied().unwrap_or(0).to_le_bytes());
        }
    }
    out
}

/// Adds one block of each message to the state, and permutes it.
#[inline(always)]
fn absorb<'a, const L: usize>(state: &mut [Word<L>; 25], blocks: impl Iterator<Item = &'a [u8; RATE]>) {
    let mut words = [[0; L]; RATE / 8];
    for (lane, block) in blocks.enumerate() {
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
            if let Some(to) = word.get_mut(lane) {
                *to = u64::from_le_bytes(*bytes);
            }
        }
    }
    state.iter_mut().zip(words).for_each(|(to, word)| *to = xor(*to, word));
    permute(state);
}

#[inline(always)]
fn xor<const L: usize>(mut a: Word<L>, b: Word<L>) -> Word<L> {
    a.iter_mut().zip(&b).for_each(|(a, b)| *a ^= b);
    a
}

#[inline(always)]
fn rotate<const L: usize>(mut a: Word<L>, by: u32) -> Word<L> {
    a.iter_mut().for_each(|a| *a = a.rotate_left(by));
    a
}

#[inline(always)]
fn column<const L: usize>(a: Word<L>, b: Word<L>, c: Word<L>, d: Word<L>, e: Word<L>) -> Word<L> {
    xor(xor(xor(a, b), xor(c, d)), e)
}

/// `a ^ (!b & c)`.
#[inline(always)]
fn choose<const L: usize>(mut a: Word<L>, b: Word<L>, c: Word<L>) -> Word<L> {
    a.iter_mut().zip(b.iter().zip(&c)).for_each(|(a, (b, c))| *a ^= !b & c);
    a
}

/// keccak-f[1600] of every lane (FIPS 202, 3.3). Word x + 5y; indices are literals, so none is checked.
#[inline(always)]
fn permute<const L: usize>(s: &mut [Word<L>; 25]) {
    for constant in ROUNDS {
        let c = [
            column(s[0], s[5], s[10], s[15], s[20]),
            column(s[1], s[6], s[11], s[16], s[21]),
            column(s[2], s[7], s[12], s[17], s[22]),
            column(s[3], s[8], s[13], s[18], s[23]),
            column(s[4], s[9], s[14], s[19], s[24]),
        ];
        let d = [
            xor(c[4], rotate(c[1], 1)),
            xor(c[0], rotate(c[2], 1)),
            xor(c[1], rotate(c[3], 1)),
            xor(c[2], rotate(c[4], 1)),
            xor(c[3], rotate(c[0], 1)),
        ];
        // Row y of the result is made of five words that moved there: (word, its column, rotation).
        macro_rules! row {
            ($y:literal, $(($i:literal, $x:literal, $r:literal)),*) => {{
                let b = [$(rotate(xor(s[$i], d[$x]), $r)),*];
                [choose(b[0], b[1], b[2]), choose(b[1], b[2], b[3]), choose(b[2], b[3], b[4]),
                 choose(b[3], b[4], b[0]), choose(b[4], b[0], b[1])]
            }};
        }
        let rows = [
            row!(0, (0, 0, 0), (6, 1, 44), (12, 2, 43), (18, 3, 21), (24, 4, 14)),
            row!(1, (3, 3, 28), (9, 4, 20), (10, 0, 3), (16, 1, 45), (22, 2, 61)),
            row!(2, (1, 1, 1), (7, 2, 6), (13, 3, 25), (19, 4, 8), (20, 0, 18)),
            row!(3, (4, 4, 27), (5, 0, 36), (11, 1, 10), (17, 2, 15), (23, 3, 56)),
            row!(4, (2, 2, 62), (8, 3, 55), (14, 4, 39), (15, 0, 41), (21, 1, 2)),
        ];
        s.iter_mut().zip(rows.as_flattened()).for_each(|(to, from)| *to = *from);
        s[0] = xor(s[0], [constant; L]);
    }
}

/// Round constants (FIPS 202, 3.2.5).
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Eight different messages of a length.
    fn messages(length: usize, seed: u8) -> Vec<Vec<u8>> {
        (0..8u8)
            .map(|l| (0..length).map(|i| (i as u8).wrapping_mul(31) ^ l.wrapping_add(seed)).collect())
            .collect()
    }

    fn compare(messages: &[Vec<u8>]) {
        let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let expected: Vec<Hash> = slices.iter().map(|m| keccak256(m)).collect();
        assert_eq!(keccak256_many(&slices), expected);
        if messages.iter().any(|m| m.len() != messages[0].len()) {
            return;
        }
        if let Ok(batch) = <&[&[u8]; 8]>::try_from(slices.as_slice()) {
            assert_eq!(sponge(batch).as_slice(), expected, "lanes without vector instructions");
            let (halves, _) = batch.as_chunks::<4>();
            assert_eq!(sponge(&halves[1]).as_slice(), &expected[4..], "four lanes");
        }
    }

    #[test]
    fn equal_to_scalar_for_all_lengths_around_the_rate() {
        (0..=3 * RATE + 1).chain([528, 4095]).for_each(|length| compare(&messages(length, length as u8)));
    }

    proptest! {
        #[test]
        fn equal_to_scalar_for_any_messages(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..20)
        ) {
            compare(&messages);
        }

        #[test]
        fn equal_to_scalar_for_any_number_of_one_length(length in 0usize..600, count in 0usize..20, byte: u8) {
            let all: Vec<_> = (0..count).map(|i| vec![byte.wrapping_add(i as u8); length]).collect();
            compare(&all);
        }
    }
}
