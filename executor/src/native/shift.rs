//! Rounding shifts without branches, for kernels whose operands are inside of their proved bounds.

use crate::numerics::sat32;

/// `sat32(round_shift(x, s))` for one `s` and many `x`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    round: i64,
    right: u32,
    left: u32,
}

impl Shift {
    /// -62 <= s <= 62.
    #[inline(always)]
    pub(crate) fn new(s: i32) -> Self {
        debug_assert!((-62..=62).contains(&s), "shift {s}");
        let right = s.max(0) as u32;
        // A left shift by 32 or more saturates everything but zero, as 32 does.
        Self { round: (1 << right) >> 1, right, left: (-s).clamp(0, 32) as u32 }
    }

    /// |x| <= 2^62.
    #[inline(always)]
    pub(crate) fn apply(self, x: i64) -> i32 {
        debug_assert!(x.unsigned_abs() <= 1 << 62, "operand {x}");
        // Saturating before the left shift keeps it inside of i64 and changes no result.
        let near = sat32((x + self.round) >> self.right);
        sat32(i64::from(near) << self.left)
    }
}

/// `round_shift(x, s)` for s >= 0.
#[inline(always)]
pub(crate) fn round_right(x: i64, s: i32) -> i64 {
    debug_assert!((0..=62).contains(&s) && x.unsigned_abs() <= 1 << 62);
    (x + ((1 << s) >> 1)) >> s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::{WIDE_LIMIT, round_shift};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_scalar_arithmetic(x in -WIDE_LIMIT..=WIDE_LIMIT, narrow in 0..62, s in -62..=62) {
            for x in [x, x >> narrow, 0, 1, -1, WIDE_LIMIT, -WIDE_LIMIT, i64::from(i32::MIN), i64::from(i32::MAX)] {
                prop_assert_eq!(Shift::new(s).apply(x), sat32(round_shift(x, s).unwrap()));
                prop_assert_eq!(round_right(x, s.abs()), round_shift(x, s.abs()).unwrap());
            }
        }
    }
}
