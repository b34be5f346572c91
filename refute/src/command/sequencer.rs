//! `refute sequencer`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use executor::backend::Backend;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use sequencer::config::Config;
use sequencer::{Running, StartError};
use serde::Serialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::console::Console;
use crate::failure::bad_input;

/// What the environment's variables begin with: `REFUTE_SEQUENCER_LISTEN`, ...
const PREFIX: &str = "REFUTE_SEQUENCER_";

/// Flags go over the environment (REFUTE_SEQUENCER_LISTEN, ...), that over the file, that over the defaults.
#[derive(Args, Serialize)]
pub(crate) struct Arguments {
    /// TOML file with settings; --print-config shows all of them
    #[arg(long, value_name = "FILE", env = "REFUTE_SEQUENCER_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Print the settings that would be used, and stop
    #[arg(long)]
    #[serde(skip)]
    print_config: bool,
    /// Folder of a model, or NAME=DIR; `echo` and `echo-vector` are models that echo. May be repeated
    #[arg(long = "model", value_name = "[NAME=]DIR")]
    #[serde(skip)]
    models: Vec<String>,
    /// Who computes: native, torch (torch:cuda:0) or reference [default: native]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<Backend>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// sqlite:PATH or postgres://... [default: sqlite:refute-sequencer.db]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Keystore of the key that signs receipts
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    keystore: Option<PathBuf>,
    /// File with the keystore's password
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    /// URL of an Ethereum node: what is promised is posted there, and accounts come from deposits
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    l1: Option<String>,
    /// The rollup's addresses, as `refute rollup deploy` or `refute devnet` wrote them
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<PathBuf>,
    /// Keystore of the key that posts, if it is not the one that signs receipts
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    proposer_keystore: Option<PathBuf>,
    /// File with that keystore's password
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    proposer_password_file: Option<PathBuf>,
    /// Post something wrong, once, on a development chain: token, ledger, early-stop, garbage-trace, silence
    #[arg(long, value_name = "KIND", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cheat: Option<sequencer::l1::Cheat>,
    /// Have a funded account with a known API key, for trying things out on this machine
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dev: bool,
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
    let signer = config.signer()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the threads cannot be started")?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(stop_on_signal(shutdown.clone()));
        let mut shown = Ok(());
        sequencer::run(config, signer, shutdown, |running| shown = say(running, console)).await?;
        Ok::<_, anyhow::Error>(shown?)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn say(running: &Running, console: &Console) -> std::io::Result<()> {
    let url = format!("http://{}/v1", running.address);
    let key = running.dev_key.as_ref();
    let document =
        json!({"url": url, "api_key": key, "models": running.service.models.keys().collect::<Vec<_>>()});
    let key = key.map(|key| format!("\nAPI key of the development account: {key}")).unwrap_or_default();
    console.show(&document, &format!("serving {url}{key}"))
}

/// Ctrl-C or SIGTERM: open requests may end. A second time: at once.
pub(crate) async fn stop_on_signal(shutdown: CancellationToken) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    for _ in 0..2 {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        if shutdown.is_cancelled() {
            std::process::exit(130);
        }
        shutdown.cancel();
    }
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
    settings = settings.merge(environment).merge(Serialized::defaults(arguments));
    let mut config: Config = settings.extract()?;
    if !arguments.models.is_empty() {
        config.models = arguments.models.iter().map(|text| model(text)).collect();
    }
    if config.models.is_empty() && config.dev {
        config.models = vec![model("echo"), model("echo-vector")];
    }
    if config.models.is_empty() {
        let message = "no model is served: name one with --model DIR (`refute model import` makes one)";
        return Err(StartError::Config(message.into()).into());
    }
    Ok(config)
}

fn model(text: &str) -> sequencer::config::ModelConfig {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (Some(name.to_owned()), path),
        None => (None, text),
    };
    sequencer::config::ModelConfig {
        name,
        path: path.into(),
        price_in: 1,
        price_out: 2,
        threads: None,
        backend: None,
    }
}
