//! The arithmetic of docs/specification.md, "Numbers", on tensors of 64-bit integers.
//!
//! Nothing here checks a domain: the validator proves that every operand lies in it, once the constants are known to lie in
//! their declared ranges (`constants`). Outside of its domain a value wraps and means nothing, as in rows that nobody reads.

use tch::{Device, Kind, TchError, Tensor};

/// What libtorch makes of operands.
pub(super) type Made = Result<Tensor, TchError>;

const I32: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

/// sat32(x).
pub(super) fn sat32(x: &Tensor) -> Made {
    x.f_clamp(I32.0, I32.1)
}

/// sat32(round_shift(x, s)), abs(x) <= 2^62, -62 <= s <= 62.
pub(super) fn round_shift(x: &Tensor, s: i64) -> Made {
    match s {
        1.. => sat32(&x.f_add_scalar(1_i64 << (s - 1))?.f_bitwise_right_shift_tensor_scalar(s)?),
        0 => sat32(x),
        // What is not 0 leaves 32 bits when shifted by 31 or more: 31 is enough, and cannot leave 64 after the clamp.
        _ => sat32(&sat32(x)?.f_bitwise_left_shift_tensor_scalar(s.saturating_neg().min(31))?),
    }
}

/// The same with a shift for each element; shapes are broadcast.
pub(super) fn round_shift_by(x: &Tensor, s: &Tensor) -> Made {
    let right = s.f_clamp_min(0)?;
    let half =
        Tensor::f_bitwise_left_shift_scalar_tensor(1, &right)?.f_bitwise_right_shift_tensor_scalar(1)?;
    let left = s.f_neg()?.f_clamp(0, 31)?;
    let y = x.f_add(&half)?.f_bitwise_right_shift(&right)?;
    sat32(&sat32(&y)?.f_bitwise_left_shift(&left)?)
}

/// mantissa(x, e, bits), an exponent for each element; 2 to 32 bits, so that the saturation to 32 changes nothing.
pub(super) fn mantissa(x: &Tensor, e: &Tensor, bits: u32) -> Made {
    let limit = (1_i64 << (bits - 1)) - 1;
    round_shift_by(x, e)?.f_clamp(-limit, limit)
}

/// floor(a / b), b >= 1.
pub(super) fn floor_divide(a: &Tensor, b: &Tensor) -> Made {
    a.f_divide_tensor_mode(b, "floor")
}

/// divide(a, b), abs(a) <= 2^62, 1 <= b <= 2^62.
pub(super) fn divide(a: &Tensor, b: &Tensor) -> Made {
    floor_divide(&a.f_add(&b.f_bitwise_right_shift_tensor_scalar(1)?)?, b)
}

/// divide(a, b) by a number.
pub(super) fn divide_by(a: &Tensor, b: i64) -> Made {
    a.f_add_scalar(b / 2)?.f_divide_scalar_mode(b, "floor")
}

/// Numbers on a device, whatever comes from a list.
pub(super) fn numbers(list: &[i64], shape: &[i64], device: Device) -> Made {
    Tensor::f_from_slice(list)?.f_reshape(shape)?.f_to(device)
}

/// A tensor as 64-bit integers.
pub(super) fn wide(x: &Tensor) -> Made {
    x.f_totype(Kind::Int64)
}

/// Elements along a dimension.
pub(super) fn shape(x: &Tensor, dimension: usize) -> Result<i64, TchError> {
    let size = x.size();
    size.get(dimension)
        .copied()
        .ok_or_else(|| TchError::Shape(format!("{size:?} has no dimension {dimension}")))
}

/// Tables of the functions that libtorch does not have.
#[derive(Debug)]
pub(super) struct Tables {
    /// 2^0 .. 2^62.
    powers: Tensor,
    /// isqrt of numbers of 61 and 62 bits by their upper 10, of the middle of what they stand for.
    roots: Tensor,
}

impl Tables {
    pub(super) fn new(device: Device) -> Result<Self, TchError> {
        let powers: Vec<i64> = (0..63).map(|i| 1 << i).collect();
        let roots: Vec<i64> = (0..1024_i64).map(|i| ((i << 52) + (1 << 51)).isqrt()).collect();
        Ok(Self { powers: numbers(&powers, &[63], device)?, roots: numbers(&roots, &[1024], device)? })
    }

    /// bit_length(x), 0 <= x < 2^63: how many powers of two are not greater. No logarithm: those are wrong from 2^49 on.
    pub(super) fn bit_length(&self, x: &Tensor) -> Made {
        x.f_contiguous()?.f_bucketize(&self.powers, false, true)
    }

    /// isqrt(x), 2^60 <= x < 2^62, by Newton's method in integers.
    ///
    /// The table is within 2^-10 of the root (half of an interval of 1/256 of x, halved by the root). A step squares that and
    /// halves it: 2^-21, then 2^-43, which is less than 1 of a root below 2^31. A step never ends below floor(sqrt x).
    pub(super) fn isqrt(&self, x: &Tensor) -> Made {
        let mut q = self.roots.f_take(&x.f_bitwise_right_shift_tensor_scalar(52)?)?;
        for _ in 0..2 {
            q = q.f_add(&floor_divide(x, &q)?)?.f_bitwise_right_shift_tensor_scalar(1)?;
        }
        let above = q.f_mul(&q)?.f_gt_tensor(x)?;
        q.f_sub(&wide(&above)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics;

    fn tensor(list: &[i64]) -> Tensor {
        numbers(list, &[list.len() as i64], Device::Cpu).unwrap()
    }

    fn list(x: Tensor) -> Vec<i64> {
        assert_eq!(x.kind(), Kind::Int64);
        Vec::try_from(x).unwrap()
    }

    /// Ends of ranges, powers of two and their neighbours, both signs.
    fn edges() -> Vec<i64> {
        let powers = (0..63).flat_map(|i| [-1, 0, 1].map(|d| (1_i64 << i) + d));
        let all = powers.chain([5, 6, 7, 11, 13, 12_345_678_901_234_567]).flat_map(|x| [x, -x]);
        all.filter(|x| x.abs() <= numerics::WIDE_LIMIT).collect()
    }

    #[test]
    fn shifts_round_as_the_specification_says() {
        let edges = edges();
        let x = tensor(&edges);
        for s in -62..=62 {
            let want: Vec<i64> =
                edges.iter().map(|x| numerics::sat32(numerics::round_shift(*x, s).unwrap()).into()).collect();
            assert_eq!(list(round_shift(&x, s.into()).unwrap()), want, "by {s}");
            let by = tensor(&vec![s.into(); edges.len()]);
            assert_eq!(list(round_shift_by(&x, &by).unwrap()), want, "by tensors of {s}");
            for bits in [8, 16, 24, 32] {
                let want: Vec<i64> = edges.iter().map(|x| numerics::mantissa(*x, s, bits).unwrap()).collect();
                assert_eq!(list(mantissa(&x, &by, bits).unwrap()), want, "{bits} bits under {s}");
            }
        }
    }

    #[test]
    fn divisions_round_as_the_specification_says() {
        let edges = edges();
        let x = tensor(&edges);
        for b in edges.iter().copied().filter(|b| *b > 0) {
            let want: Vec<i64> = edges.iter().map(|a| numerics::divide(*a, b).unwrap()).collect();
            assert_eq!(list(divide_by(&x, b).unwrap()), want, "by {b}");
            assert_eq!(list(divide(&x, &tensor(&[b])).unwrap()), want, "by tensors of {b}");
        }
    }

    #[test]
    fn bits_are_counted_exactly() {
        let tables = Tables::new(Device::Cpu).unwrap();
        let edges: Vec<i64> = edges().into_iter().filter(|x| *x >= 0).chain([i64::MAX]).collect();
        let want: Vec<i64> = edges.iter().map(|x| numerics::bit_length(*x as u64).into()).collect();
        assert_eq!(list(tables.bit_length(&tensor(&edges)).unwrap()), want);
    }

    #[test]
    fn roots_are_floors() {
        let tables = Tables::new(Device::Cpu).unwrap();
        let (low, high) = (1_i64 << 60, (1_i64 << 62) - 1);
        // Squares and their neighbours are where a root steps; ends of the table's intervals are where it is worst.
        let squares = (0..4000)
            .map(|i| (1 << 30) + i * 268_435 + i * i % 977)
            .flat_map(|q: i64| [q * q - 1, q * q, q * q + 1, q * q + 2 * q]);
        let ends = (256..1024).flat_map(|i: i64| [i << 52, (i << 52) + 1, (i << 52) + (1 << 52) - 1]);
        let x: Vec<i64> = squares.chain(ends).filter(|x| (low..=high).contains(x)).collect();
        assert!(x.len() > 15_000);
        let want: Vec<i64> = x.iter().map(|x| x.isqrt()).collect();
        assert_eq!(list(tables.isqrt(&tensor(&x)).unwrap()), want);
    }
}
