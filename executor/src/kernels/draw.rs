//! u = uint256(keccak256(seed, uint256(position))) mod max(mass, 1), mass the last cumulative sum.

use bisection::{Hash, Hasher};

use super::operands::Operands;
use crate::numerics::{Exact, OutOfDomain};

/// A big-endian number of 256 bits modulo `modulus`.
fn remainder(digest: &Hash, modulus: i64) -> Exact<i64> {
    let modulus = i128::from(modulus);
    let rest = digest.0.iter().try_fold(0_i128, |acc, byte| {
        // acc < 2^62, so the next number has fewer than 71 bits.
        ((acc << 8) | i128::from(*byte)).checked_rem(modulus)
    });
    rest.and_then(|r| i64::try_from(r).ok()).ok_or(OutOfDomain("draw"))
}

pub(crate) fn draw_below(seed: &[u8; 32], position: u32, mass: i64) -> Exact<i64> {
    if mass < 1 {
        return Err(OutOfDomain("draw"));
    }
    let mut hasher = Hasher::new();
    hasher.update(seed).update(&[0; 28]).update(&position.to_be_bytes());
    remainder(&hasher.finish(), mass)
}

pub(super) fn draw(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let mass = *x.row(0)?.last().ok_or(OutOfDomain("draw"))?;
    Ok(vec![draw_below(&x.sampling.seed, x.position, mass.max(1))?])
}
