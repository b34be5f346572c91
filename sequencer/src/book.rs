//! What each account has, less what is promised to its requests under way.
//!
//! A request is admitted by [`Book::hold`], which sets its nonce and the most that it can cost aside, and is executed by
//! [`Book::infer`], in the order of numbers. What is never executed is given back when its [`Hold`] is dropped.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::Address;

use bisection::ledger::NonceUsed;
use bisection::ledger::inbox;

use crate::ledger::{Account, Delegation, Hash, InferenceStep, Invalid, Twin, Withdrawal};

/// Nonces under way may not lie further apart, or the lower ones could leave the window before they are used.
const SPAN: u64 = 255;

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The ledger would refuse it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such account.
    #[error("there is no account {0}")]
    Account(u32),
    /// The delegation's end.
    #[error("the delegation has expired")]
    DelegationExpired,
    /// The delegation is for another model, or for lower prices.
    #[error("the delegation does not allow this model at its price")]
    DelegationScope,
    /// The delegation's cap.
    #[error("the delegation's cap is reached")]
    Cap,
    /// The account has too much under way.
    #[error("too many requests of this account are under way, or their nonces lie too far apart")]
    TooMany,
    /// The delegate's address is another account's.
    #[error("this delegate already signs for another account: make a new key")]
    Delegate,
}

/// Accounts in memory.
pub struct Book {
    rules: Twin,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<u32, Entry>,
    delegates: HashMap<Address, u32>,
}

struct Entry {
    leaf: Account,
    /// The one in force, if somebody can use it.
    delegation: Option<Delegation>,
    held: u128,
    held_by_delegate: u128,
    /// Wei of withdrawals that are in the inbox on L1 and not yet executed here.
    leaving: u128,
    flying: BTreeSet<u64>,
}

impl Entry {
    fn new(leaf: Account, delegation: Option<Delegation>) -> Self {
        Self { leaf, delegation, held: 0, held_by_delegate: 0, leaving: 0, flying: BTreeSet::new() }
    }

    /// The delegation in force, if `signer` is its delegate.
    fn terms(&self, signer: Address) -> Result<&Delegation, Invalid> {
        self.delegation.as_ref().filter(|d| d.delegate == signer.0.0).ok_or(Invalid::NotDelegated)
    }
}

/// A refusal, with what of a delegation does not reach far enough.
fn refusal(invalid: Invalid, terms: Option<&Delegation>, step: &InferenceStep, time: u64) -> Refusal {
    match (invalid, terms) {
        (Invalid::BeyondDelegation, Some(terms)) if terms.expiry < time => Refusal::DelegationExpired,
        (Invalid::BeyondDelegation, Some(terms)) => {
            let model = terms.model == Hash::default() || terms.model == step.model;
            let price = step.price_in <= terms.max_price_in && step.price_out <= terms.max_price_out;
            if model && price { Refusal::Cap } else { Refusal::DelegationScope }
        }
        (invalid, _) => invalid.into(),
    }
}

/// What an account had before a step: to take it back.
#[derive(Debug)]
pub struct Undo {
    leaf: Account,
    delegation: Option<Option<Delegation>>,
    /// It made the account.
    new: bool,
}

/// What is set aside for a request.
pub struct Hold {
    book: Arc<Book>,
    /// Whose.
    pub account: u32,
    /// Its nonce.
    pub nonce: u64,
    limit: u128,
    delegated: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.book.lock();
        if let Some(entry) = state.accounts.get_mut(&self.account) {
            entry.flying.remove(&self.nonce);
            entry.held = entry.held.saturating_sub(self.limit);
            if self.delegated {
                entry.held_by_delegate = entry.held_by_delegate.saturating_sub(self.limit);
            }
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold({}/{}, {} wei)", self.account, self.nonce, self.limit)
    }
}

impl Book {
    /// An empty one.
    pub fn new(rules: Twin) -> Self {
        Self { rules, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an account in, as it is stored or newly deposited.
    pub fn put(&self, leaf: Account, delegation: Option<Delegation>) {
        let mut state = self.lock();
        if let Some(d) = delegation.as_ref().filter(|d| d.delegate != [0; 20]) {
            state.delegates.insert(d.delegate.into(), leaf.index);
        }
        state.accounts.insert(leaf.index, Entry::new(leaf, delegation));
    }

    /// An account as it is after the last executed step.
    pub fn account(&self, index: u32) -> Option<Account> {
        self.lock().accounts.get(&index).map(|entry| entry.leaf)
    }

    /// The account whose delegation in force names this address.
    pub fn account_of(&self, delegate: Address) -> Option<u32> {
        self.lock().delegates.get(&delegate).copied()
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.lock().accounts.len()
    }

    /// Are there none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The delegate in force of an account.
    pub fn delegate(&self, index: u32) -> Option<Address> {
        self.lock().accounts.get(&index)?.delegation.as_ref().map(|d| d.delegate.into())
    }

    /// Sets aside what a request may cost, and its nonce: the given one, or the next free one.
    pub fn hold(
        self: &Arc<Self>,
        account: u32,
        nonce: Option<u64>,
        delegate: Option<Address>,
        step: &InferenceStep,
        time: u64,
    ) -> Result<Hold, Refusal> {
        let mut state = self.lock();
        let entry = state.accounts.get_mut(&account).ok_or(Refusal::Account(account))?;
        let highest = entry.flying.last().copied();
        let nonce =
            nonce.unwrap_or_else(|| highest.map_or(0, |n| n.saturating_add(1)).max(entry.leaf.window.next));
        if entry.flying.contains(&nonce) {
            return Err(Invalid::Nonce(NonceUsed(nonce)).into());
        }
        let ends = [entry.flying.first().copied(), highest];
        if ends.into_iter().flatten().any(|other| other.abs_diff(nonce) > SPAN) {
            return Err(Refusal::TooMany);
        }
        let mut leaf = entry.leaf;
        leaf.balance = leaf.balance.saturating_sub(entry.held).saturating_sub(entry.leaving);
        leaf.spent = leaf.spent.saturating_add(entry.held_by_delegate);
        let terms = delegate.map(|signer| entry.terms(signer)).transpose()?;
        // As if it took all that it may take.
        let step = InferenceStep { nonce, output_length: step.max_tokens, ..*step };
        self.rules.inference(&leaf, terms, &step, time).map_err(|e| refusal(e, terms, &step, time))?;
        let limit = step.limit();
        entry.flying.insert(nonce);
        entry.held = entry.held.saturating_add(limit);
        let delegated = delegate.is_some();
        if delegated {
            entry.held_by_delegate = entry.held_by_delegate.saturating_add(limit);
        }
        Ok(Hold { book: Arc::clone(self), account, nonce, limit, delegated })
    }

    /// Executes an inference. Gives its fee, the owner, and how to take it back.
    pub fn infer(
        &self,
        account: u32,
        delegate: Option<Address>,
        step: &InferenceStep,
        time: u64,
    ) -> Result<(u128, Address, Undo), Refusal> {
        let mut state = self.lock();
        let entry = state.accounts.get_mut(&account).ok_or(Refusal::Account(account))?;
        let undo = Undo { leaf: entry.leaf, delegation: None, new: false };
        let terms = delegate.map(|signer| entry.terms(signer)).transpose()?;
        let outcome = self.rules.inference(&entry.leaf, terms, step, time);
        let (leaf, fee) = outcome.map_err(|e| refusal(e, terms, step, time))?;
        entry.leaf = leaf;
        Ok((fee, leaf.owner.into(), undo))
    }

    /// Executes a delegation.
    pub fn delegate_to(&self, terms: &Delegation, digest: Hash) -> Result<(Address, Undo), Refusal> {
        let mut state = self.lock();
        if state.delegates.get(&Address::from(terms.delegate)).is_some_and(|other| *other != terms.account) {
            return Err(Refusal::Delegate);
        }
        let entry = state.accounts.get_mut(&terms.account).ok_or(Refusal::Account(terms.account))?;
        let leaf = entry.leaf;
        entry.leaf = self.rules.delegate(&leaf, terms, digest)?;
        let next = (terms.delegate != [0; 20]).then_some(*terms);
        let before = std::mem::replace(&mut entry.delegation, next);
        let owner = leaf.owner.into();
        if let Some(d) = &before {
            state.delegates.remove(&Address::from(d.delegate));
        }
        if terms.delegate != [0; 20] {
            state.delegates.insert(terms.delegate.into(), terms.account);
        }
        Ok((owner, Undo { leaf, delegation: Some(before), new: false }))
    }

    /// Executes a withdrawal that its owner has signed. What is set aside for requests stays.
    pub fn withdraw(&self, order: &Withdrawal, time: u64) -> Result<(Address, Undo), Refusal> {
        let mut state = self.lock();
        let entry = state.accounts.get_mut(&order.account).ok_or(Refusal::Account(order.account))?;
        if entry.flying.contains(&order.nonce) {
            return Err(Invalid::Nonce(NonceUsed(order.nonce)).into());
        }
        let mut free = entry.leaf;
        free.balance = free.balance.saturating_sub(entry.held).saturating_sub(entry.leaving);
        self.rules.withdraw(&free, order, time)?;
        let leaf = entry.leaf;
        entry.leaf = self.rules.withdraw(&leaf, order, time)?;
        Ok((leaf.owner.into(), Undo { leaf, delegation: None, new: false }))
    }

    /// Executes an entry of the inbox. Gives the account, and how to take it back; nothing if no account is concerned.
    pub fn enter(&self, entry: &inbox::Entry) -> Option<(u32, Undo)> {
        let mut state = self.lock();
        match entry {
            inbox::Entry::Deposit(deposit) => match state.accounts.get_mut(&deposit.account) {
                Some(entry) => {
                    let leaf = entry.leaf;
                    entry.leaf.balance = leaf.balance.saturating_add(deposit.amount);
                    Some((leaf.index, Undo { leaf, delegation: None, new: false }))
                }
                None => {
                    let leaf = Account::new(deposit.account, deposit.owner, deposit.amount);
                    state.accounts.insert(leaf.index, Entry::new(leaf, None));
                    Some((leaf.index, Undo { leaf, delegation: None, new: true }))
                }
            },
            inbox::Entry::Forced(forced) => {
                let entry = state.accounts.get_mut(&forced.account)?;
                let leaf = entry.leaf;
                entry.leaf.balance = leaf.balance.saturating_sub(forced.amount);
                Some((leaf.index, Undo { leaf, delegation: None, new: false }))
            }
            inbox::Entry::Request(_) => None,
        }
    }

    /// Names the withdrawals that wait in the inbox: they count as done for whatever is admitted from now on.
    pub fn leaving(&self, amounts: &HashMap<u32, u128>) {
        for (index, entry) in &mut self.lock().accounts {
            entry.leaving = amounts.get(index).copied().unwrap_or_default();
        }
    }

    /// Puts all accounts in anew. What is set aside stays set aside.
    pub fn replace(&self, accounts: &[(Account, Option<Delegation>)]) {
        let mut state = self.lock();
        let mut before = std::mem::take(&mut state.accounts);
        state.delegates.clear();
        for (leaf, delegation) in accounts {
            let delegation = delegation.filter(|d| d.delegate != [0; 20]);
            if let Some(d) = delegation {
                state.delegates.insert(d.delegate.into(), leaf.index);
            }
            let mut entry = before.remove(&leaf.index).unwrap_or_else(|| Entry::new(*leaf, None));
            (entry.leaf, entry.delegation) = (*leaf, delegation);
            state.accounts.insert(leaf.index, entry);
        }
    }

    /// Takes steps back, the last one first.
    pub fn undo(&self, steps: impl DoubleEndedIterator<Item = Undo>) {
        let mut state = self.lock();
        for Undo { leaf, delegation, new } in steps.rev() {
            if new {
                state.accounts.remove(&leaf.index);
                continue;
            }
            let Some(entry) = state.accounts.get_mut(&leaf.index) else { continue };
            entry.leaf = leaf;
            let Some(before) = delegation else { continue };
            let after = std::mem::replace(&mut entry.delegation, before);
            if let Some(d) = after {
                state.delegates.remove(&Address::from(d.delegate));
            }
            if let Some(d) = before {
                state.delegates.insert(d.delegate.into(), leaf.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Domain, parameters};

    fn step(max_tokens: u32) -> InferenceStep {
        InferenceStep {
            nonce: 0,
            model: Hash([1; 32]),
            price_in: 1,
            price_out: 1,
            prompt_length: 10,
            output_length: 0,
            max_tokens,
            max_fee: u128::MAX,
            valid_until: 100,
        }
    }

    fn domain() -> Domain {
        Domain::new(1, [2; 20])
    }

    fn book(balance: u128) -> Arc<Book> {
        let book = Arc::new(Book::new(Twin(parameters(domain()))));
        book.put(Account::new(0, [9; 20], balance), None);
        book
    }

    fn terms(nonce: u64, cap: u128) -> Delegation {
        Delegation {
            account: 0,
            nonce,
            delegate: [nonce as u8; 20],
            cap,
            expiry: 50,
            model: Hash::default(),
            max_price_in: 1,
            max_price_out: 1,
        }
    }

    fn delegate(book: &Book, nonce: u64, cap: u128) -> Result<(Address, Undo), Refusal> {
        let terms = terms(nonce, cap);
        book.delegate_to(&terms, terms.digest(&domain()))
    }

    #[test]
    fn what_is_held_cannot_be_held_twice_and_comes_back() {
        let book = book(50);
        let first = book.hold(0, None, None, &step(20), 1).unwrap();
        assert_eq!(book.hold(0, None, None, &step(20), 1).unwrap_err(), Invalid::Balance(30).into());
        let second = book.hold(0, None, None, &step(10), 1).unwrap();
        assert_eq!((first.nonce, second.nonce), (0, 1));
        assert_eq!(
            book.hold(0, Some(1), None, &step(0), 1).unwrap_err(),
            Invalid::Nonce(NonceUsed(1)).into()
        );
        drop((first, second));
        assert!(book.hold(0, None, None, &step(40), 1).is_ok());
        assert_eq!(book.hold(1, None, None, &step(1), 1).unwrap_err(), Refusal::Account(1));
    }

    #[test]
    fn nonces_under_way_stay_within_the_window() {
        let book = book(1 << 40);
        let holds: Vec<Hold> = (0..256).map(|_| book.hold(0, None, None, &step(1), 1).unwrap()).collect();
        assert_eq!(book.hold(0, None, None, &step(1), 1).unwrap_err(), Refusal::TooMany);
        // The last ends first, and the first is still executable.
        for hold in holds.into_iter().rev() {
            let step = InferenceStep { nonce: hold.nonce, output_length: 1, ..step(1) };
            book.infer(0, None, &step, 1).unwrap();
        }
        assert_eq!(book.account(0).unwrap().window.next, 256);
    }

    #[test]
    fn a_delegate_spends_up_to_the_cap_until_it_is_replaced() {
        let book = book(1000);
        assert_eq!(
            book.hold(0, None, Some(Address::repeat_byte(1)), &step(1), 1).unwrap_err(),
            Invalid::NotDelegated.into()
        );
        let (_, undo) = delegate(&book, 1, 40).unwrap();
        assert_eq!(book.account_of(Address::repeat_byte(1)), Some(0));
        let hold = book.hold(0, None, Some(Address::repeat_byte(1)), &step(20), 1).unwrap();
        assert_eq!(book.hold(0, None, Some(Address::repeat_byte(1)), &step(1), 1).unwrap_err(), Refusal::Cap);
        assert_eq!(
            book.hold(0, None, Some(Address::repeat_byte(1)), &step(0), 51).unwrap_err(),
            Refusal::DelegationExpired
        );
        let (_, replaced) = delegate(&book, 2, 40).unwrap();
        assert_eq!(book.account_of(Address::repeat_byte(1)), None);
        assert_eq!(delegate(&book, 2, 9).unwrap_err(), Invalid::OldDelegation(2).into());
        let late = InferenceStep { nonce: hold.nonce, output_length: 1, ..step(20) };
        let signer = Some(Address::repeat_byte(1));
        assert_eq!(book.infer(0, signer, &late, 1).unwrap_err(), Invalid::NotDelegated.into());
        drop(hold);
        book.undo([undo, replaced].into_iter());
        assert_eq!((book.account_of(Address::repeat_byte(2)), book.delegate(0)), (None, None));
        assert_eq!(book.account(0).unwrap().delegation, Hash::default());
    }
}
