//! Parameters, and what a batch is read with.

use super::Registry;
use super::request::Domain;
use crate::hash::Hash;

/// The parameters of a deployment that the rules read. docs/rollup.md, 3. Times are seconds, amounts wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Chain and inbox.
    pub domain: Domain,
    /// What an L1 request or a forced withdrawal pays its proposer.
    pub entry_fee: u128,
    /// Age at which an L1 request may be dropped.
    pub expire: u64,
    /// How far a batch's time may lie ahead.
    pub slack: u64,
    /// Age at which an entry is overdue.
    pub force_delay: u64,
    /// K: overdue entries that a batch must take.
    pub forced_entries: u64,
}

/// What a batch is built on: where its parent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Parent {
    /// State root.
    pub root: Hash,
    /// Inbox entries taken so far.
    pub cursor: u64,
    /// The inbox's accumulator there.
    pub inbox: Hash,
}

/// All that a batch's meaning depends on, besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Parameters.
    pub rules: &'a Rules,
    /// Models and prices.
    pub registry: &'a Registry,
    /// What it is built on.
    pub parent: Parent,
}
