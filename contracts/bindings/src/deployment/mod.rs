//! A rollup on a chain: its addresses and parameters in one file, and the transactions that make it.
//!
//! The file is JSON. Whoever runs a service names it; everything in it can be read from the contracts again
//! ([`Deployment::check`] does), so it is a convenience and not a thing to trust.

mod check;
mod make;
mod models;
mod parameters;

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

pub use make::{DeployError, deploy};
pub use models::announce;
pub use parameters::{Games, Parameters, Receipts, Registry, Rollup};

/// Where a rollup is, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Of the chain.
    pub chain_id: u64,
    /// The first block with anything of the rollup in it: who reads its history begins here.
    pub block: u64,
    /// Whoever may always post, when it was deployed.
    pub sequencer: Address,
    /// Addresses.
    pub contracts: Contracts,
    /// What the constructors were given.
    pub parameters: Parameters,
}

/// Addresses; docs/rollup.md, 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contracts {
    /// `BondVault`.
    pub vault: Address,
    /// `ModelRegistry`.
    pub registry: Address,
    /// `Inbox`: also what signatures are for.
    pub inbox: Address,
    /// `Assertions`.
    pub assertions: Address,
    /// `Batches`: where batches are posted.
    pub batches: Address,
    /// `DisputeGame`.
    pub dispute_game: Address,
    /// `StepGame`.
    pub step_game: Address,
    /// `StepVerifier`.
    pub step_verifier: Address,
    /// `LedgerVerifier`.
    pub ledger_verifier: Address,
    /// `ShapeVerifier`.
    pub shape_verifier: Address,
    /// `Exits`.
    pub exits: Address,
    /// `Results`.
    pub results: Address,
    /// `Receipts`.
    pub receipts: Address,
}

/// Why a file is no deployment, or is not that of a node's chain.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// It cannot be read or written.
    #[error("{}: {why}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// It is not what `refute deploy` writes.
    #[error("{} is no deployment: {why}; `refute deploy` writes one", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Where and what.
        why: serde_json::Error,
    },
    /// The chain has something else there.
    #[error("the chain differs from the deployment's file: {what} is {found}, and the file says {expected}")]
    Differs {
        /// Which value.
        what: &'static str,
        /// On the chain.
        found: String,
        /// In the file.
        expected: String,
    },
    /// The node gives no answer.
    #[error(transparent)]
    Node(#[from] crate::l1::L1Error),
}

impl Deployment {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, DeploymentError> {
        let text = std::fs::read_to_string(path)
            .map_err(|why| DeploymentError::File { path: path.to_owned(), why })?;
        serde_json::from_str(&text).map_err(|why| DeploymentError::Content { path: path.to_owned(), why })
    }

    /// Writes a file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), DeploymentError> {
        let fail = |why| DeploymentError::File { path: path.to_owned(), why };
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|why| DeploymentError::Content { path: path.to_owned(), why })?;
        text.push('\n');
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        std::fs::write(&beside, text).map_err(fail)?;
        std::fs::rename(&beside, path).map_err(fail)
    }
}
