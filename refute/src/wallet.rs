//! Who pays on L1, and where L1 is: what the commands that send transactions have in common.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use bindings::deployment::Deployment;
use bindings::l1::{L1, Patience, Policy, Sender};
use clap::Args;

use crate::failure::bad_input;

/// A node and a key.
#[derive(Args, Clone)]
pub(crate) struct Wallet {
    /// URL of an Ethereum node
    #[arg(long, value_name = "URL", env = "REFUTE_L1", default_value = "http://127.0.0.1:8545")]
    pub(crate) l1: String,
    /// Keystore of the account that pays
    #[arg(long, value_name = "FILE", env = "REFUTE_KEYSTORE")]
    pub(crate) keystore: PathBuf,
    /// File with the keystore's password
    #[arg(long, value_name = "FILE", env = "REFUTE_PASSWORD_FILE")]
    pub(crate) password_file: PathBuf,
}

impl Wallet {
    /// The key.
    pub(crate) fn key(&self) -> anyhow::Result<PrivateKeySigner> {
        open_keystore(&self.keystore, &self.password_file)
    }

    /// The node, of whatever chain.
    pub(crate) async fn node(&self) -> anyhow::Result<L1> {
        connect(&self.l1, None).await
    }

    /// Who sends.
    pub(crate) async fn sender(&self) -> anyhow::Result<(L1, Sender)> {
        let key = self.key()?;
        let node = self.node().await?;
        Ok((node.clone(), Sender::new(node, key, patient())))
    }

    /// The same, on the chain of a deployment.
    pub(crate) async fn sender_for(&self, deployment: &Deployment) -> anyhow::Result<(L1, Sender)> {
        let key = self.key()?;
        let node = connect(&self.l1, Some(deployment.chain_id)).await?;
        deployment.check(&node).await?;
        Ok((node.clone(), Sender::new(node, key, patient())))
    }
}

/// A node that answers.
pub(crate) async fn connect(url: &str, chain_id: Option<u64>) -> anyhow::Result<L1> {
    Ok(L1::connect(url, chain_id, Patience::default()).await?)
}

/// A command waits for one confirmation, and looks often: people watch.
pub(crate) fn patient() -> Policy {
    Policy { poll: Duration::from_millis(250), ..Policy::default() }
}

/// The key in an encrypted file.
pub(crate) fn open_keystore(keystore: &Path, password_file: &Path) -> anyhow::Result<PrivateKeySigner> {
    let password = std::fs::read_to_string(password_file)
        .map_err(|e| bad_input(format!("cannot read the password file {}: {e}", password_file.display())))?;
    PrivateKeySigner::decrypt_keystore(keystore, password.trim_end_matches(['\n', '\r']))
        .map_err(|e| bad_input(format!("cannot open the keystore {}: {e}", keystore.display())))
}

/// A file of `refute rollup deploy`.
pub(crate) fn deployment(path: &Path) -> anyhow::Result<Deployment> {
    Deployment::load(path).map_err(|e| bad_input(e.to_string()))
}

/// The threads that wait for the node.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the threads cannot be started")?.block_on(work)
}
