//! `refute rollup price` and `refute rollup list`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use bindings::model_registry::ModelRegistry;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct PriceArguments {
    /// Id of the model
    model: B256,
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Wei for a prompt token
    #[arg(long, value_name = "WEI")]
    price_in: u64,
    /// Wei for an output token
    #[arg(long, value_name = "WEI")]
    price_out: u64,
}

#[derive(Args)]
pub(crate) struct ListArguments {
    /// Id of the model
    model: B256,
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Take it off the list
    #[arg(long)]
    off: bool,
}

/// Names the next price of a model.
pub(crate) fn price(arguments: &PriceArguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let PriceArguments { model, price_in, price_out, .. } = *arguments;
    let call = ModelRegistry::scheduleCall { model, priceIn: price_in, priceOut: price_out };
    block_on(async {
        let (_, sender) = arguments.wallet.sender_for(&of).await?;
        sender.send(of.contracts.registry, call.abi_encode().into(), U256::ZERO).await?;
        Ok(())
    })?;
    let delay = of.parameters.registry.price_delay;
    let document =
        json!({"model": model, "price_in": price_in, "price_out": price_out, "in_force_after": delay});
    console.show(&document, &format!("the prices of {model} are in force in {delay} seconds"))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a model on the public list, or takes it off.
pub(crate) fn list(arguments: &ListArguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let (model, listed) = (arguments.model, !arguments.off);
    block_on(async {
        let (_, sender) = arguments.wallet.sender_for(&of).await?;
        let call = ModelRegistry::listCall { model, listed };
        sender.send(of.contracts.registry, call.abi_encode().into(), U256::ZERO).await?;
        Ok(())
    })?;
    let delay = of.parameters.registry.list_delay;
    let what = if listed { "on" } else { "off" };
    let document = json!({"model": model, "listed": listed, "in_force_after": delay});
    console.show(&document, &format!("{model} is {what} the public list in {delay} seconds"))?;
    Ok(ExitCode::SUCCESS)
}
