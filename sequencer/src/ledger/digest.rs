//! What is signed: EIP-712 structs, their digests, signatures.

use alloy::primitives::{Address, B256, Signature, U256, keccak256};
use alloy::sol_types::{Eip712Domain, SolStruct, eip712_domain};
use executor::kernels::{TEMPERATURE_MAX, TEMPERATURE_MIN};

#[allow(missing_docs, clippy::too_many_arguments, reason = "docs/rollup.md, 6, says what the fields are")]
mod structs {
    alloy::sol! {
        #[derive(Debug, PartialEq, Eq)]
        struct Request {
            uint32 account; uint64 nonce; bytes32 model; bytes32 prompt; uint32 promptLength; uint32 maxTokens;
            uint32 temperature; uint32 topK; uint32 topP; uint32 minP; bytes32 seed; uint128 maxFee; uint64 validUntil;
        }
        #[derive(Debug, PartialEq, Eq)]
        struct Withdrawal { uint32 account; uint64 nonce; uint128 amount; address to; uint64 validUntil; }
        #[derive(Debug, PartialEq, Eq)]
        struct Delegation {
            uint32 account; uint64 nonce; address delegate; uint128 cap; uint64 expiry; bytes32 model;
            uint64 maxPriceIn; uint64 maxPriceOut;
        }
        #[derive(Debug, PartialEq, Eq)]
        struct Receipt {
            address proposer; uint32 epoch; uint64 number; bytes32 request; bytes32 output; uint64 deadline;
            address payee;
        }
    }
}

pub use structs::{Delegation, Receipt, Request, Withdrawal};

/// Where signatures are valid: one chain, one deployment.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The chain.
    pub chain_id: u64,
    /// The contract that takes deposits.
    pub inbox: Address,
    separator: B256,
}

impl Domain {
    /// That of an inbox.
    pub fn new(chain_id: u64, inbox: Address) -> Self {
        let domain: Eip712Domain = eip712_domain! {
            name: "Refute", version: "1", chain_id: chain_id, verifying_contract: inbox,
        };
        Self { chain_id, inbox, separator: domain.separator() }
    }

    /// The domain's hash.
    pub fn separator(&self) -> B256 {
        self.separator
    }

    /// What is signed of a struct; of a request, a withdrawal and a delegation its request hash.
    pub fn digest(&self, message: &impl SolStruct) -> B256 {
        let mut bytes = [0; 66];
        bytes[..2].copy_from_slice(&[0x19, 0x01]);
        bytes[2..34].copy_from_slice(self.separator.as_slice());
        bytes[34..].copy_from_slice(message.eip712_hash_struct().as_slice());
        keccak256(bytes)
    }
}

/// In the place of a signature that is made later.
pub const NO_SIGNATURE: [u8; 64] = [0; 64];

/// Who signed a digest: 64 bytes (EIP-2098), s in the lower half, as L1 takes it.
pub fn recover(digest: &B256, signature: &[u8; 64]) -> Option<Address> {
    let signature = Signature::from_erc2098(signature);
    if signature.s().is_zero() || signature.normalize_s().is_some() {
        return None;
    }
    let address = signature.recover_address_from_prehash(digest).ok()?;
    (!address.is_zero()).then_some(address)
}

/// May sampling values stand in a signed request: greedy ones have one form only. docs/rollup.md, 6.
pub fn sampling_is_signable(request: &Request) -> bool {
    match request.temperature {
        0 => request.topK == 0 && request.topP == 65_536 && request.minP == 0 && request.seed.is_zero(),
        _ => {
            (TEMPERATURE_MIN..=TEMPERATURE_MAX).contains(&request.temperature)
                && (1..=65_536).contains(&request.topP)
                && request.minP <= 65_536
        }
    }
}

/// A number of wei, as JSON carries it.
pub fn decimals(text: &str) -> Option<u128> {
    let value = U256::from_str_radix(text, 10).ok()?;
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use alloy::signers::SignerSync;
    use alloy::signers::local::PrivateKeySigner;

    use super::*;

    #[test]
    fn a_digest_is_what_wallets_sign() {
        let domain = Domain::new(31_337, Address::repeat_byte(7));
        let whole = eip712_domain! {
            name: "Refute", version: "1", chain_id: 31_337, verifying_contract: Address::repeat_byte(7),
        };
        let message =
            Withdrawal { account: 1, nonce: 2, amount: 3, to: Address::repeat_byte(4), validUntil: 5 };
        assert_eq!(domain.digest(&message), message.eip712_signing_hash(&whole));
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
        let digest = domain.digest(&message);
        let signature = signer.sign_hash_sync(&digest).unwrap().as_erc2098();
        assert_eq!(recover(&digest, &signature), Some(signer.address()));
        assert_ne!(recover(&B256::ZERO, &signature), Some(signer.address()));
        assert_eq!(recover(&digest, &NO_SIGNATURE), None);
    }

    #[test]
    fn the_other_half_of_s_is_no_signature() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
        let digest = B256::repeat_byte(2);
        let signature = signer.sign_hash_sync(&digest).unwrap();
        let n = U256::from_be_bytes(alloy::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let high = Signature::new(signature.r(), n - signature.s(), !signature.v());
        assert_eq!(high.recover_address_from_prehash(&digest).unwrap(), signer.address());
        // A high s cannot even be written in 64 bytes: its top bit is the parity.
        assert_ne!(recover(&digest, &high.as_erc2098()), Some(Address::ZERO));
    }
}
