//! `refute rollup unbond`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::U256;
use alloy::primitives::utils::format_ether;
use alloy::sol_types::SolCall;
use bindings::receipts::Receipts;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::failure::{WRONG, bad_input};
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let receipts = of.contracts.receipts;
    let (amount, leaves, now) = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&of).await?;
        let proposer = sender.account();
        let bond = Receipts::bondOfCall { proposer };
        let before = l1.call(receipts, &bond, BlockId::latest()).await?;
        // An empty bond that was called back must leave before another can be put down.
        if before.amount == 0 && before.leaves == 0 {
            return Err(bad_input(format!("{proposer} has no bond for receipts")));
        }
        let now = l1.head().await?.time;
        if before.leaves == 0 {
            sender.send(receipts, Receipts::callBackCall {}.abi_encode().into(), U256::ZERO).await?;
        } else if before.leaves <= now {
            sender.send(receipts, Receipts::leaveCall {}.abi_encode().into(), U256::ZERO).await?;
            return Ok((before.amount, 0, now));
        }
        let leaves = l1.call(receipts, &bond, BlockId::latest()).await?.leaves;
        Ok((before.amount, leaves, now))
    })?;
    let ether = format_ether(U256::from(amount));
    let has_left = leaves == 0;
    let document = json!({"ether": ether, "left": has_left, "leaves": leaves});
    let text = if has_left {
        format!("{ether} ether are in the vault: `refute rollup draw` sends them to a wallet")
    } else {
        let wait = leaves.saturating_sub(now);
        format!(
            "the bond of {ether} ether is called back: in {wait} seconds run this again, and it is paid out"
        )
    };
    console.show(&document, &text)?;
    Ok(if has_left { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}
