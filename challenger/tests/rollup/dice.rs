//! Rounds and their randomness.

use crate::world::Dice;

/// The multiple of all rounds.
fn factor() -> u64 {
    let text = std::env::var("REFUTE_PARITY_ROUNDS").unwrap_or_else(|_| "1".into());
    text.parse().expect("REFUTE_PARITY_ROUNDS is a number")
}

/// Plays rounds, each from a seed of its own that is printed if it fails. `REFUTE_PARITY_SEED` plays that one alone.
pub(crate) fn rounds(count: u64, mut play: impl FnMut(u64)) {
    let mut one = |seed: u64| {
        let told = Told(seed);
        play(seed);
        std::mem::forget(told);
    };
    if let Ok(seed) = std::env::var("REFUTE_PARITY_SEED") {
        return one(seed.parse().expect("REFUTE_PARITY_SEED is a number"));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut seeds = Dice(now.as_nanos() as u64);
    (0..count * factor()).for_each(|_| one(seeds.roll(u64::MAX)));
}

struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("REFUTE_PARITY_SEED={}", self.0);
    }
}

impl Dice {
    /// Bytes, of which often all are zeros or ones.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        match self.roll(6) {
            0 => [0; N],
            1 => [0xff; N],
            _ => std::array::from_fn(|_| self.roll(256) as u8),
        }
    }

    /// A number of some bits, often at an edge: small, or just below or above another.
    pub(crate) fn near(&mut self, other: u128) -> u128 {
        match self.roll(7) {
            0 => u128::from(self.roll(4)),
            1 => u128::MAX - u128::from(self.roll(4)),
            2 => other.wrapping_add(1 + u128::from(self.roll(2))),
            3 => other.wrapping_sub(1 + u128::from(self.roll(2))),
            4 => u128::from_be_bytes(self.bytes()) >> self.roll(128),
            _ => other,
        }
    }

    /// One of some.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len() as u64) as usize]
    }

    /// The bytes with something changed: a bit, a byte, a run of them, the length.
    pub(crate) fn broken(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        let at = self.roll(out.len().max(1) as u64) as usize;
        match self.roll(8) {
            _ if out.is_empty() => out.push(self.roll(256) as u8),
            0 | 1 => out[at] ^= 1 << self.roll(8),
            2 => out[at] = self.roll(256) as u8,
            3 => {
                let end = out.len().min(at + 1 + self.roll(8) as usize);
                let with = if self.one_in(2) { 0 } else { 0xff };
                out[at..end].fill(with);
            }
            4 => out.truncate(at),
            5 => {
                let more = 1 + self.roll(40);
                (0..more).for_each(|_| out.push(0));
            }
            6 => {
                let more = *self.pick(&[1, 4, 32, 36]);
                out.splice(at..at, std::iter::repeat_n(0, more));
            }
            _ => {
                let less = (*self.pick(&[1, 4, 16, 32])).min(out.len() - at);
                out.drain(at..at + less);
            }
        }
        out
    }
}
