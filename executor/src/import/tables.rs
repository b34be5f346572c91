//! The constants of non-linear functions and rotations. Only IEEE basic operations and the pure `libm` are used, so
//! that every machine makes the same bits.

use super::source::{Activation, Rope};

/// Fractional bits of a table's values.
const VALUE_BITS: i32 = 23;
/// Fractional bits of sines and cosines.
const ROTARY_BITS: i32 = 29;

fn to_fixed(x: f64, bits: i32) -> i64 {
    libm::round(libm::scalbn(x, bits)) as i64
}

/// 4,096 intervals of 1/128 over [-16, 16): pairs (value, difference to the next).
fn intervals(f: impl Fn(f64) -> f64) -> Vec<i64> {
    let at = |i: i32| to_fixed(f(f64::from(i - 2048) / 128.0), VALUE_BITS);
    (0..4096).flat_map(|i| [at(i), at(i + 1) - at(i)]).collect()
}

/// The bounded factor T of an activation x * T(x).
pub(super) fn activation(kind: Activation) -> Vec<i64> {
    match kind {
        Activation::Silu => intervals(|x| 1.0 / (1.0 + libm::exp(-x))),
        Activation::Gelu => intervals(|x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => intervals(|x| {
            let root = libm::sqrt(2.0 / std::f64::consts::PI);
            0.5 * (1.0 + libm::tanh(root * (x + 0.044715 * x * x * x)))
        }),
    }
}

/// tanh.
pub(super) fn tanh() -> Vec<i64> {
    intervals(libm::tanh)
}

/// round((2^31 - 1) * 2^(-i / 4096)) for i in 0 .. 4096.
pub(super) fn exp2() -> Vec<i64> {
    (0..4096).map(|i| libm::round(f64::from(i32::MAX) * libm::exp2(-f64::from(i) / 4096.0)) as i64).collect()
}

/// One level of a rotary table: for `rows` multiples of `stride` positions the cosines, then the sines.
pub(super) fn rotary(rope: &Rope, rows: u32, stride: u32) -> Vec<i64> {
    let mut out = Vec::new();
    for row in 0..rows {
        let position = f64::from(row * stride);
        for f in [libm::cos as fn(f64) -> f64, libm::sin] {
            out.extend(rope.frequencies.iter().map(|w| to_fixed(f(position * w), ROTARY_BITS)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolated_tables_err_below_one_in_a_hundred_thousand() {
        let t = activation(Activation::Silu);
        for i in -16_000..16_000 {
            let x = f64::from(i) / 1000.0;
            let u = (x + 16.0) * 128.0;
            let (cell, rest) = (u as usize, u - u.floor());
            let y = (t[2 * cell] as f64 + t[2 * cell + 1] as f64 * rest) / f64::from(1 << VALUE_BITS);
            assert!((y - 1.0 / (1.0 + (-x).exp())).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn weights_halve_after_a_whole_table() {
        let t = exp2();
        assert_eq!(t[0], i64::from(i32::MAX));
        assert_eq!(t[2048], libm::round(f64::from(i32::MAX) / 2f64.sqrt()) as i64);
        assert!(t.is_sorted_by(|a, b| a > b));
    }
}
