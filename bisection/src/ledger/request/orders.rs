//! Withdrawals and delegations: signed items without an inference.

use super::domain::{Domain, struct_hash};
use crate::hash::Hash;
use crate::ledger::Address;
use crate::ledger::wire::Reader;

/// Type of a withdrawal.
pub const WITHDRAWAL_TYPE: &str =
    "Withdrawal(uint32 account,uint64 nonce,uint128 amount,address to,uint64 validUntil)";
/// Type of a delegation.
pub const DELEGATION_TYPE: &str = "Delegation(uint32 account,uint64 nonce,address delegate,uint128 cap,uint64 expiry,bytes32 model,uint64 maxPriceIn,uint64 maxPriceOut)";

/// A withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// From which account.
    pub account: u32,
    /// Of the account's window.
    pub nonce: u64,
    /// Wei; 0 only uses the nonce.
    pub amount: u128,
    /// Who gets it, on L1.
    pub to: Address,
    /// Last time of a batch that may hold it.
    pub valid_until: u64,
}

impl Withdrawal {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        struct_hash(
            WITHDRAWAL_TYPE,
            &[
                &self.account.to_be_bytes(),
                &self.nonce.to_be_bytes(),
                &self.amount.to_be_bytes(),
                &self.to,
                &self.valid_until.to_be_bytes(),
            ],
        )
    }

    /// Its request hash: what is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }

    /// The fields as in F, 56 bytes.
    pub(in crate::ledger) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.account.to_be_bytes());
        out.extend(self.nonce.to_be_bytes());
        out.extend(self.amount.to_be_bytes());
        out.extend(self.to);
        out.extend(self.valid_until.to_be_bytes());
    }

    pub(in crate::ledger) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            account: from.u32()?,
            nonce: from.u64()?,
            amount: from.u128()?,
            to: from.address()?,
            valid_until: from.u64()?,
        })
    }
}

/// A delegation: another key may ask for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Of which account.
    pub account: u32,
    /// Higher than that of the delegation before.
    pub nonce: u64,
    /// Who may sign requests; 0 revokes.
    pub delegate: Address,
    /// Most wei that may be paid under it.
    pub cap: u128,
    /// Last time of a batch in which it holds.
    pub expiry: u64,
    /// The one model, or 0 for all.
    pub model: Hash,
    /// Most wei for a token of a prompt.
    pub max_price_in: u64,
    /// Most wei for a token of an output.
    pub max_price_out: u64,
}

impl Delegation {
    /// EIP-712 struct hash.
    pub fn struct_hash(&self) -> Hash {
        struct_hash(
            DELEGATION_TYPE,
            &[
                &self.account.to_be_bytes(),
                &self.nonce.to_be_bytes(),
                &self.delegate,
                &self.cap.to_be_bytes(),
                &self.expiry.to_be_bytes(),
                &self.model.0,
                &self.max_price_in.to_be_bytes(),
                &self.max_price_out.to_be_bytes(),
            ],
        )
    }

    /// Its request hash: what is signed.
    pub fn digest(&self, domain: &Domain) -> Hash {
        domain.digest(self.struct_hash())
    }

    /// The fields as in F, 104 bytes.
    pub(in crate::ledger) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.account.to_be_bytes());
        out.extend(self.nonce.to_be_bytes());
        out.extend(self.delegate);
        out.extend(self.cap.to_be_bytes());
        out.extend(self.expiry.to_be_bytes());
        out.extend(self.model.0);
        out.extend(self.max_price_in.to_be_bytes());
        out.extend(self.max_price_out.to_be_bytes());
    }

    pub(in crate::ledger) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            account: from.u32()?,
            nonce: from.u64()?,
            delegate: from.address()?,
            cap: from.u128()?,
            expiry: from.u64()?,
            model: from.hash()?,
            max_price_in: from.u64()?,
            max_price_out: from.u64()?,
        })
    }
}
