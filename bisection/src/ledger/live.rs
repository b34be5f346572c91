//! The state that a proposer or challenger holds.

use super::batch::Step;
use super::body::Body;
use super::models::Price;
use super::request::{Delegation, Request};
use super::step::{After, Before, Invalid, step};
use super::witness;
use super::{Account, Accounts, Recover, Rules, Signature, State};
use crate::hash::Hash;

/// A state with all of its accounts. Steps go forward, and back by what they leave behind ([`Undo`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    rules: Rules,
    accounts: Accounts,
    fees: u128,
}

/// What a step overwrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    fees: u128,
    /// The account's index, and what it was; nothing if it was appended.
    account: Option<(u32, Option<Account>)>,
    delegation: Option<(u32, Option<Delegation>)>,
}

impl Ledger {
    /// Before the first batch.
    pub fn genesis(rules: Rules) -> Self {
        Self::restore(rules, Accounts::new(), 0)
    }

    /// Of a snapshot. `fees` is in wei.
    pub fn restore(rules: Rules, accounts: Accounts, fees: u128) -> Self {
        Self { rules, accounts, fees }
    }

    /// Parameters.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// What its root is the hash of.
    pub fn state(&self) -> State {
        State { accounts_root: self.accounts.root(), accounts: self.accounts.len(), fees: self.fees }
    }

    /// State root.
    pub fn root(&self) -> Hash {
        self.state().root()
    }

    /// What a step would change, without doing it.
    ///
    /// # Errors
    /// The step is invalid.
    pub fn check(&self, body: &Body, time: u64, recover: &Recover<'_>) -> Result<After, Invalid> {
        let account = body.account();
        let before = Before {
            accounts: self.accounts.len(),
            fees: self.fees,
            leaf: account.and_then(|i| self.accounts.get(i)),
            delegation: account.and_then(|i| self.accounts.delegation(i)),
        };
        step(&self.rules, before, body, time, recover)
    }

    /// Would a request be valid now, at this price, whatever its output will be: before it is run. What it changes then is what it
    /// changes with the shortest output.
    ///
    /// # Errors
    /// It would not.
    pub fn admits(
        &self,
        request: &Request,
        price: &Price,
        delegated: bool,
        signature: Signature,
        time: u64,
        recover: &Recover<'_>,
    ) -> Result<After, Invalid> {
        let step = Step::inference(request, 0, delegated, signature, Vec::new(), 0, Vec::new());
        let Step::Inference { call, .. } = step else { return Err(Invalid::Signer) };
        let body = Body::Inference {
            call,
            request: request.digest(&self.rules.domain),
            item: Hash::default(),
            model: request.model,
            price_in: price.price_in,
            price_out: price.price_out,
        };
        self.check(&body, time, recover)
    }

    /// Takes a step of a batch with this time; what takes it back.
    ///
    /// # Errors
    /// The step is invalid; nothing has changed.
    pub fn apply(&mut self, body: &Body, time: u64, recover: &Recover<'_>) -> Result<Undo, Invalid> {
        let after = self.check(body, time, recover)?;
        let mut undo = Undo { fees: self.fees, account: None, delegation: None };
        if let Some(leaf) = after.leaf {
            let before = self.accounts.set(leaf).ok_or(Invalid::NoAccount(leaf.index))?;
            undo.account = Some((leaf.index, before));
        }
        if let Body::Delegation { order, .. } = body {
            let before = self.accounts.delegate(order.account, Some(*order));
            undo.delegation = Some((order.account, before));
        }
        self.fees = after.fees;
        Ok(undo)
    }

    /// Takes the last step back. Each is taken back once, the last first.
    pub fn undo(&mut self, undo: Undo) {
        self.fees = undo.fees;
        match undo.account {
            Some((_, Some(before))) => {
                self.accounts.set(before);
            }
            Some((_, None)) => self.accounts.pop(),
            None => {}
        }
        if let Some((account, before)) = undo.delegation {
            self.accounts.delegate(account, before);
        }
    }

    /// The Ledger witness of a step from this state: see [`witness::make`].
    pub fn witness(&self, body: &Body) -> Option<Vec<u8>> {
        witness::make(self, body)
    }
}
