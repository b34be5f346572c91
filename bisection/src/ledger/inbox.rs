//! The queue on L1: what its entries are as bytes, and the hash chain over them. docs/rollup.md, 7 and 8.2.

use super::request::Sampling;
use super::wire::Reader;
use super::{Address, body};
use crate::hash::{Hash, tagged};

/// A deposit (op 0), or a forced withdrawal (op 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When it was made: the block's time, in seconds.
    pub time: u64,
    /// Of the account.
    pub account: u32,
    /// The account's owner.
    pub owner: Address,
    /// Wei.
    pub amount: u128,
}

/// A request that was made and paid on L1 (op 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Request {
    /// When it was made: the block's time, in seconds.
    pub time: u64,
    /// Who asked, and gets the refund and the callback.
    pub sender: Address,
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
    /// Wei for a token of the prompt.
    pub price_in: u64,
    /// Wei for a token of the output.
    pub price_out: u64,
    /// Gas of the callback; 0 for none.
    pub callback_gas: u32,
}

/// An entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Money comes in.
    Deposit(Transfer),
    /// An owner takes money out without a proposer's consent.
    Forced(Transfer),
    /// A request.
    Request(L1Request),
}

impl Entry {
    /// F: what its hash is over, and what the ledger reads. 49 or 169 bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Deposit(transfer) => transfer.encode(body::DEPOSIT),
            Self::Forced(transfer) => transfer.encode(body::FORCED),
            Self::Request(request) => request.encode(),
        }
    }

    /// Block time of the entry, in seconds.
    pub fn time(&self) -> u64 {
        match self {
            Self::Deposit(transfer) | Self::Forced(transfer) => transfer.time,
            Self::Request(request) => request.time,
        }
    }

    /// `H("rf.entry", u64 index, F)`.
    pub fn hash(&self, index: u64) -> Hash {
        entry_hash(index, &self.encode())
    }
}

/// `H("rf.entry", u64 index, F)` of an entry's bytes.
pub fn entry_hash(index: u64, entry: &[u8]) -> Hash {
    tagged(b"rf.entry", &[&index.to_be_bytes(), entry])
}

/// The accumulator after an entry: `H("rf.inbox", acc, entryHash)`. It begins as 0.
pub fn accumulate(acc: Hash, entry_hash: Hash) -> Hash {
    tagged(b"rf.inbox", &[&acc.0, &entry_hash.0])
}

impl Transfer {
    fn encode(&self, op: u8) -> Vec<u8> {
        let mut out = vec![op];
        out.extend(self.time.to_be_bytes());
        out.extend(self.account.to_be_bytes());
        out.extend(self.owner);
        out.extend(self.amount.to_be_bytes());
        out
    }

    /// Everything after the op.
    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self { time: from.u64()?, account: from.u32()?, owner: from.address()?, amount: from.u128()? })
    }
}

impl L1Request {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![body::L1_REQUEST];
        out.extend(self.time.to_be_bytes());
        out.extend(self.sender);
        out.extend(self.model.0);
        out.extend(self.prompt.0);
        out.extend(self.prompt_length.to_be_bytes());
        out.extend(self.max_tokens.to_be_bytes());
        out.extend(self.sampling.encode());
        out.extend(self.seed.0);
        out.extend(self.price_in.to_be_bytes());
        out.extend(self.price_out.to_be_bytes());
        out.extend(self.callback_gas.to_be_bytes());
        out
    }

    /// Everything after the op.
    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            time: from.u64()?,
            sender: from.address()?,
            model: from.hash()?,
            prompt: from.hash()?,
            prompt_length: from.u32()?,
            max_tokens: from.u32()?,
            sampling: Sampling::read(from)?,
            seed: from.hash()?,
            price_in: from.u64()?,
            price_out: from.u64()?,
            callback_gas: from.u32()?,
        })
    }
}
