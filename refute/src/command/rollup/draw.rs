//! `refute rollup draw`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use bindings::bond_vault::BondVault;
use bindings::deployment::Deployment;
use bindings::l1::{L1, Sender};
use clap::Args;
use serde_json::json;

use super::deposit::ether;
use crate::console::Console;
use crate::failure::bad_input;
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Ether to draw [default: all that the vault owes the wallet's owner]
    #[arg(long, value_name = "ETHER", value_parser = ether)]
    amount: Option<U256>,
    /// Who gets it [default: the wallet's owner]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let (to, amount) = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&of).await?;
        let to = arguments.to.unwrap_or(sender.account());
        Ok((to, draw(&l1, &sender, &of, arguments.amount, to).await?))
    })?;
    let amount = format_ether(amount);
    console.show(&json!({"to": to, "ether": amount}), &format!("{amount} ether for {to}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Sends what the vault owes the sender, or a part of it, somewhere; says how much that was.
pub(crate) async fn draw(
    l1: &L1,
    sender: &Sender,
    of: &Deployment,
    amount: Option<U256>,
    to: Address,
) -> anyhow::Result<U256> {
    let vault = of.contracts.vault;
    let call = BondVault::balanceOfCall { account: sender.account() };
    let has = l1.call(vault, &call, BlockId::latest()).await?;
    let amount = amount.unwrap_or(has);
    if amount.is_zero() || amount > has {
        return Err(bad_input(format!(
            "the vault owes {} {} ether: `refute rollup exit` has paid into it what is final",
            sender.account(),
            format_ether(has)
        )));
    }
    sender.send(vault, BondVault::withdrawCall { amount, to }.abi_encode().into(), U256::ZERO).await?;
    Ok(amount)
}
