//! Who signs: keys of the curve for the vectors, and a stand-in without a curve for everything that is played often.

use bisection::ledger::{Address, Signature};
use bisection::{Hash, keccak256};
use k256::ecdsa::{RecoveryId, SigningKey, VerifyingKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// A signature names its signer and the digest.
    Fake,
    /// secp256k1.
    Real,
}

/// The secret of key `k`, which is public.
pub(crate) fn secret(k: u8) -> [u8; 32] {
    keccak256(&[b"refute test key ".as_slice(), &[k]].concat()).0
}

fn signing(k: u8) -> SigningKey {
    SigningKey::from_slice(&secret(k)).unwrap()
}

fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    keccak256(&point.as_bytes()[1..]).0[12..].try_into().unwrap()
}

impl Keys {
    pub(crate) fn address(self, k: u8) -> Address {
        match self {
            Self::Fake => [k.wrapping_add(1); 20],
            Self::Real => address_of(signing(k).verifying_key()),
        }
    }

    pub(crate) fn sign(self, k: u8, digest: Hash) -> Signature {
        let mut out = [0; 64];
        match self {
            Self::Fake => {
                out[..20].copy_from_slice(&self.address(k));
                out[33..].copy_from_slice(&digest.0[..31]);
                out[63] |= 1;
            }
            Self::Real => {
                let (signature, id) = signing(k).sign_prehash_recoverable(&digest.0).unwrap();
                out.copy_from_slice(&signature.to_bytes());
                out[32] |= u8::from(id.is_y_odd()) << 7;
            }
        }
        out
    }

    pub(crate) fn recover(self, digest: Hash, signature: &Signature) -> Option<Address> {
        match self {
            Self::Fake => {
                let who = signature[..20].try_into().unwrap();
                let mut expected = [0; 64];
                expected[..20].copy_from_slice(&signature[..20]);
                expected[33..].copy_from_slice(&digest.0[..31]);
                expected[63] |= 1;
                (expected == *signature).then_some(who)
            }
            Self::Real => {
                let mut plain = *signature;
                plain[32] &= 0x7f;
                let id = RecoveryId::new(signature[32] & 0x80 != 0, false);
                let signature = k256::ecdsa::Signature::from_slice(&plain).ok()?;
                let key = VerifyingKey::recover_from_prehash(&digest.0, &signature, id).ok()?;
                Some(address_of(&key))
            }
        }
    }
}

#[test]
fn both_kinds_recover_what_they_signed() {
    for keys in [Keys::Fake, Keys::Real] {
        let digest = keccak256(b"something");
        let signature = keys.sign(3, digest);
        assert_eq!(keys.recover(digest, &signature), Some(keys.address(3)));
        assert_ne!(keys.recover(keccak256(b"else"), &signature), Some(keys.address(3)));
    }
}
