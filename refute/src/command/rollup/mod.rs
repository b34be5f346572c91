//! `refute rollup ...`: what operators and users do on L1 by hand.

mod announce;
mod bond;
mod deploy;
mod deposit;
mod key;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use announce::announce_model;
pub(crate) use bond::bond;
pub(crate) use deposit::deposit;
pub(crate) use key::{Order, make as make_key};

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
}

pub(crate) fn run(command: &Rollup, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Rollup::Deploy(arguments) => deploy::run(arguments, console),
        Rollup::Announce(arguments) => announce::run(arguments, console),
        Rollup::Bond(arguments) => bond::run(arguments, console),
        Rollup::Deposit(arguments) => deposit::run(arguments, console),
        Rollup::Key(arguments) => key::run(arguments, console),
    }
}
