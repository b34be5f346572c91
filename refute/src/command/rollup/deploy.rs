//! `refute rollup deploy`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::Address;
use bindings::deployment::{Parameters, deploy};
use clap::Args;
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};

use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;
use crate::wallet::{Wallet, block_on};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// TOML file with parameters that differ from the defaults, in the tables games, rollup, registry, receipts
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Begin with windows of seconds instead of days: for chains on this machine only
    #[arg(long)]
    devnet: bool,
    /// Who sets prices and the public list [default: the account that pays]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Address>,
    /// Who may always post [default: the account that pays]
    #[arg(long, value_name = "ADDRESS")]
    sequencer: Option<Address>,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "deployment.json")]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    if arguments.output.exists() {
        let there = arguments.output.display();
        return Err(bad_input(format!("{there} is there already: name another file with --output")));
    }
    let parameters = parameters(arguments)?;
    let deployed = block_on(async {
        let (node, sender) = arguments.wallet.sender().await?;
        let (owner, sequencer) = (arguments.owner, arguments.sequencer);
        let payer = sender.account();
        let progress = Progress::spinner("deploying 18 contracts");
        let (owner, sequencer) = (owner.unwrap_or(payer), sequencer.unwrap_or(payer));
        let deployed = deploy(&node, &sender, &parameters, owner, sequencer).await?;
        drop(progress);
        deployed.save(&arguments.output)?;
        Ok(deployed)
    })?;
    let text = format!("deployed on chain {}; written to {}", deployed.chain_id, arguments.output.display());
    console.show(&serde_json::to_value(&deployed)?, &text)?;
    Ok(ExitCode::SUCCESS)
}

fn parameters(arguments: &Arguments) -> anyhow::Result<Parameters> {
    let first = if arguments.devnet { Parameters::devnet() } else { Parameters::default() };
    let mut all = Figment::from(Serialized::defaults(first));
    if let Some(file) = &arguments.parameters {
        if !file.is_file() {
            return Err(bad_input(format!("there is no file {}", file.display())));
        }
        all = all.merge(Toml::file_exact(file));
    }
    Ok(all.extract()?)
}
