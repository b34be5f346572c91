//! `refute rollup deposit`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::utils::{format_ether, parse_ether};
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use bindings::deployment::Deployment;
use bindings::inbox::Inbox;
use bindings::l1::{L1, Sender};
use clap::Args;
use serde_json::json;

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
    /// Ether to pay in
    #[arg(long, value_name = "ETHER", value_parser = ether)]
    amount: U256,
    /// Whose account [default: that of the account that pays]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Address>,
}

/// An amount of ether in wei.
pub(super) fn ether(text: &str) -> Result<U256, String> {
    parse_ether(text).map_err(|e| format!("{e}: give ether, for example 0.5"))
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let to = deployment(&arguments.deployment)?;
    let least = U256::from(to.parameters.rollup.min_deposit);
    if arguments.amount < least {
        return Err(bad_input(format!("the least deposit is {} ether", format_ether(least))));
    }
    let (owner, account) = block_on(async {
        let (node, sender) = arguments.wallet.sender_for(&to).await?;
        let owner = arguments.owner.unwrap_or(sender.account());
        Ok((owner, deposit(&node, &sender, &to, owner, arguments.amount).await?))
    })?;
    let amount = format_ether(arguments.amount);
    let document = json!({"account": account, "owner": owner, "ether": amount});
    console.show(
        &document,
        &format!("{amount} ether for account {account} of {owner}; the sequencer counts it soon"),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Pays in, and says which account has it.
pub(crate) async fn deposit(
    node: &L1,
    sender: &Sender,
    to: &Deployment,
    owner: Address,
    amount: U256,
) -> anyhow::Result<u32> {
    let inbox = to.contracts.inbox;
    sender.send(inbox, Inbox::depositCall { owner }.abi_encode().into(), amount).await?;
    Ok(node.call(inbox, &Inbox::accountOfCall { owner }, BlockId::latest()).await?)
}
