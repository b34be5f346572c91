//! `refute rollup bond`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use bindings::deployment::Deployment;
use bindings::l1::Sender;
use bindings::receipts::Receipts;
use clap::Args;
use serde_json::json;

use super::deposit::ether;
use crate::console::Console;
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Ether to add to the bond of the account that pays, which is the proposer's
    #[arg(long, value_name = "ETHER", value_parser = ether)]
    amount: U256,
    /// A key that may sign its receipts, for ever [default: its own alone]
    #[arg(long, value_name = "ADDRESS")]
    signer: Option<Address>,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let to = deployment(&arguments.deployment)?;
    let proposer = block_on(async {
        let (_, sender) = arguments.wallet.sender_for(&to).await?;
        bond(&sender, &to, arguments.amount, arguments.signer).await?;
        Ok(sender.account())
    })?;
    let amount = format_ether(arguments.amount);
    let document = json!({"proposer": proposer, "ether": amount, "signer": arguments.signer});
    console.show(&document, &format!("{amount} ether stand behind the receipts of {proposer}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Adds to the sender's receipt bond and appoints a key.
pub(crate) async fn bond(
    sender: &Sender,
    to: &Deployment,
    amount: U256,
    signer: Option<Address>,
) -> anyhow::Result<()> {
    let receipts = to.contracts.receipts;
    if let Some(key) = signer.filter(|key| *key != sender.account()) {
        sender.send(receipts, Receipts::appointCall { key }.abi_encode().into(), U256::ZERO).await?;
    }
    sender.send(receipts, Receipts::depositCall {}.abi_encode().into(), amount).await?;
    Ok(())
}
