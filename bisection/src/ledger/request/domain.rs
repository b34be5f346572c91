//! The EIP-712 domain, and struct hashes.

use crate::hash::{Hash, Hasher, keccak256, tagged};
use crate::ledger::Address;

/// Type of the domain.
pub const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// Where what is signed holds: one inbox on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    chain_id: u64,
    inbox: Address,
    separator: Hash,
}

impl Domain {
    /// Of an inbox on a chain.
    pub fn new(chain_id: u64, inbox: Address) -> Self {
        let (name, version) = (keccak256(b"Refute"), keccak256(b"1"));
        let words: [&[u8]; 4] = [&name.0, &version.0, &chain_id.to_be_bytes(), &inbox];
        Self { chain_id, inbox, separator: struct_hash(DOMAIN_TYPE, &words) }
    }

    /// The chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The inbox.
    pub fn inbox(&self) -> Address {
        self.inbox
    }

    /// The domain separator.
    pub fn separator(&self) -> Hash {
        self.separator
    }

    /// What is signed for a struct: `keccak256(0x1901 || separator || struct hash)`.
    pub fn digest(&self, struct_hash: Hash) -> Hash {
        let mut hasher = Hasher::new();
        hasher.update(&[0x19, 0x01]).update(&self.separator.0).update(&struct_hash.0);
        hasher.finish()
    }

    /// The request hash of a request that was made on L1: `H("rf.l1req", u64 chainId, address Inbox, entryHash)`.
    pub fn l1_request(&self, entry_hash: Hash) -> Hash {
        tagged(b"rf.l1req", &[&self.chain_id.to_be_bytes(), &self.inbox, &entry_hash.0])
    }
}

/// `keccak256(type hash || words)`; each word's bytes completed with zeros on the left.
pub(super) fn struct_hash(name: &str, words: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(&keccak256(name.as_bytes()).0);
    for word in words {
        let missing = 32_usize.saturating_sub(word.len());
        hasher.update([0; 32].get(..missing).unwrap_or(&[])).update(word);
    }
    hasher.finish()
}
