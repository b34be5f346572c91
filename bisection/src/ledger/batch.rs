//! A batch, and its one encoding. docs/rollup.md, 8.1 and 8.2.

use super::Signature;
use super::body::{self, Inference};
use super::inbox::{Entry, L1Request, Transfer};
use super::request::{Delegation, Request, Sampling, Withdrawal};
use crate::hash::Hash;

/// The version of the encoding.
pub(super) const VERSION: u8 = 1;

/// A model of a batch's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Its id.
    pub model: Hash,
    /// Version of its price: the one in force at the batch's time.
    pub version: u32,
}

/// The head of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// What everything timed in the ledger is judged by, in seconds.
    pub time: u64,
    /// The proposer's epoch.
    pub epoch: u32,
    /// Number of its first signed item in the epoch.
    pub first_number: u64,
    /// Inbox entries taken after it.
    pub cursor: u64,
    /// The inbox's accumulator there.
    pub inbox_hash: Hash,
    /// Its models, ids ascending; at most 255.
    pub table: Vec<Choice>,
}

/// A step as it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Op 0, an entry.
    Deposit(Transfer),
    /// Op 1, an entry.
    Forced {
        /// The entry.
        entry: Transfer,
        /// Wei that were taken.
        paid: u128,
    },
    /// Op 2, an entry.
    Request {
        /// The entry.
        entry: L1Request,
        /// Index of its model in the table.
        model: u8,
        /// Tokens of the output, or elements of the vector; 0 if it is dropped.
        output_length: u32,
        /// Packed tokens, or little-endian `i32`.
        output: Vec<u8>,
    },
    /// Op 3. [`Step::inference`] makes one.
    Inference {
        /// F.
        call: Inference,
        /// [`Sampling::GREEDY`] if the flags do not say sampled.
        sampling: Sampling,
        /// 0 if the flags say that none is given.
        seed: Hash,
        /// Packed tokens.
        prompt: Vec<u8>,
        /// Packed tokens, or little-endian `i32`.
        output: Vec<u8>,
    },
    /// Op 4.
    Withdrawal {
        /// What is signed.
        order: Withdrawal,
        /// By the owner.
        signature: Signature,
    },
    /// Op 5.
    Delegation {
        /// What is signed.
        order: Delegation,
        /// By the owner.
        signature: Signature,
    },
}

/// A step and the state root after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// State root after the step, as the proposer says.
    pub root: Hash,
    /// The step.
    pub step: Step,
}

/// A batch: first entries, then signed items.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// Its head.
    pub head: Head,
    /// Its steps in order.
    pub steps: Vec<Posted>,
}

impl Step {
    /// The inference that a signed request asked for.
    ///
    /// `model` is the index in the table, `delegated` says who signed, `prompt` and `output` are packed, `output_length` counts
    /// tokens or elements.
    pub fn inference(
        request: &Request,
        model: u8,
        delegated: bool,
        signature: Signature,
        prompt: Vec<u8>,
        output_length: u32,
        output: Vec<u8>,
    ) -> Self {
        let sampled = request.sampling != Sampling::GREEDY;
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let call = Inference {
            flags: flag(sampled, Inference::SAMPLED)
                | flag(request.seed != Hash::default(), Inference::SEEDED)
                | flag(delegated, Inference::DELEGATED),
            model,
            account: request.account,
            nonce: request.nonce,
            prompt_length: request.prompt_length,
            output_length,
            max_tokens: request.max_tokens,
            max_fee: request.max_fee,
            valid_until: request.valid_until,
            signature,
        };
        Self::Inference { call, sampling: request.sampling, seed: request.seed, prompt, output }
    }

    /// The entry that it takes from the inbox; none for a signed item.
    pub fn entry(&self) -> Option<Entry> {
        match self {
            Self::Deposit(entry) => Some(Entry::Deposit(*entry)),
            Self::Forced { entry, .. } => Some(Entry::Forced(*entry)),
            Self::Request { entry, .. } => Some(Entry::Request(*entry)),
            Self::Inference { .. } | Self::Withdrawal { .. } | Self::Delegation { .. } => None,
        }
    }

    /// The output's bytes, if it is an inference.
    pub fn output(&self) -> Option<&[u8]> {
        match self {
            Self::Request { output, .. } | Self::Inference { output, .. } => Some(output),
            _ => None,
        }
    }

    /// F and what is after it.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if let Some(entry) = self.entry() {
            out.extend(entry.encode());
        }
        match self {
            Self::Deposit(_) => {}
            Self::Forced { paid, .. } => out.extend(paid.to_be_bytes()),
            Self::Request { model, output_length, output, .. } => {
                out.push(*model);
                out.extend(output_length.to_be_bytes());
                out.extend(output);
            }
            Self::Inference { call, sampling, seed, prompt, output } => {
                call.encode(out);
                if call.flags & Inference::SAMPLED != 0 {
                    out.extend(sampling.encode());
                }
                if call.flags & Inference::SEEDED != 0 {
                    out.extend(seed.0);
                }
                out.extend(prompt);
                out.extend(output);
            }
            Self::Withdrawal { order, signature } => {
                out.push(body::WITHDRAWAL);
                order.encode(out);
                out.extend(signature);
            }
            Self::Delegation { order, signature } => {
                out.push(body::DELEGATION);
                order.encode(out);
                out.extend(signature);
            }
        }
    }
}

impl Head {
    /// The head with its table, for a number of signed items. 64 bytes and 36 a model.
    pub(super) fn encode(&self, signed: usize) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.time.to_be_bytes());
        out.extend(self.epoch.to_be_bytes());
        out.extend(self.first_number.to_be_bytes());
        out.extend(self.cursor.to_be_bytes());
        out.extend(self.inbox_hash.0);
        out.push(u8::try_from(self.table.len()).unwrap_or(u8::MAX));
        out.extend(u16::try_from(signed).unwrap_or(u16::MAX).to_be_bytes());
        for choice in &self.table {
            out.extend(choice.model.0);
            out.extend(choice.version.to_be_bytes());
        }
        out
    }
}

impl Batch {
    /// Steps that take an entry of the inbox.
    pub fn entries(&self) -> usize {
        self.steps.iter().filter(|posted| posted.step.entry().is_some()).count()
    }

    /// Signed items.
    pub fn signed(&self) -> usize {
        self.steps.len().saturating_sub(self.entries())
    }

    /// The bytes to post. What no rule allows (a table of more than 255, an entry behind a signed item) has bytes that do not
    /// decode.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.head.encode(self.signed());
        for posted in &self.steps {
            out.extend(posted.root.0);
            posted.step.encode(&mut out);
        }
        out
    }
}
