//! Signatures: 64 bytes (EIP-2098), as L1 takes them.

use alloy::primitives::{Address, B256, Signature, U256};
use alloy::signers::SignerSync;
use bisection::ledger::request::signer;

use super::{Hash, Request, Sampling};

/// Signs a digest.
pub fn sign(key: &impl SignerSync, digest: &Hash) -> Result<[u8; 64], String> {
    Ok(key.sign_hash_sync(&B256::from(digest.0)).map_err(|e| e.to_string())?.as_erc2098())
}

/// Which address a signature recovers to: what the rules leave to their caller.
pub fn curve(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    let signature = Signature::from_erc2098(signature);
    signature.recover_address_from_prehash(&B256::from(digest.0)).ok().map(|address| address.0.0)
}

/// Who signed a digest, if the signature is valid.
pub fn recover(digest: &Hash, signature: &[u8; 64]) -> Option<Address> {
    signer(*digest, signature, &curve).map(Address::from)
}

/// May sampling values stand in a signed request: greedy ones have one form only. docs/rollup.md, 6.
pub fn sampling_is_signable(request: &Request) -> bool {
    let greedy = request.sampling == Sampling::GREEDY && request.seed == Hash::default();
    greedy || request.sampling.is_sampled()
}

/// A number of wei, as JSON carries it.
pub fn decimals(text: &str) -> Option<u128> {
    let value = U256::from_str_radix(text, 10).ok()?;
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use alloy::signers::local::PrivateKeySigner;
    use alloy::sol_types::{SolStruct, eip712_domain};

    use super::super::{Domain, Withdrawal};
    use super::*;

    mod wallet {
        alloy::sol! {
            struct Withdrawal { uint32 account; uint64 nonce; uint128 amount; address to; uint64 validUntil; }
        }
    }

    #[test]
    fn what_is_signed_is_what_wallets_sign() {
        let inbox = Address::repeat_byte(7);
        let theirs = eip712_domain! {
            name: "Refute", version: "1", chain_id: 31_337, verifying_contract: inbox,
        };
        let to = Address::repeat_byte(4);
        let message = wallet::Withdrawal { account: 1, nonce: 2, amount: 3, to, validUntil: 5 };
        let digest = message.eip712_signing_hash(&theirs);
        let domain = Domain::new(31_337, inbox.0.0);
        let ours = Withdrawal { account: 1, nonce: 2, amount: 3, to: to.0.0, valid_until: 5 };
        assert_eq!(ours.digest(&domain).0, digest.0);
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
        let signature = sign(&key, &Hash(digest.0)).unwrap();
        assert_eq!(recover(&Hash(digest.0), &signature), Some(key.address()));
        assert_ne!(recover(&Hash([0; 32]), &signature), Some(key.address()));
        assert_eq!(recover(&Hash(digest.0), &[0; 64]), None);
    }
}
