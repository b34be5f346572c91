//! A chain of this machine: anvil.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::processes::Process;

/// Where the project's tools are, from the checkout's root.
const OURS: &str = ".cache/tools/bin/anvil";

/// The node's process and how to reach it.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) url: String,
    client: reqwest::Client,
}

/// The project's own anvil, else the one in the PATH.
fn binary(given: Option<&Path>) -> PathBuf {
    match given {
        Some(path) => path.to_owned(),
        None if Path::new(OURS).exists() => PathBuf::from(OURS),
        None => PathBuf::from("anvil"),
    }
}

impl Node {
    /// Starts one that mines each transaction at once, until [`Node::every`].
    pub(crate) async fn start(folder: &Path, anvil: Option<&Path>, port: u16) -> anyhow::Result<Self> {
        let mut command = Command::new(binary(anvil));
        command.args(["--port", &port.to_string(), "--slots-in-an-epoch", "4"]);
        let process = Process::start("l1", folder, &mut command)?;
        let url = format!("http://127.0.0.1:{port}");
        let mut node = Self { process, url, client: reqwest::Client::new() };
        let end = Instant::now() + Duration::from_secs(20);
        while node.ask("eth_chainId", json!([])).await.is_err() {
            node.process.check()?;
            anyhow::ensure!(Instant::now() < end, "anvil does not answer at port {port}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(node)
    }

    /// From now on a block every so many seconds.
    pub(crate) async fn every(&self, seconds: u64) -> anyhow::Result<()> {
        self.ask("evm_setAutomine", json!([false])).await?;
        self.ask("evm_setIntervalMining", json!([seconds])).await?;
        Ok(())
    }

    /// A JSON-RPC call.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = self.client.post(&self.url).json(&body).send().await?.json().await?;
        answer.get("result").cloned().with_context(|| format!("{method}: {answer}"))
    }
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
