//! The Ledger question: one step, recomputed from a witness. docs/rollup.md, 10.2.

use super::accounts::climb;
use super::body::{Body, StepLeaf};
use super::request::Delegation;
use super::step::{Before, Invalid, step};
use super::wire::Reader;
use super::{Account, Ledger, Recover, Rules, State};
use crate::hash::Hash;
use crate::proof::{Wrong, path_len};
use crate::tree;

/// Why a witness proves nothing, of either question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is shorter or longer than what it begins with says.
    #[error("the witness has not the length that is due")]
    Length,
    /// Its state is not that before the step.
    #[error("not the state before the step")]
    State,
    /// Its account is not in that state, or not empty where one is appended.
    #[error("not the account before the step")]
    Account,
    /// The step is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another state follows.
    #[error("the root after the step is {due}")]
    Root {
        /// Its root.
        due: Hash,
    },
    /// The header is not the step's.
    #[error("not the step's item")]
    Item,
    /// Model header and interface are not the item's.
    #[error("not the item's model")]
    Model,
    /// The opening does not lead to the output's root.
    #[error("not the item's output")]
    Output,
    /// The token is not of the vocabulary.
    #[error("there is no token {0}")]
    NoToken(u32),
    /// The output goes on after a stop token.
    #[error("token {0} stops, and the output goes on")]
    RunsOn(u32),
    /// The output ends before its longest length without a stop token.
    #[error("token {0} does not stop, and the output may be longer")]
    EndsEarly(u32),
}

/// The witness of a step from the ledger's state. It proves the root that is right, if the step is valid.
///
/// `None` if the step names an account that is neither there nor the next, or a delegate signed and no delegation is known.
pub fn make(ledger: &Ledger, body: &Body) -> Option<Vec<u8>> {
    let mut out = ledger.state().encode();
    let accounts = ledger.accounts();
    if let Some(index) = body.account() {
        match accounts.get(index) {
            Some(account) => out.extend(account.fields()),
            None => out.extend(Account::default().fields()),
        }
        accounts.path(index)?.iter().for_each(|sibling| out.extend(sibling.0));
        if body.delegated() {
            accounts.delegation(index)?.encode(&mut out);
        }
    }
    Some(out)
}

/// Is a step's post root the right one, as the contract decides it.
///
/// # Errors
/// Why not.
pub fn check(
    rules: &Rules,
    leaf: &StepLeaf,
    time: u64,
    witness: &[u8],
    recover: &Recover<'_>,
) -> Result<(), Unproven> {
    let due = execute(rules, leaf.pre, &leaf.body, time, witness, recover)?;
    if due == leaf.post { Ok(()) } else { Err(Unproven::Root { due }) }
}

/// The state root after a step.
///
/// # Errors
/// The witness is none of `pre`, or the step is invalid.
pub fn execute(
    rules: &Rules,
    pre: Hash,
    body: &Body,
    time: u64,
    witness: &[u8],
    recover: &Recover<'_>,
) -> Result<Hash, Unproven> {
    let mut from = Reader::new(witness);
    let state = State::read(&mut from).ok_or(Unproven::Length)?;
    if state.root() != pre {
        return Err(Unproven::State);
    }
    let Some(index) = body.account() else {
        from.end(()).ok_or(Unproven::Length)?;
        let before = Before { accounts: state.accounts, fees: state.fees, leaf: None, delegation: None };
        let after = step(rules, before, body, time, recover)?;
        return Ok(State { fees: after.fees, ..state }.root());
    };
    let shown = Shown::read(&mut from, &state, index, body)?;
    from.end(()).ok_or(Unproven::Length)?;
    let before = Before {
        accounts: state.accounts,
        fees: state.fees,
        leaf: (!shown.appends).then_some(&shown.account),
        delegation: shown.delegation.as_ref(),
    };
    let after = step(rules, before, body, time, recover)?;
    let leaf = after.leaf.map_or(tree::pad(), |leaf| leaf.leaf());
    let accounts_root = shown.climb(leaf).map_err(|_| Unproven::Length)?;
    Ok(State { accounts_root, accounts: after.accounts, fees: after.fees }.root())
}

/// What a witness shows of an account, checked against the state.
struct Shown {
    account: Account,
    appends: bool,
    /// Leaves of the tree, with the one that is appended.
    count: u64,
    siblings: Vec<Hash>,
    delegation: Option<Delegation>,
}

impl Shown {
    fn read(from: &mut Reader, state: &State, index: u32, body: &Body) -> Result<Self, Unproven> {
        let appends = matches!(body, Body::Deposit(_)) && index == state.accounts;
        if index >= state.accounts && !appends {
            return Err(Invalid::NoAccount(index).into());
        }
        let account = Account::read(index, from).ok_or(Unproven::Length)?;
        let count = u64::from(state.accounts).saturating_add(appends.into());
        let siblings: Option<Vec<Hash>> = (0..path_len(count, index.into())).map(|_| from.hash()).collect();
        let siblings = siblings.ok_or(Unproven::Length)?;
        let delegation =
            body.delegated().then(|| Delegation::read(from).ok_or(Unproven::Length)).transpose()?;
        let shown = Self { account, appends, count, siblings, delegation };
        let blank = Account { index, ..Account::default() };
        let leaf = if appends { tree::pad() } else { account.leaf() };
        let before = shown.climb(leaf).map_err(|_| Unproven::Length)?;
        if before != state.accounts_root || appends && account != blank {
            return Err(Unproven::Account);
        }
        Ok(shown)
    }

    fn climb(&self, leaf: Hash) -> Result<Hash, Wrong> {
        climb(leaf, self.account.index, self.count, &mut self.siblings.iter().copied())
    }
}
