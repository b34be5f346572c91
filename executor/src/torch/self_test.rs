//! libtorch proves itself at load: sums at the ends of their range, in every shape of work, against plain loops.

use std::sync::OnceLock;

use super::LibtorchProducts;
use crate::engine::EngineError;
use crate::native::panels::{W16_MAX, digits_of, pack_panels};
use crate::native::{Panels, Products, TERMS_MAX};
use crate::program::NodeId;

/// How extreme values follow each other.
const SIGNS: [fn(usize) -> i16; 4] =
    [|_| 1, |_| -1, |i| if i.is_multiple_of(2) { 1 } else { -1 }, |i| if i * 7919 % 11 < 5 { 1 } else { -1 }];

/// Compares products with plain loops, once in a process. Some milliseconds.
///
/// # Errors
/// If a sum is different.
pub(super) fn self_test() -> Result<(), EngineError> {
    static TESTED: OnceLock<Result<(), EngineError>> = OnceLock::new();
    TESTED.get_or_init(compare).clone()
}

fn compare() -> Result<(), EngineError> {
    for digits in [1, 2] {
        // One row and many, odd lengths, and as many terms as are ever summed.
        for (m, n, k) in [(1, 35, 30), (2, 64, 576), (37, 33, 131), (2, 3, TERMS_MAX)] {
            for signs in SIGNS {
                if !agree(m, n, k, digits, signs)? {
                    let message =
                        format!("libtorch's products of ({m}, {k}) and ({n}, {k}) are wrong on this machine");
                    return Err(EngineError::Backend(message));
                }
            }
        }
    }
    Ok(())
}

fn agree(m: usize, n: usize, k: usize, digits: usize, signs: fn(usize) -> i16) -> Result<bool, EngineError> {
    let limit = if digits == 1 { 127 } else { W16_MAX };
    let weights: Vec<i16> = (0..n * k).map(|i| limit * signs(i)).collect();
    let bytes = pack_panels(&weights, n, k, digits);
    let products = LibtorchProducts::of(&Panels { n, k, digits, bytes: &bytes })?;
    let x: Vec<i8> = (0..m * k).map(|i| if signs(i / 3) > 0 { 127 } else { -128 }).collect();
    // All channels, and a part that does not begin with the first.
    for channels in [0..n, n / 2..n] {
        for digit in 0..digits {
            let mut sums = vec![7; m * channels.len()];
            products.multiply(NodeId(0), digit, &x, channels.clone(), &mut sums)?;
            let mut sums = sums.into_iter();
            for x in x.chunks_exact(k) {
                for w in weights.chunks_exact(k).skip(channels.start) {
                    let cut = |w: i16| i64::from(digits_of(w)[2 - digits + digit]);
                    let want: i64 = x.iter().zip(w).map(|(x, w)| i64::from(*x) * cut(*w)).sum();
                    if sums.next().map(i64::from) != Some(want) {
                        return Ok(false);
                    }
                }
            }
        }
    }
    Ok(true)
}
