//! The nonce window of an account. docs/rollup.md, 5.

/// The nonce is used, too old, or too far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nonce {0} is used, too old or too far ahead")]
pub struct NonceUsed(pub u64);

/// Which nonces are used: all below `next - 256`, and those that `used` says. Parallel requests end in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// One more than the highest used nonce; 0 if none is.
    pub next: u64,
    /// 256 bits, high and low half: bit k, 0 the lowest, says that nonce `next - 1 - k` is used.
    pub used: [u128; 2],
}

impl Window {
    /// How far beyond the highest used one a nonce may lie: 2^32.
    pub const GAP: u64 = 1 << 32;

    /// The window after using a nonce: `use(n)`.
    ///
    /// # Errors
    /// It is used, 256 or more below the highest, more than 2^32 above it, or 2^64 - 1.
    pub fn spend(self, nonce: u64) -> Result<Self, NonceUsed> {
        let unusable = NonceUsed(nonce);
        let next = nonce.checked_add(1).ok_or(unusable)?;
        if let Some(gap) = next.checked_sub(self.next).filter(|gap| *gap > 0) {
            if gap > Self::GAP {
                return Err(unusable);
            }
            let [high, low] = shifted(self.used, gap);
            return Ok(Self { next, used: [high, low | 1] });
        }
        let back = u32::try_from(self.next.saturating_sub(next)).map_err(|_| unusable)?;
        let [high, low] = self.used;
        let bit = shifted([0, 1], u64::from(back));
        let [in_high, in_low] = bit;
        // A bit that is 256 or more back is shifted out of both halves.
        if bit == [0, 0] || high & in_high != 0 || low & in_low != 0 {
            return Err(unusable);
        }
        Ok(Self { next: self.next, used: [high | in_high, low | in_low] })
    }

    /// The bits as 32 bytes, big-endian.
    pub fn used_bytes(&self) -> [u8; 32] {
        let [high, low] = self.used.map(u128::to_be_bytes);
        let mut out = [0; 32];
        out.iter_mut().zip(high.into_iter().chain(low)).for_each(|(to, from)| *to = from);
        out
    }
}

/// 256 bits shifted to the left; those beyond are lost.
fn shifted([high, low]: [u128; 2], by: u64) -> [u128; 2] {
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    match by.checked_sub(128) {
        Some(more) => [low.checked_shl(more).unwrap_or(0), 0],
        None => {
            let carried = low.checked_shr(128_u32.saturating_sub(by)).unwrap_or(0);
            [high.checked_shl(by).unwrap_or(0) | carried, low.checked_shl(by).unwrap_or(0)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_edges_of_the_window() {
        let zero = Window::default().spend(0).unwrap();
        assert_eq!(zero, Window { next: 1, used: [0, 1] });
        assert_eq!(zero.spend(0), Err(NonceUsed(0)));
        let far = zero.spend(256).unwrap();
        assert_eq!((far.next, far.used), (257, [0, 1]), "a gap of 256 clears all");
        assert!(far.spend(0).is_err(), "256 back");
        assert_eq!(far.spend(1).unwrap().used, [1 << 127, 1], "255 back");
        assert_eq!(zero.spend(128).unwrap().used, [1, 1]);
        let gap = Window::GAP;
        assert!(zero.spend(gap).is_ok() && zero.spend(gap + 1).is_err());
        let last = Window { next: u64::MAX - 1, used: [0, 0] };
        assert_eq!(last.spend(u64::MAX), Err(NonceUsed(u64::MAX)));
        assert_eq!(last.spend(u64::MAX - 1).unwrap().next, u64::MAX);
        assert_eq!(far.used_bytes()[31], 1);
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_used_nonces_and_a_horizon(
            nonces in prop::collection::vec(prop_oneof![0u64..40, 0u64..700, Just(1 << 33), (1u64 << 32)..(1 << 32) + 600], 1..200)
        ) {
            let (mut window, mut set, mut next) = (Window::default(), BTreeSet::new(), 0u64);
            for n in nonces {
                let fresh = !set.contains(&n) && n + 256 >= next && n < next + Window::GAP;
                match window.spend(n) {
                    Ok(after) => {
                        prop_assert!(fresh, "{n} of {next}");
                        set.insert(n);
                        next = next.max(n + 1);
                        window = after;
                    }
                    Err(why) => prop_assert!(!fresh && why == NonceUsed(n), "{n} of {next}"),
                }
                prop_assert_eq!(window.next, next);
                let bits = window.used_bytes();
                for k in 0..256u64 {
                    let bit = bits[31 - (k / 8) as usize] >> (k % 8) & 1 == 1;
                    prop_assert_eq!(bit, next > k && set.contains(&(next - 1 - k)));
                }
            }
        }
    }
}
