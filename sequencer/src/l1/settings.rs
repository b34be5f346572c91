//! What an operator decides about posting.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use bindings::deployment::Deployment;

use super::Cheat;
use crate::config::Config;
use crate::service::StartError;

/// The part of the configuration that is about L1, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the node.
    pub url: String,
    /// The rollup.
    pub deployment: Arc<Deployment>,
    /// Whose numbers.
    pub epoch: u32,
    /// Blocks on top of and including an entry's, until it counts.
    pub confirmations: u64,
    /// How long an item waits for others to be posted with.
    pub batch_age: Duration,
    /// Most items of a batch.
    pub batch_items: usize,
    /// Most bytes of a batch.
    pub batch_bytes: usize,
    /// Between two looks at L1.
    pub poll: Duration,
    /// Most wei for a gas.
    pub max_fee: u128,
    /// Until a transaction's fee is raised.
    pub raise_after: Duration,
    /// Who may answer challenges besides the proposer.
    pub defender: Option<Address>,
    /// Claim what final batches earned.
    pub claim_fees: bool,
    /// Seconds within which a receipt promises to be posted.
    pub promise: u64,
    /// What is to be wrong.
    pub cheat: Option<Cheat>,
}

/// Gas of a byte of calldata that is not zero, at the floor (EIP-7623); and of a batch besides its bytes.
const BYTE_GAS: u64 = 40;
const BATCH_GAS: u64 = 500_000;
/// Public transaction pools take 128 KiB; head, call and signature need some.
const POOL_BYTES: u64 = 126_000;

/// The chain of anvil and hardhat, where windows are seconds.
const DEVELOPMENT: u64 = 31_337;

impl Settings {
    /// `None` if nothing is to be posted.
    pub fn new(config: &Config) -> Result<Option<Self>, StartError> {
        let no = |message: &str| Err(StartError::Config(message.into()));
        let Some(url) = &config.l1 else {
            if config.deployment.is_some() || config.cheat.is_some() {
                return no("without --l1, the URL of a node, nothing is posted: name it");
            }
            return Ok(None);
        };
        let Some(path) = &config.deployment else {
            return no(
                "--l1 needs --deployment, the file that `refute rollup deploy` or `refute devnet` wrote",
            );
        };
        let deployment = Deployment::load(path).map_err(|e| StartError::Config(e.to_string()))?;
        if !config.accounts.is_empty() {
            return no("with --l1 accounts come from deposits on L1: take `accounts` out of the settings");
        }
        if config.epoch >= 1 << 31 {
            return no("epochs from 2^31 on are for what is posted again: choose a lower one");
        }
        if config.cheat.is_some() && (deployment.chain_id != DEVELOPMENT || !config.listen.ip().is_loopback())
        {
            return no("--cheat is for a development chain (31337) and this machine alone");
        }
        let slack = deployment.parameters.rollup.slack;
        if config.promise < config.batch_seconds.saturating_mul(3).saturating_add(slack) {
            return no(
                "`promise` must be three times `batch_seconds` and more: batches wait for their parents",
            );
        }
        let registry = &deployment.parameters.registry;
        let notice = registry.price_delay.min(registry.list_delay);
        // Otherwise a price that nobody knew of when a receipt was signed can be in force when its item is posted.
        if deployment.chain_id != DEVELOPMENT && config.promise.saturating_add(slack) > notice {
            let longest = notice.saturating_sub(slack);
            let message =
                format!("`promise` must be at most {longest}: prices change on {notice} seconds' notice");
            return Err(StartError::Config(message));
        }
        let gas = config.batch_gas.min(bindings::local::TRANSACTION_GAS_MAX);
        let bytes = (gas.saturating_sub(BATCH_GAS) / BYTE_GAS).clamp(1_000, POOL_BYTES);
        Ok(Some(Self {
            url: url.clone(),
            deployment: Arc::new(deployment),
            epoch: config.epoch,
            confirmations: config.confirmations.max(1),
            batch_age: Duration::from_secs(config.batch_seconds),
            batch_items: config.batch_items.clamp(1, 10_000),
            batch_bytes: bytes as usize,
            poll: Duration::from_millis(config.l1_poll_ms.max(10)),
            max_fee: u128::from(config.max_fee_gwei.max(1)) * 1_000_000_000,
            raise_after: Duration::from_secs(config.raise_seconds.max(1)),
            defender: config.defender,
            claim_fees: config.claim_fees,
            promise: config.promise,
            cheat: config.cheat,
        }))
    }
}
