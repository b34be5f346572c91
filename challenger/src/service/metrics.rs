//! What is counted, as Prometheus reads it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    kind: String,
}

/// All of it, and whether the service is ready.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
    pub(super) block: Gauge,
    pub(super) gone: Counter,
    pub(super) errors: Counter,
    pub(super) outputs: Counter,
    pub(super) reverted: Counter,
    pub(super) missing: Gauge,
    pub(super) games: Gauge,
    pub(super) vault: Gauge<f64, AtomicU64>,
    pub(super) spent: Counter<f64, AtomicU64>,
    pub(super) bonds: Counter<f64, AtomicU64>,
    assertions: Family<Of, Counter>,
    moves: Family<Of, Counter>,
    refused: Family<Of, Counter>,
    /// Why it is not ready.
    unready: Mutex<Option<String>>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut this = Self { registry: Registry::with_prefix("refute_challenger"), ..Self::default() };
        this.not_ready(Some("it has not read the chain yet".into()));
        let r = &mut this.registry;
        r.register("block", "The last block that was read", this.block.clone());
        r.register("blocks_gone", "Blocks that reorganisations took", this.gone.clone());
        r.register("errors", "Rounds that failed and are repeated", this.errors.clone());
        r.register("outputs_checked", "Outputs that were computed again", this.outputs.clone());
        r.register("moves_reverted", "Transactions that others' made useless", this.reverted.clone());
        r.register("models_missing", "Models of pending assertions that are not here", this.missing.clone());
        r.register("games_open", "Own games and questions that are not over", this.games.clone());
        r.register("vault_wei", "What the vault owes to the account", this.vault.clone());
        r.register("gas_wei", "Wei spent on gas", this.spent.clone());
        r.register("bonds_wei", "Wei put down as bonds", this.bonds.clone());
        r.register("assertions", "Assertions by verdict", this.assertions.clone());
        r.register("moves", "Transactions by call", this.moves.clone());
        r.register(
            "moves_refused",
            "Calls that would have reverted, and were not paid for",
            this.refused.clone(),
        );
        this
    }

    pub(super) fn judged(&self, kind: &str) {
        self.assertions.get_or_create(&Of { kind: kind.into() }).inc();
    }

    pub(super) fn moved(&self, name: &str) {
        self.moves.get_or_create(&Of { kind: name.into() }).inc();
    }

    pub(super) fn refused(&self, name: &str) {
        self.refused.get_or_create(&Of { kind: name.into() }).inc();
    }

    pub(super) fn not_ready(&self, why: Option<String>) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why it is not ready; `None` if it is.
    pub fn unready(&self) -> Option<String> {
        self.unready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Transactions that were made, of all calls or of one.
    pub fn moves(&self, name: &str) -> u64 {
        self.moves.get_or_create(&Of { kind: name.into() }).get()
    }

    /// Transactions that were mined and reverted, since somebody else's was first.
    pub fn reverted(&self) -> u64 {
        self.reverted.get()
    }

    /// Rounds that failed and were repeated.
    pub fn errors(&self) -> u64 {
        self.errors.get()
    }

    /// Assertions that got a verdict: `right`, `wrong` or `unchecked`.
    pub fn verdicts(&self, kind: &str) -> u64 {
        self.assertions.get_or_create(&Of { kind: kind.into() }).get()
    }

    /// Blocks that reorganisations took.
    pub fn blocks_gone(&self) -> u64 {
        self.gone.get()
    }

    /// The text that `/metrics` answers.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
