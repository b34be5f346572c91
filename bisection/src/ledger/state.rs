//! Accounts and the state root. docs/rollup.md, 5.

use super::wire::Reader;
use super::{Address, Window};
use crate::hash::{Hash, tagged};
use crate::tree;

/// An account as its leaf says. Amounts are wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Account {
    /// Its place: accounts are dense, in the order of first deposits.
    pub index: u32,
    /// Whose it is.
    pub owner: Address,
    /// What it holds.
    pub balance: u128,
    /// Its used nonces.
    pub window: Window,
    /// Nonce of the last delegation; 0 if there never was one.
    pub delegation_nonce: u64,
    /// Digest of the delegation in force, or 0.
    pub delegation: Hash,
    /// What was paid under it.
    pub spent: u128,
}

impl Account {
    /// A new account with its first deposit.
    pub fn new(index: u32, owner: Address, balance: u128) -> Self {
        Self { index, owner, balance, ..Self::default() }
    }

    /// All fields, 136 bytes.
    pub fn encode(&self) -> Vec<u8> {
        [self.index.to_be_bytes().as_slice(), &self.fields()].concat()
    }

    /// All fields but the index, 132 bytes: as in a Ledger witness.
    pub(super) fn fields(&self) -> Vec<u8> {
        let mut out = self.owner.to_vec();
        out.extend(self.balance.to_be_bytes());
        out.extend(self.window.next.to_be_bytes());
        out.extend(self.window.used_bytes());
        out.extend(self.delegation_nonce.to_be_bytes());
        out.extend(self.delegation.0);
        out.extend(self.spent.to_be_bytes());
        out
    }

    pub(super) fn read(index: u32, from: &mut Reader) -> Option<Self> {
        Some(Self {
            index,
            owner: from.address()?,
            balance: from.u128()?,
            window: Window { next: from.u64()?, used: [from.u128()?, from.u128()?] },
            delegation_nonce: from.u64()?,
            delegation: from.hash()?,
            spent: from.u128()?,
        })
    }

    /// Its leaf: `H("rf.acct_", fields)`.
    pub fn leaf(&self) -> Hash {
        tagged(b"rf.acct_", &[&self.encode()])
    }
}

/// What a state root is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Root of the accounts' tree, of depth 32.
    pub accounts_root: Hash,
    /// Number of accounts.
    pub accounts: u32,
    /// Wei that proposers ever earned.
    pub fees: u128,
}

impl State {
    /// Before the first batch.
    pub fn genesis() -> Self {
        Self { accounts_root: tree::pad(), accounts: 0, fees: 0 }
    }

    /// `H("rf.state", accountsRoot, u32 accounts, u128 fees)`.
    pub fn root(&self) -> Hash {
        tagged(b"rf.state", &[&self.encode()])
    }

    /// The fields, 52 bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        [&self.accounts_root.0, self.accounts.to_be_bytes().as_slice(), &self.fees.to_be_bytes()].concat()
    }

    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        Some(Self { accounts_root: from.hash()?, accounts: from.u32()?, fees: from.u128()? })
    }
}
