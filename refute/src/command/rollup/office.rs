//! `refute rollup revoke` and `refute rollup hand-over`: what a proposer and the sequencer decide about their own place.

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use bindings::assertions::Assertions;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::failure::bad_input;
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct RevokeArguments {
    /// The assertion whose defender key must not answer any more
    assertion: B256,
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
}

#[derive(Args)]
pub(crate) struct HandOverArguments {
    /// The next sequencer
    next: Address,
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
}

/// Takes a defender key's right to answer.
pub(crate) fn revoke(arguments: &RevokeArguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let assertion = arguments.assertion;
    block_on(async {
        let (_, sender) = arguments.wallet.sender_for(&of).await?;
        let call = Assertions::revokeDefenderCall { assertion };
        sender.send(of.contracts.assertions, call.abi_encode().into(), U256::ZERO).await?;
        Ok(())
    })?;
    let text = format!("the defender key of {assertion} answers no more; only its proposer does");
    console.show(&json!({"assertion": assertion, "revoked": true}), &text)?;
    Ok(ExitCode::SUCCESS)
}

/// Names the next sequencer.
pub(crate) fn hand_over(arguments: &HandOverArguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let next = arguments.next;
    if next.is_zero() {
        return Err(bad_input("the zero address can post nothing: name the next sequencer's"));
    }
    let before = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&of).await?;
        let at = of.contracts.assertions;
        let before = l1.call(at, &Assertions::sequencerCall {}, BlockId::latest()).await?;
        sender.send(at, Assertions::handOverCall { next }.abi_encode().into(), U256::ZERO).await?;
        Ok(before)
    })?;
    let text = format!("{next} is the sequencer from now on, {before} no more");
    console.show(&json!({"before": before, "sequencer": next}), &text)?;
    Ok(ExitCode::SUCCESS)
}
