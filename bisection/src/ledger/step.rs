//! One step of the ledger. docs/rollup.md, 10.1.

use super::body::{Body, Inference};
use super::inbox::{L1Request, Transfer};
use super::request::{Delegation, signer};
use super::window::NonceUsed;
use super::{Account, Address, Recover, Rules, Signature};
use crate::hash::Hash;

/// Why there is no state after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// There is no such account.
    #[error("there is no account {0}")]
    NoAccount(u32),
    /// The account is somebody else's.
    #[error("the account is not the entry's owner's")]
    Owner,
    /// More ether or accounts than a field holds.
    #[error("no such sum exists")]
    TooMuch,
    /// A forced withdrawal pays another amount.
    #[error("{due} wei must be paid")]
    Paid {
        /// The least of amount and balance.
        due: u128,
    },
    /// It was valid until an earlier time.
    #[error("valid until {0}")]
    Expired(u64),
    /// The nonce cannot be used.
    #[error(transparent)]
    Nonce(#[from] NonceUsed),
    /// It may cost more than its signer allows.
    #[error("it may cost {limit} wei, more than allowed")]
    MaxFee {
        /// The most that it may cost.
        limit: u128,
    },
    /// The balance is less.
    #[error("the balance is less than {0} wei")]
    Balance(u128),
    /// Who is due did not sign.
    #[error("not signed by who is due")]
    Signer,
    /// The delegation's nonce is not above the one before.
    #[error("delegation {0} is not above the one before")]
    OldDelegation(u64),
    /// This is not the delegation in force, or it is not known.
    #[error("not the delegation in force")]
    NotDelegated,
    /// The delegation does not reach so far: account, expiry, model, prices or cap.
    #[error("the delegation does not reach so far")]
    BeyondDelegation,
}

/// What a step reads of the state before it.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// Number of accounts.
    pub accounts: u32,
    /// Wei that proposers ever earned.
    pub fees: u128,
    /// The account that the body names, if there is one.
    pub leaf: Option<&'a Account>,
    /// Fields of the delegation in force, for flag 4.
    pub delegation: Option<&'a Delegation>,
}

/// What a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// Number of accounts.
    pub accounts: u32,
    /// Wei that proposers ever earned.
    pub fees: u128,
    /// The account that it changed or made, if any.
    pub leaf: Option<Account>,
}

/// The state after a step of a batch with this time.
///
/// # Errors
/// There is none: the item is invalid.
pub fn step(
    rules: &Rules,
    before: Before,
    body: &Body,
    time: u64,
    recover: &Recover<'_>,
) -> Result<After, Invalid> {
    let leaf = body.account().map(|account| leaf_of(&before, account));
    let fees = |fee: u128| before.fees.checked_add(fee).ok_or(Invalid::TooMuch);
    let unchanged = After { accounts: before.accounts, fees: before.fees, leaf: None };
    match (body, leaf) {
        (Body::Deposit(entry), _) if entry.account == before.accounts => {
            let accounts = before.accounts.checked_add(1).ok_or(Invalid::TooMuch)?;
            let leaf = Account::new(entry.account, entry.owner, entry.amount);
            Ok(After { accounts, leaf: Some(leaf), ..unchanged })
        }
        (Body::Deposit(entry), Some(leaf)) => {
            let leaf = owned(leaf?, entry)?;
            let balance = leaf.balance.checked_add(entry.amount).ok_or(Invalid::TooMuch)?;
            Ok(After { leaf: Some(Account { balance, ..leaf }), ..unchanged })
        }
        (Body::Forced { entry, paid }, Some(leaf)) => {
            let leaf = owned(leaf?, entry)?;
            let due = entry.amount.min(leaf.balance);
            if *paid != due {
                return Err(Invalid::Paid { due });
            }
            Ok(After { leaf: Some(pays(leaf, due)?), fees: fees(rules.entry_fee)?, ..unchanged })
        }
        (Body::Request { entry, output_length, .. }, _) => match body.item() {
            None => Ok(unchanged),
            Some(_) => Ok(After { fees: fees(l1_fee(rules, entry, *output_length)?)?, ..unchanged }),
        },
        (Body::Inference { call, request, model, price_in, price_out, .. }, Some(leaf)) => {
            let price = Prices { model: *model, price_in: *price_in, price_out: *price_out };
            let (leaf, fee) = inference(rules, &before, leaf?, call, *request, price, time, recover)?;
            Ok(After { leaf: Some(leaf), fees: fees(fee)?, ..unchanged })
        }
        (Body::Withdrawal { order, signature, request }, Some(leaf)) => {
            let leaf = leaf?;
            in_time(order.valid_until, time)?;
            let leaf = Account { window: leaf.window.spend(order.nonce)?, ..leaf };
            signed(*request, signature, leaf.owner, recover)?;
            Ok(After { leaf: Some(pays(leaf, order.amount)?), ..unchanged })
        }
        (Body::Delegation { order, signature, request }, Some(leaf)) => {
            let leaf = leaf?;
            if order.nonce <= leaf.delegation_nonce {
                return Err(Invalid::OldDelegation(order.nonce));
            }
            signed(*request, signature, leaf.owner, recover)?;
            let leaf = Account { delegation_nonce: order.nonce, delegation: *request, spent: 0, ..leaf };
            Ok(After { leaf: Some(leaf), ..unchanged })
        }
        (body, None) => Err(Invalid::NoAccount(body.account().unwrap_or_default())),
    }
}

fn leaf_of(before: &Before, account: u32) -> Result<Account, Invalid> {
    let leaf = before.leaf.filter(|leaf| leaf.index == account && account < before.accounts);
    leaf.copied().ok_or(Invalid::NoAccount(account))
}

fn owned(leaf: Account, entry: &Transfer) -> Result<Account, Invalid> {
    if leaf.owner == entry.owner { Ok(leaf) } else { Err(Invalid::Owner) }
}

fn in_time(valid_until: u64, time: u64) -> Result<(), Invalid> {
    if valid_until >= time { Ok(()) } else { Err(Invalid::Expired(valid_until)) }
}

fn pays(leaf: Account, amount: u128) -> Result<Account, Invalid> {
    let balance = leaf.balance.checked_sub(amount).ok_or(Invalid::Balance(amount))?;
    Ok(Account { balance, ..leaf })
}

fn signed(request: Hash, signature: &Signature, due: Address, recover: &Recover<'_>) -> Result<(), Invalid> {
    if signer(request, signature, recover) == Some(due) { Ok(()) } else { Err(Invalid::Signer) }
}

/// priceIn * prompt + priceOut * output: below 2^97.
fn cost(price_in: u64, prompt: u32, price_out: u64, output: u32) -> Result<u128, Invalid> {
    let part = |price: u64, tokens: u32| u128::from(price).checked_mul(tokens.into());
    let both = part(price_in, prompt).zip(part(price_out, output));
    both.and_then(|(a, b)| a.checked_add(b)).ok_or(Invalid::TooMuch)
}

fn l1_fee(rules: &Rules, entry: &L1Request, output: u32) -> Result<u128, Invalid> {
    let paid = output.min(entry.max_tokens);
    let cost = cost(entry.price_in, entry.prompt_length, entry.price_out, paid)?;
    rules.entry_fee.checked_add(cost).ok_or(Invalid::TooMuch)
}

/// What an inference is of, and what it costs.
#[derive(Clone, Copy)]
struct Prices {
    model: Hash,
    price_in: u64,
    price_out: u64,
}

/// The account after an inference, and the fee. Validity reads the limit, never the output.
#[expect(clippy::too_many_arguments, reason = "the parts of one body")]
fn inference(
    rules: &Rules,
    before: &Before,
    leaf: Account,
    call: &Inference,
    request: Hash,
    price: Prices,
    time: u64,
    recover: &Recover<'_>,
) -> Result<(Account, u128), Invalid> {
    in_time(call.valid_until, time)?;
    let leaf = Account { window: leaf.window.spend(call.nonce)?, ..leaf };
    let limit = cost(price.price_in, call.prompt_length, price.price_out, call.max_tokens)?;
    if limit > call.max_fee {
        return Err(Invalid::MaxFee { limit });
    }
    if limit > leaf.balance {
        return Err(Invalid::Balance(limit));
    }
    let output = call.output_length.min(call.max_tokens);
    let fee = cost(price.price_in, call.prompt_length, price.price_out, output)?;
    if !call.delegated() {
        signed(request, &call.signature, leaf.owner, recover)?;
        return Ok((pays(leaf, fee)?, fee));
    }
    let delegation = before.delegation.ok_or(Invalid::NotDelegated)?;
    if leaf.delegation == Hash::default() || delegation.digest(&rules.domain) != leaf.delegation {
        return Err(Invalid::NotDelegated);
    }
    let total = leaf.spent.checked_add(limit).ok_or(Invalid::BeyondDelegation)?;
    let reaches = delegation.account == call.account
        && delegation.expiry >= time
        && (delegation.model == Hash::default() || delegation.model == price.model)
        && price.price_in <= delegation.max_price_in
        && price.price_out <= delegation.max_price_out
        && total <= delegation.cap;
    if !reaches {
        return Err(Invalid::BeyondDelegation);
    }
    signed(request, &call.signature, delegation.delegate, recover)?;
    let spent = leaf.spent.checked_add(fee).ok_or(Invalid::TooMuch)?;
    Ok((Account { spent, ..pays(leaf, fee)? }, fee))
}
