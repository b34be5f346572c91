//! `refute rollup announce`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use bindings::deployment::{Deployment, announce};
use bindings::l1::Sender;
use bindings::model_registry::ModelRegistry::ModelHeader;
use clap::Args;
use executor::model::Model;
use serde_json::json;

use crate::console::Console;
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Wei for a prompt token
    #[arg(long, value_name = "WEI")]
    price_in: u64,
    /// Wei for an output token
    #[arg(long, value_name = "WEI")]
    price_out: u64,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let to = deployment(&arguments.deployment)?;
    let model = Model::open(&arguments.model)?;
    let prices = (arguments.price_in, arguments.price_out);
    block_on(async {
        let (_, sender) = arguments.wallet.sender_for(&to).await?;
        announce_model(&sender, &to, &model, prices).await
    })?;
    let id = B256::from(model.id().0);
    let document = json!({"model": id, "price_in": prices.0, "price_out": prices.1,
        "in_force_after": to.parameters.registry.price_delay});
    let delay = to.parameters.registry.price_delay;
    console.show(&document, &format!("{id} is announced; its prices are in force in {delay} seconds"))?;
    Ok(ExitCode::SUCCESS)
}

/// Announces a model with prices in wei a token.
pub(crate) async fn announce_model(
    sender: &Sender,
    to: &Deployment,
    model: &Model,
    prices: (u64, u64),
) -> anyhow::Result<()> {
    let mut encoded = Vec::new();
    model.program().interface.encode(&mut encoded);
    let header = model.header()?;
    let header = ModelHeader {
        nodes: header.nodes,
        constants: header.constants,
        nodesRoot: B256::from(header.nodes_root.0),
        constantsRoot: B256::from(header.constants_root.0),
        interfaceHash: B256::from(header.interface_hash.0),
    };
    let id = B256::from(model.id().0);
    announce(sender, to.contracts.registry, header, encoded.into(), id, prices).await?;
    Ok(())
}
