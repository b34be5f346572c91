//! `refute rollup ...`: what operators and users do on L1 by hand.

mod announce;
mod bond;
mod claim;
mod deploy;
mod deposit;
mod key;
mod proof;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use announce::announce_model;
pub(crate) use bond::bond;
pub(crate) use claim::{Promise, breach, claim};
pub(crate) use deposit::deposit;
pub(crate) use key::{Order, make as make_key};
pub(crate) use proof::final_output;

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
    /// Find a request's result on L1 and ask the contract whether it is final; exit code 1 if it is not yet
    Proof(proof::Arguments),
    /// Be paid for a receipt that was broken; exit code 1 if it was not
    Claim(claim::Arguments),
}

pub(crate) fn run(command: &Rollup, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Rollup::Deploy(arguments) => deploy::run(arguments, console),
        Rollup::Announce(arguments) => announce::run(arguments, console),
        Rollup::Bond(arguments) => bond::run(arguments, console),
        Rollup::Deposit(arguments) => deposit::run(arguments, console),
        Rollup::Key(arguments) => key::run(arguments, console),
        Rollup::Proof(arguments) => proof::run(arguments, console),
        Rollup::Claim(arguments) => claim::run(arguments, console),
    }
}
