//! `refute rollup ...`: what operators and users do on L1 by hand.

mod announce;
mod ask;
mod bond;
mod claim;
mod deploy;
mod deposit;
mod draw;
mod exit;
mod key;
mod office;
mod price;
mod proof;
mod unbond;
mod withdraw;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use announce::announce_model;
pub(crate) use bond::bond;
pub(crate) use claim::{Promise, breach, claim};
pub(crate) use deposit::deposit;
pub(crate) use draw::draw;
pub(crate) use exit::{due, pay};
pub(crate) use key::{Order, make as make_key};
pub(crate) use proof::final_output;
pub(crate) use withdraw::{Order as WithdrawalOrder, account_of, withdraw};

use crate::console::Console;

/// What can be done.
#[derive(Subcommand)]
pub(crate) enum Rollup {
    /// Deploy all contracts and write their addresses and parameters to a file
    Deploy(deploy::Arguments),
    /// Make a model known, name its prices and put it on the public list (the registry's owner)
    Announce(announce::Arguments),
    /// Back a sequencer's receipts with a bond, and name the key that signs them
    Bond(bond::Arguments),
    /// Pay into an account; an owner without one gets it
    Deposit(deposit::Arguments),
    /// Make an API key: a capped, expiring delegation of an account, registered with a sequencer
    Key(key::Arguments),
    /// Ask for an inference on L1, paid there: it has to be executed, whatever the sequencer wants
    Ask(ask::Arguments),
    /// Find a request's result on L1 and ask the contract whether it is final; exit code 1 if it is not yet
    Proof(proof::Arguments),
    /// Be paid for a receipt that was broken; exit code 1 if it was not
    Claim(claim::Arguments),
    /// Take money out of an account, by the sequencer or (--force) by the inbox on L1
    Withdraw(withdraw::Arguments),
    /// Have paid out what is final: withdrawals, and what requests on L1 did not use; exit code 1 if nothing was
    Exit(exit::Arguments),
    /// Send what the vault owes to a wallet: exits, stakes, bonds, rewards
    Draw(draw::Arguments),
    /// Call the receipt bond back, and later have it paid out; exit code 1 until then
    Unbond(unbond::Arguments),
    /// Name the next price of a model (the registry's owner)
    Price(price::PriceArguments),
    /// Put a model on the public list or take it off (the registry's owner)
    List(price::ListArguments),
    /// Take the right to answer from the defender key of an assertion (its proposer)
    Revoke(office::RevokeArguments),
    /// Name the next sequencer (the present one)
    HandOver(office::HandOverArguments),
}

pub(crate) fn run(command: &Rollup, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Rollup::Deploy(arguments) => deploy::run(arguments, console),
        Rollup::Announce(arguments) => announce::run(arguments, console),
        Rollup::Bond(arguments) => bond::run(arguments, console),
        Rollup::Deposit(arguments) => deposit::run(arguments, console),
        Rollup::Key(arguments) => key::run(arguments, console),
        Rollup::Ask(arguments) => ask::run(arguments, console),
        Rollup::Proof(arguments) => proof::run(arguments, console),
        Rollup::Claim(arguments) => claim::run(arguments, console),
        Rollup::Withdraw(arguments) => withdraw::run(arguments, console),
        Rollup::Exit(arguments) => exit::run(arguments, console),
        Rollup::Draw(arguments) => draw::run(arguments, console),
        Rollup::Unbond(arguments) => unbond::run(arguments, console),
        Rollup::Price(arguments) => price::price(arguments, console),
        Rollup::List(arguments) => price::list(arguments, console),
        Rollup::Revoke(arguments) => office::revoke(arguments, console),
        Rollup::HandOver(arguments) => office::hand_over(arguments, console),
    }
}
