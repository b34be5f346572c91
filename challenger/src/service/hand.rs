//! Sending what was planned, and counting what it cost.

use std::sync::Arc;

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
    metrics: Arc<Metrics>,
}

/// Wei as a number for people and metrics.
pub(super) fn float(wei: U256) -> f64 {
    u128::try_from(wei).map_or(f64::MAX, |wei| wei as f64)
}

impl Hand {
    pub(super) fn new(sender: Sender, metrics: Arc<Metrics>) -> Self {
        Self { sender, metrics }
    }

    /// The account.
    pub(super) fn account(&self) -> Address {
        self.sender.account()
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
            // Somebody else was faster, or an earlier life of this process, or the chain has changed: plan again.
            Err(
                error @ (SendError::Reverted { .. }
                | SendError::NonceTaken { .. }
                | SendError::NonceAhead { .. }),
            ) => {
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
