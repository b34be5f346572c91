//! Sending what was planned, and counting what it cost.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use bindings::l1::{L1Error, SendError, Sender};

use super::Metrics;

/// A transaction that is wanted.
pub(super) struct Move {
    /// The contract's name of it.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) about: String,
    pub(super) to: Address,
    pub(super) data: Bytes,
    /// A bond, in wei.
    pub(super) value: U256,
}

/// The account that pays.
pub(super) struct Hand {
    sender: Sender,
    /// For moves that may be made later as well.
    patience: Duration,
    metrics: Arc<Metrics>,
}

/// Wei as a number for people and metrics.
pub(super) fn float(wei: U256) -> f64 {
    u128::try_from(wei).map_or(f64::MAX, |wei| wei as f64)
}

impl Hand {
    pub(super) fn new(sender: Sender, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Self { sender, patience, metrics }
    }

    /// The account.
    pub(super) fn account(&self) -> Address {
        self.sender.account()
    }

    /// The same for what nothing hangs on: where fees are above the limit it must not keep others from being made. It is
    /// left in the pool, and the next transaction replaces it.
    pub(super) async fn play_for_a_while(&self, wanted: Move) -> Result<bool, L1Error> {
        let (name, about) = (wanted.name, wanted.about.clone());
        match tokio::time::timeout(self.patience, self.play(wanted)).await {
            Ok(made) => made,
            Err(_) => {
                tracing::warn!(name, about, "a move is not mined, and can wait");
                Ok(false)
            }
        }
    }

    /// Gets a transaction mined, if it would not revert: it is simulated first. Was it made.
    pub(super) async fn play(&self, wanted: Move) -> Result<bool, L1Error> {
        let Move { name, about, to, data, value } = wanted;
        let bytes = data.len();
        match self.sender.send(to, data, value).await {
            Ok(included) => {
                let receipt = &included.receipt;
                let gas = receipt.gas_used;
                let cost = U256::from(gas) * U256::from(receipt.effective_gas_price);
                self.metrics.moved(name);
                self.metrics.spent.inc_by(float(cost));
                self.metrics.bonds.inc_by(float(value));
                let transaction = receipt.transaction_hash;
                tracing::info!(name, about, bytes, gas, %cost, %value, %transaction, "a move was made");
                Ok(true)
            }
            Err(SendError::WouldRevert { data, why }) => {
                self.metrics.refused(name);
                let data = data.unwrap_or_default();
                tracing::info!(name, about, why, %data, "a move would revert, and was not paid for");
                Ok(false)
            }
            Err(SendError::Node(error)) => Err(error),
            // Somebody else was faster, or an earlier life of this process: plan again.
            Err(error @ SendError::Reverted { .. }) => {
                self.metrics.reverted.inc();
                tracing::warn!(name, about, %error, "a move was made by somebody else first");
                Ok(false)
            }
            Err(error @ (SendError::NonceTaken { .. } | SendError::NonceAhead { .. })) => {
                tracing::warn!(name, about, %error, "a move was not made");
                Ok(false)
            }
            Err(error) => {
                tracing::error!(name, about, %error, "a move was not made");
                self.metrics.errors.inc();
                Ok(false)
            }
        }
    }
}
