//! The scalar arithmetic against its definition in whole numbers of any size (i128 holds everything that occurs).

use executor::numerics::{
    WIDE_LIMIT, bit_length, difference, divide, isqrt, mantissa, product, round_shift, row_exponent, sat32,
    sum,
};
use proptest::prelude::*;

const LIMIT: i128 = 1 << 62;

fn wide() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -WIDE_LIMIT..=WIDE_LIMIT,
        -70_000..70_000_i64,
        (0..64_u32, -2..=2_i64).prop_map(|(s, d)| (1_i64 << s).wrapping_add(d)),
        (0..64_u32, -2..=2_i64).prop_map(|(s, d)| (-1_i64 << s).wrapping_add(d)),
    ]
}

fn inside(x: i128) -> bool {
    (-LIMIT..=LIMIT).contains(&x)
}

/// floor(a / b) for b > 0.
fn floor(a: i128, b: i128) -> i128 {
    a.div_euclid(b)
}

fn clamp64(x: i128) -> i128 {
    x.clamp(i64::MIN.into(), i64::MAX.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn round_shift_adds_half_and_floors(x in wide(), s in prop_oneof![-70..70_i32, any::<i32>()]) {
        let defined = inside(x.into()) && (-62..=62).contains(&s);
        let want = defined.then(|| match s {
            1.. => floor(i128::from(x) + (1 << (s - 1)), 1 << s),
            _ => clamp64(i128::from(x) << -s),
        });
        prop_assert_eq!(round_shift(x, s).ok().map(i128::from), want);
    }

    #[test]
    fn division_adds_half_and_floors(a in wide(), b in wide()) {
        let defined = inside(a.into()) && b >= 1 && inside(b.into());
        let want = defined.then(|| floor(i128::from(a) + i128::from(b) / 2, b.into()));
        prop_assert_eq!(divide(a, b).ok().map(i128::from), want);
    }

    #[test]
    fn sums_and_products_are_exact_or_refused(a in wide(), b in wide()) {
        let (x, y) = (i128::from(a), i128::from(b));
        for (got, want) in [(sum(a, b), x + y), (difference(a, b), x - y), (product(a, b), x * y)] {
            prop_assert_eq!(got.ok().map(i128::from), inside(want).then_some(want));
        }
    }

    #[test]
    fn saturation_is_the_nearest_fixed(x in any::<i64>()) {
        prop_assert_eq!(i64::from(sat32(x)), x.clamp(i32::MIN.into(), i32::MAX.into()));
    }

    #[test]
    fn the_root_is_the_largest_whose_square_fits(x in prop_oneof![any::<u64>(), 0..100_000_u64]) {
        let q = u128::from(isqrt(x));
        prop_assert!(q * q <= x.into() && (q + 1) * (q + 1) > x.into());
    }

    #[test]
    fn bits_are_counted(x in prop_oneof![any::<u64>(), 0..9_u64]) {
        let n = bit_length(x);
        prop_assert!(u128::from(x) < 1 << n);
        prop_assert!(x == 0 || u128::from(x) >= 1 << (n - 1));
    }

    /// The row's own exponent uses every bit and saturates only by rounding up to a power of two.
    #[test]
    fn mantissas_use_their_bits(x in i64::from(i32::MIN)..=i64::from(i32::MAX), bits in prop_oneof![Just(8_u32), Just(16), Just(24)]) {
        let e = row_exponent(x.unsigned_abs(), bits);
        let m = mantissa(x, e, bits).unwrap();
        let most = (1_i64 << (bits - 1)) - 1;
        prop_assert!(m.abs() <= most);
        prop_assert!(x == 0 || m.abs() > most / 2);
        if x == 0 {
            prop_assert_eq!((e, m), (1 - bits as i32, 0));
        }
        // |m 2^e - x| <= half a unit, or one where it was clamped.
        let (m, x) = (i128::from(m), i128::from(x));
        let (wide, exact, unit) = if e > 0 { (m << e, x, 1_i128 << e) } else { (m, x << -e, 0) };
        let allowed = if m.abs() == most.into() { unit } else { unit / 2 };
        prop_assert!((wide - exact).abs() <= allowed);
    }

    #[test]
    fn mantissas_of_any_exponent_stay_in_their_bits(x in wide(), e in -70..70_i32, bits in 0..40_u32) {
        if let Ok(m) = mantissa(x, e, bits) {
            prop_assert!((2..=32).contains(&bits) && m.abs() < 1 << (bits - 1));
        }
    }
}
