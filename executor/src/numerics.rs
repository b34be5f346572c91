//! The scalar arithmetic that every kernel is made of. docs/specification.md, "Numbers".
//!
//! Every function is total: an argument outside of its domain is an [`OutOfDomain`] error, never a panic and never
//! a wrapped result. A validated program cannot produce one (the bounds are proved at import), so meeting one
//! means a corrupted artefact.

/// An operand was outside of the range that the validator proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("arithmetic outside of its proved bounds in {0}: the artefact is corrupted, import the model again")]
pub struct OutOfDomain(pub &'static str);

/// Result of consensus arithmetic.
pub type Exact<T> = Result<T, OutOfDomain>;

/// Magnitude limit of every operand of [`round_shift`].
pub const WIDE_LIMIT: i64 = 1 << 62;

/// Clamps to the range of a Fixed.
pub const fn sat32(x: i64) -> i32 {
    if x > i32::MAX as i64 {
        i32::MAX
    } else if x < i32::MIN as i64 {
        i32::MIN
    } else {
        x as i32
    }
}

/// `floor((x + 2^(s-1)) / 2^s)` for s > 0, `x` for 0, `x * 2^-s` clamped to the range of i64 for s < 0.
///
/// Domain: |x| <= 2^62, -62 <= s <= 62.
pub const fn round_shift(x: i64, s: i32) -> Exact<i64> {
    if x > WIDE_LIMIT || x < -WIDE_LIMIT || s > 62 || s < -62 {
        return Err(OutOfDomain("round_shift"));
    }
    Ok(if s > 0 {
        // 2^62 + 2^61 fits an i64.
        (x + (1 << (s - 1))) >> s
    } else {
        let wide = (x as i128) << -s;
        if wide > i64::MAX as i128 {
            i64::MAX
        } else if wide < i64::MIN as i128 {
            i64::MIN
        } else {
            wide as i64
        }
    })
}

/// Product of two operands as an operand of [`round_shift`].
///
/// Domain: |a * b| <= 2^62.
pub const fn product(a: i64, b: i64) -> Exact<i64> {
    match a.checked_mul(b) {
        Some(p) if p <= WIDE_LIMIT && p >= -WIDE_LIMIT => Ok(p),
        _ => Err(OutOfDomain("product")),
    }
}

/// Sum of two operands.
///
/// Domain: |a + b| <= 2^62.
pub const fn sum(a: i64, b: i64) -> Exact<i64> {
    match a.checked_add(b) {
        Some(p) if p <= WIDE_LIMIT && p >= -WIDE_LIMIT => Ok(p),
        _ => Err(OutOfDomain("sum")),
    }
}

/// Difference of two operands.
///
/// Domain: |a - b| <= 2^62.
pub const fn difference(a: i64, b: i64) -> Exact<i64> {
    match a.checked_sub(b) {
        Some(p) if p <= WIDE_LIMIT && p >= -WIDE_LIMIT => Ok(p),
        _ => Err(OutOfDomain("difference")),
    }
}

/// Number of bits of a magnitude: 0 for 0, otherwise `floor(log2 x) + 1`.
pub const fn bit_length(x: u64) -> i32 {
    64 - x.leading_zeros() as i32
}

/// `floor((a + floor(b/2)) / b)`, the one rounding division.
///
/// Domain: |a| <= 2^62, 1 <= b <= 2^62.
pub const fn divide(a: i64, b: i64) -> Exact<i64> {
    if b < 1 || b > WIDE_LIMIT || a > WIDE_LIMIT || a < -WIDE_LIMIT {
        return Err(OutOfDomain("divide"));
    }
    Ok((a + b / 2).div_euclid(b))
}

/// `floor(sqrt x)`.
pub const fn isqrt(x: u64) -> u64 {
    x.isqrt()
}

/// Exponent of a row of mantissas of `bits` bits: `bit_length(max |x|) - (bits - 1)`.
pub const fn row_exponent(magnitude: u64, bits: u32) -> i32 {
    bit_length(magnitude).saturating_sub((bits as i32).saturating_sub(1))
}

/// Mantissa of one value: `round_shift(x, e)` within +-(2^(bits-1) - 1).
///
/// Domain: that of [`round_shift`], and 2 to 32 bits.
pub const fn mantissa(x: i64, e: i32, bits: u32) -> Exact<i64> {
    if bits < 2 || bits > 32 {
        return Err(OutOfDomain("mantissa"));
    }
    let limit = (1 << (bits - 1)) - 1;
    match round_shift(x, e) {
        Ok(m) if m > limit => Ok(limit),
        Ok(m) if m < -limit => Ok(-limit),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_floor_of_half_added() {
        let cases =
            [(5, 1, 3), (-5, 1, -2), (-1, 1, 0), (1, 1, 1), (3, 2, 1), (-6, 2, -1), (-7, 2, -2), (7, 0, 7)];
        for (x, s, want) in cases {
            assert_eq!(round_shift(x, s), Ok(want), "{x} >> {s}");
        }
    }

    #[test]
    fn left_shift_saturates() {
        assert_eq!(round_shift(3, -4), Ok(48));
        assert_eq!(round_shift(1 << 40, -40), Ok(i64::MAX));
        assert_eq!(round_shift(-(1 << 40), -40), Ok(i64::MIN));
        assert_eq!(round_shift(-1, -62), Ok(-WIDE_LIMIT));
    }

    #[test]
    fn outside_of_the_domain_is_an_error() {
        assert!(round_shift(WIDE_LIMIT + 1, 3).is_err());
        assert!(round_shift(1, 63).is_err());
        assert!(product(1 << 32, 1 << 31).is_err());
        assert_eq!(product(-(1 << 31), 1 << 31), Ok(-WIDE_LIMIT));
        assert!(divide(1, 0).is_err());
        assert!(sum(WIDE_LIMIT, 1).is_err());
    }

    #[test]
    fn division_floors_after_adding_half() {
        let cases = [(7, 2, 4), (-7, 2, -3), (-8, 3, -3), (8, 3, 3), (-1, 5, 0), (0, 1, 0)];
        for (a, b, want) in cases {
            assert_eq!(divide(a, b), Ok(want), "{a} / {b}");
        }
    }

    #[test]
    fn mantissas_keep_the_sign_and_never_reach_the_lowest_value() {
        assert_eq!(row_exponent(0, 16), -15);
        assert_eq!(row_exponent(1 << 31, 16), 17);
        assert_eq!(mantissa(i64::from(i32::MIN), 17, 16), Ok(-16384));
        assert_eq!(mantissa(65_535, 1, 16), Ok(32_767));
        assert_eq!(mantissa(-65_535, 1, 16), Ok(-32_767));
        assert_eq!(mantissa(1, -14, 16), Ok(16_384));
    }
}
