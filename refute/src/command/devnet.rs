//! `refute devnet`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use executor::backend::Backend;
use serde_json::json;

use crate::console::Console;
use crate::devnet::{Devnet, Options};
use crate::failure::bad_input;
use crate::progress::Progress;
use crate::wallet::block_on;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Port of the sequencer
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of the L1 node
    #[arg(long, default_value_t = 8545)]
    l1_port: u16,
}

/// Where its state and its models are.
#[derive(Args)]
pub(crate) struct Place {
    /// Folder for state and logs; emptied at the start
    #[arg(long, value_name = "DIR", default_value = ".cache/devnet")]
    folder: PathBuf,
    /// A model to serve. May be repeated
    #[arg(long = "model", value_name = "NAME=DIR", value_parser = model,
        default_values = ["smollm2=.cache/models/smollm2-135m-w8", "minilm=.cache/models/all-minilm-l6-v2-w8"])]
    models: Vec<(String, PathBuf)>,
    /// Who computes in the sequencer: native, torch or reference. The challenger is always native [default: native; of
    /// the demo torch, where it is built in]
    #[arg(long)]
    backend: Option<Backend>,
    /// The program of the L1 node [default: the project's anvil, else the one in the PATH]
    #[arg(long, value_name = "FILE")]
    anvil: Option<PathBuf>,
}

impl Place {
    /// With these ports; 0 is any. `backend` computes if none was named.
    pub(crate) fn options(&self, port: u16, l1_port: u16, backend: Backend) -> anyhow::Result<Options> {
        let backend = self.backend.unwrap_or(backend);
        backend.check().map_err(|e| bad_input(e.to_string()))?;
        Ok(Options {
            folder: self.folder.clone(),
            models: self.models.clone(),
            anvil: self.anvil.clone(),
            backend,
            port,
            l1_port,
        })
    }
}

fn model(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("a model is given as NAME=DIR")?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    block_on(async {
        let progress = Progress::spinner("starting");
        let options = arguments.place.options(arguments.port, arguments.l1_port, Backend::Native)?;
        let folder = options.folder.clone();
        let mut devnet = Devnet::start(options, |stage| progress.stage(stage)).await?;
        drop(progress);
        let (url, key) = (&devnet.url, &devnet.key);
        let document = json!({"api": format!("{url}/v1"), "api_key": key, "l1": devnet.node.url,
            "deployment": folder.join("deployment.json")});
        let text = format!(
            "A rollup runs on this machine until you press Ctrl-C; its logs are in {}.\n\
             API      {url}/v1\nAPI key  {key}\nL1       {}\n\nTry it:\n\
             curl {url}/v1/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\\n  \
             -d '{{\"model\": \"smollm2\", \"messages\": [{{\"role\": \"user\", \"content\": \"Why is the sky blue?\"}}]}}'",
            folder.display(),
            devnet.node.url,
        );
        console.show(&document, &text)?;
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                _ = &mut interrupted => return Ok(ExitCode::SUCCESS),
                () = tokio::time::sleep(Duration::from_millis(500)) => devnet.check()?,
            }
        }
    })
}
