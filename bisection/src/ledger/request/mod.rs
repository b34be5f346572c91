//! What is signed: EIP-712 struct hashes and digests. docs/rollup.md, 6.

mod domain;
mod orders;
mod sampling;
mod signature;

pub use domain::{DOMAIN_TYPE, Domain};
pub use orders::{DELEGATION_TYPE, Delegation, WITHDRAWAL_TYPE, Withdrawal};
pub use sampling::{Sampling, item_seed};
pub use signature::signer;

use super::Address;
use crate::hash::Hash;
use domain::struct_hash;

/// Type of a request.
pub const REQUEST_TYPE: &str = "Request(uint32 account,uint64 nonce,bytes32 model,bytes32 prompt,uint32 promptLength,uint32 maxTokens,uint32 temperature,uint32 topK,uint32 topP,uint32 minP,bytes32 seed,uint128 maxFee,uint64 validUntil)";
/// Type of a receipt.
pub const RECEIPT_TYPE: &str = "Receipt(address proposer,uint32 epoch,uint64 number,bytes32 request,bytes32 output,uint64 deadline,address payee)";

/// A request for an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who pays.
    pub account: u32,
    /// Of the account's window.
    pub nonce: u64,
    /// Id of the model.
    pub model: Hash,
    /// Tensor root of the packed prompt.
    pub prompt: Hash,
    /// Tokens of the prompt.
    pub prompt_length: u32,
    /// Most tokens of the output; 0 for a vector.
    pub max_tokens: u32,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Seed, or 0.
    pub seed: Hash,
    /// Most wei that it may cost.
    pub max_fee: u128,
    /// Last time of a batch that may hold it.
    pub valid_until: u64,
}

impl Request {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        let s = &self.sampling;
        struct_hash(
            REQUEST_TYPE,
            &[
                &self.account.to_be_bytes(),
                &self.nonce.to_be_bytes(),
                &self.model.0,
                &self.prompt.0,
                &self.prompt_length.to_be_bytes(),
                &self.max_tokens.to_be_bytes(),
                &s.temperature.to_be_bytes(),
                &s.top_k.to_be_bytes(),
                &s.top_p.to_be_bytes(),
                &s.min_p.to_be_bytes(),
                &self.seed.0,
                &self.max_fee.to_be_bytes(),
                &self.valid_until.to_be_bytes(),
            ],
        )
    }

    /// Its request hash: what is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }
}

/// A proposer's promise that a request will stand under a number. docs/rollup.md, 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who posts.
    pub proposer: Address,
    /// The proposer's epoch.
    pub epoch: u32,
    /// Number within the epoch.
    pub number: u64,
    /// Request hash.
    pub request: Hash,
    /// outputRoot; 0 for withdrawals and delegations.
    pub output: Hash,
    /// Latest time of posting.
    pub deadline: u64,
    /// Who gets the penalty's half.
    pub payee: Address,
}

impl Receipt {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        struct_hash(
            RECEIPT_TYPE,
            &[
                &self.proposer,
                &self.epoch.to_be_bytes(),
                &self.number.to_be_bytes(),
                &self.request.0,
                &self.output.0,
                &self.deadline.to_be_bytes(),
                &self.payee,
            ],
        )
    }

    /// What is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }
}
