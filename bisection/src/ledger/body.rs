//! F || D of a step: all that the ledger reads of it. docs/rollup.md, 8.2 and 8.3.

use super::Signature;
use super::inbox::{Entry, L1Request, Transfer};
use super::request::{Delegation, Withdrawal};
use super::wire::Reader;
use crate::hash::{Hash, tagged};

pub(super) const DEPOSIT: u8 = 0;
pub(super) const FORCED: u8 = 1;
pub(super) const L1_REQUEST: u8 = 2;
pub(super) const INFERENCE: u8 = 3;
pub(super) const WITHDRAWAL: u8 = 4;
pub(super) const DELEGATION: u8 = 5;

/// F of an inference: 115 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inference {
    /// [`Inference::SAMPLED`], [`Inference::SEEDED`], [`Inference::DELEGATED`].
    pub flags: u8,
    /// Index in the batch's table.
    pub model: u8,
    /// Who pays.
    pub account: u32,
    /// Of the account's window.
    pub nonce: u64,
    /// Tokens of the prompt.
    pub prompt_length: u32,
    /// Tokens of the output, or elements of the vector.
    pub output_length: u32,
    /// Most tokens of the output; 0 for a vector.
    pub max_tokens: u32,
    /// Most wei that it may cost.
    pub max_fee: u128,
    /// Last time of a batch that may hold it.
    pub valid_until: u64,
    /// Of the request hash.
    pub signature: Signature,
}

impl Inference {
    /// Flag: the data have sampling values.
    pub const SAMPLED: u8 = 1;
    /// Flag: the data have a seed.
    pub const SEEDED: u8 = 2;
    /// Flag: the delegate signed.
    pub const DELEGATED: u8 = 4;

    /// Did the delegate sign.
    pub fn delegated(&self) -> bool {
        self.flags & Self::DELEGATED != 0
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([INFERENCE, self.flags, self.model]);
        out.extend(self.account.to_be_bytes());
        out.extend(self.nonce.to_be_bytes());
        out.extend(self.prompt_length.to_be_bytes());
        out.extend(self.output_length.to_be_bytes());
        out.extend(self.max_tokens.to_be_bytes());
        out.extend(self.max_fee.to_be_bytes());
        out.extend(self.valid_until.to_be_bytes());
        out.extend(self.signature);
    }

    /// Everything after the op.
    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self {
            flags: from.u8()?,
            model: from.u8()?,
            account: from.u32()?,
            nonce: from.u64()?,
            prompt_length: from.u32()?,
            output_length: from.u32()?,
            max_tokens: from.u32()?,
            max_fee: from.u128()?,
            valid_until: from.u64()?,
            signature: from.signature()?,
        })
    }
}

/// What the ledger reads of a step. Of 49, 65, 237, 227, 153 or 201 bytes, by op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Op 0.
    Deposit(Transfer),
    /// Op 1.
    Forced {
        /// The entry.
        entry: Transfer,
        /// Wei that were taken: the least of amount and balance.
        paid: u128,
    },
    /// Op 2.
    Request {
        /// The entry.
        entry: L1Request,
        /// Request hash.
        request: Hash,
        /// Item hash; 0 if it was dropped.
        item: Hash,
        /// Tokens of the output; 0 if it was dropped.
        output_length: u32,
    },
    /// Op 3.
    Inference {
        /// F.
        call: Inference,
        /// Request hash.
        request: Hash,
        /// Item hash.
        item: Hash,
        /// Id of the model.
        model: Hash,
        /// Wei for a token of the prompt.
        price_in: u64,
        /// Wei for a token of the output.
        price_out: u64,
    },
    /// Op 4.
    Withdrawal {
        /// What is signed.
        order: Withdrawal,
        /// By the owner.
        signature: Signature,
        /// Request hash.
        request: Hash,
    },
    /// Op 5.
    Delegation {
        /// What is signed.
        order: Delegation,
        /// By the owner.
        signature: Signature,
        /// Request hash.
        request: Hash,
    },
}

impl Body {
    /// F || D.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Deposit(entry) => out = Entry::Deposit(*entry).encode(),
            Self::Forced { entry, paid } => {
                out = Entry::Forced(*entry).encode();
                out.extend(paid.to_be_bytes());
            }
            Self::Request { entry, request, item, output_length } => {
                out = Entry::Request(*entry).encode();
                out.extend(request.0);
                out.extend(item.0);
                out.extend(output_length.to_be_bytes());
            }
            Self::Inference { call, request, item, model, price_in, price_out } => {
                call.encode(&mut out);
                [request, item, model].iter().for_each(|hash| out.extend(hash.0));
                out.extend(price_in.to_be_bytes());
                out.extend(price_out.to_be_bytes());
            }
            Self::Withdrawal { order, signature, request } => {
                out.push(WITHDRAWAL);
                order.encode(&mut out);
                out.extend(signature);
                out.extend(request.0);
            }
            Self::Delegation { order, signature, request } => {
                out.push(DELEGATION);
                order.encode(&mut out);
                out.extend(signature);
                out.extend(request.0);
            }
        }
        out
    }

    /// The body of some bytes; `None` for an op that is none, or another length than the op's.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        let r = &mut from;
        let body = match r.u8()? {
            DEPOSIT => Self::Deposit(Transfer::read(r)?),
            FORCED => Self::Forced { entry: Transfer::read(r)?, paid: r.u128()? },
            L1_REQUEST => Self::Request {
                entry: L1Request::read(r)?,
                request: r.hash()?,
                item: r.hash()?,
                output_length: r.u32()?,
            },
            INFERENCE => Self::Inference {
                call: Inference::read(r)?,
                request: r.hash()?,
                item: r.hash()?,
                model: r.hash()?,
                price_in: r.u64()?,
                price_out: r.u64()?,
            },
            WITHDRAWAL => Self::Withdrawal {
                order: Withdrawal::read(r)?,
                signature: r.signature()?,
                request: r.hash()?,
            },
            DELEGATION => Self::Delegation {
                order: Delegation::read(r)?,
                signature: r.signature()?,
                request: r.hash()?,
            },
            _ => return None,
        };
        from.end(body)
    }

    /// The account whose leaf it changes; none for an L1 request.
    pub fn account(&self) -> Option<u32> {
        match self {
            Self::Deposit(entry) | Self::Forced { entry, .. } => Some(entry.account),
            Self::Request { .. } => None,
            Self::Inference { call, .. } => Some(call.account),
            Self::Withdrawal { order, .. } => Some(order.account),
            Self::Delegation { order, .. } => Some(order.account),
        }
    }

    /// Its request hash; none for deposits and forced withdrawals.
    pub fn request(&self) -> Option<Hash> {
        match self {
            Self::Deposit(_) | Self::Forced { .. } => None,
            Self::Request { request, .. }
            | Self::Inference { request, .. }
            | Self::Withdrawal { request, .. }
            | Self::Delegation { request, .. } => Some(*request),
        }
    }

    /// Its item hash, if it has an item.
    pub fn item(&self) -> Option<Hash> {
        match self {
            Self::Request { item, .. } | Self::Inference { item, .. } if *item != Hash::default() => {
                Some(*item)
            }
            _ => None,
        }
    }

    /// Did the delegate sign.
    pub fn delegated(&self) -> bool {
        matches!(self, Self::Inference { call, .. } if call.delegated())
    }
}

/// What a leaf of a batch's tree of steps commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLeaf {
    /// State root before.
    pub pre: Hash,
    /// State root after, as the proposer says.
    pub post: Hash,
    /// F || D.
    pub body: Body,
}

impl StepLeaf {
    /// The leaf of step `index`: `H("rf.step_", u32 index, pre, post, F || D)`.
    pub fn hash(&self, index: u32) -> Hash {
        tagged(b"rf.step_", &[&index.to_be_bytes(), &self.pre.0, &self.post.0, &self.body.encode()])
    }
}
