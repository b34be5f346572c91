//! `refute challenger`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use challenger::service::{self, Config, Running};
use clap::{Args, ValueEnum};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::console::Console;
use crate::failure::bad_input;
use crate::wallet::open_keystore;

/// What the environment's variables begin with: `REFUTE_CHALLENGER_L1`, ...
const PREFIX: &str = "REFUTE_CHALLENGER_";

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Say what is wrong; send nothing
    Watch,
    /// Dispute what is wrong, with own funds
    Challenge,
    /// Answer for assertions whose defender this key is
    Defend,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Cheat {
    GarbageTrace,
    FalseElement,
    Silence,
}

/// Flags go over the environment (REFUTE_CHALLENGER_L1, ...), that over the file, that over the defaults.
#[derive(Args, Serialize)]
pub(crate) struct Arguments {
    /// TOML file with settings; --print-config shows all of them
    #[arg(long, value_name = "FILE", env = "REFUTE_CHALLENGER_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Print the settings that would be used, and stop
    #[arg(long)]
    #[serde(skip)]
    print_config: bool,
    /// URL of an Ethereum node [default: http://127.0.0.1:8545]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    l1: Option<String>,
    /// File that `refute rollup deploy` wrote [default: deployment.json]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<PathBuf>,
    /// Folder of a model that can be checked. May be repeated
    #[arg(long = "model", value_name = "DIR")]
    #[serde(rename = "models", skip_serializing_if = "Vec::is_empty")]
    models: Vec<PathBuf>,
    /// What to do with what is found [default: watch]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    /// Keystore of the account that pays
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    keystore: Option<PathBuf>,
    /// File with the keystore's password
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    /// Where /healthz, /readyz and /metrics are [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// First block to read, instead of the deployment's
    #[arg(long, value_name = "BLOCK")]
    #[serde(skip_serializing_if = "Option::is_none")]
    from_block: Option<u64>,
    /// Threads of an engine [default: all processors]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    /// Blocks on top of and including an assertion's, until it is disputed [default: 1]
    #[arg(long, value_name = "BLOCKS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmations: Option<u64>,
    /// Withdraw what the vault owes to the account, whenever no game of its own is open
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sweep: bool,
    /// How the defender of a wrong assertion answers; development chains only
    #[arg(long, hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cheat: Option<Cheat>,
}

/// Prints the settings that would be used.
pub(crate) fn show(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let config = settings(arguments)?;
    let text = serde_json::to_string_pretty(&config)?;
    console.show(&serde_json::to_value(&config)?, &text)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    if arguments.print_config {
        return show(arguments, console);
    }
    let config = settings(arguments)?;
    let key = match (&config.keystore, &config.password_file) {
        (Some(keystore), Some(password)) => Some(open_keystore(keystore, password)?),
        (Some(_), None) => return Err(bad_input("the keystore needs its --password-file")),
        (None, _) => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the threads cannot be started")?;
    let outcome = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(super::sequencer::stop_on_signal(shutdown.clone()));
        let mut shown = Ok(());
        service::run(config, key, shutdown, |running| shown = say(running, console)).await?;
        Ok::<_, anyhow::Error>(shown?)
    });
    // A check under way computes for nobody.
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}

fn say(running: &Running, console: &Console) -> std::io::Result<()> {
    let url = format!("http://{}", running.address);
    console.show(&json!({"url": url}), &format!("metrics at {url}/metrics"))
}

fn settings(arguments: &Arguments) -> anyhow::Result<Config> {
    let mut settings = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = &arguments.config {
        if !file.is_file() {
            return Err(bad_input(format!("there is no settings file {}", file.display())));
        }
        settings = settings.merge(Toml::file_exact(file));
    }
    let environment = Env::prefixed(PREFIX).ignore(&["config"]);
    Ok(settings.merge(environment).merge(Serialized::defaults(arguments)).extract()?)
}
