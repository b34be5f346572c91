//! Which signatures are valid.

use crate::hash::Hash;
use crate::ledger::{Address, Recover, Signature};

/// Half of the order of secp256k1, rounded down: the highest s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Who signed a digest; `None` if the signature is not valid: 0 < s <= n/2, and it recovers to an address that is not 0.
pub fn signer(digest: Hash, signature: &Signature, recover: &Recover<'_>) -> Option<Address> {
    let (_, mut s) = signature.split_last_chunk::<32>().map(|(r, s)| (r, *s))?;
    if let Some(high) = s.first_mut() {
        *high &= 0x7f;
    }
    let low = s != [0; 32] && s <= HALF_ORDER;
    recover(digest, signature).filter(|who| low && *who != [0; 20])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_low_s_counts_and_nobody_is_address_zero() {
        let good = |_: Hash, _: &Signature| Some([1; 20]);
        let with = |s: [u8; 32]| -> Signature {
            let mut out = [1; 64];
            out[32..].copy_from_slice(&s);
            out
        };
        let (mut odd, mut high, mut one) = (HALF_ORDER, HALF_ORDER, [0; 32]);
        odd[0] |= 0x80;
        high[31] += 1;
        one[31] = 1;
        for s in [HALF_ORDER, odd, one] {
            assert_eq!(signer(Hash::default(), &with(s), &good), Some([1; 20]));
        }
        let mut parity_alone = [0; 32];
        parity_alone[0] = 0x80;
        for s in [high, [0; 32], parity_alone, [0xff; 32]] {
            assert_eq!(signer(Hash::default(), &with(s), &good), None);
        }
        assert_eq!(signer(Hash::default(), &with(one), &|_, _| Some([0; 20])), None);
        assert_eq!(signer(Hash::default(), &with(one), &|_, _| None), None);
    }
}
