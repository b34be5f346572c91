//! Every kernel on every instruction set of this machine against the scalar formulas.

mod attention;
mod linear;
mod rows;

use super::isa::Isa;
use super::self_test;
use super::team::Team;

/// Random numbers from a seed that proptest shrinks as one value.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Within +-limit; one in four is an end of the range.
    pub(super) fn within(&mut self, limit: i64) -> i64 {
        let sign = if self.next() & 1 == 0 { 1 } else { -1 };
        match self.next() % 4 {
            0 => sign * limit,
            _ => sign * (self.next() % (limit as u64 + 1)) as i64,
        }
    }

    /// In `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    /// Any `i32`, of any magnitude, ends included.
    pub(super) fn fixed(&mut self) -> i32 {
        match self.next() % 8 {
            0 => i32::MIN,
            1 => i32::MAX,
            _ => (self.next() as i32) >> (self.next() % 32),
        }
    }
}

/// Runs a check on every instruction set with one and with two threads.
pub(super) fn everywhere(mut check: impl FnMut(Isa, &Team)) {
    for isa in Isa::available() {
        for threads in [1, 2] {
            check(isa, &Team::new(threads).unwrap());
        }
    }
}

#[test]
fn every_instruction_set_of_this_machine_proves_itself() {
    for isa in Isa::available() {
        self_test(isa).unwrap();
    }
}
