//! What is counted, as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::posting::Report;

/// An answered request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// The route's pattern.
    pub route: String,
    /// The status.
    pub status: u16,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Of {
    /// Its name.
    pub model: String,
}

/// All of it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) answered: Family<Answered, Counter>,
    pub(crate) answer_seconds: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) prompt_tokens: Family<Of, Counter>,
    pub(crate) output_tokens: Family<Of, Counter>,
    pub(crate) waiting: Family<Of, Gauge>,
    pub(crate) running: Family<Of, Gauge>,
    pub(crate) alive: Family<Of, Gauge>,
    pub(crate) hang_ups: Counter,
    pub(crate) next_number: Gauge,
    pub(crate) group_size: Histogram,
    pub(crate) sign_seconds: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) receipt_seconds: Histogram,
    pub(crate) commit_errors: Counter,
    pub(crate) fees: Counter<f64, AtomicU64>,
    posting: PostingGauges,
}

/// How posting goes; all 0 while nothing is posted.
#[derive(Debug, Default)]
struct PostingGauges {
    block: Gauge,
    silent: Gauge,
    pending: Gauge,
    challenged: Gauge,
    lost: Gauge,
    backlog: Gauge,
    failing: Gauge,
    wrong: Gauge,
    balance: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        let metrics = Self {
            registry: Registry::with_prefix("refute_sequencer"),
            answered: Family::default(),
            answer_seconds: seconds(),
            connections: Gauge::default(),
            prompt_tokens: Family::default(),
            output_tokens: Family::default(),
            waiting: Family::default(),
            running: Family::default(),
            alive: Family::default(),
            hang_ups: Counter::default(),
            next_number: Gauge::default(),
            group_size: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            sign_seconds: seconds(),
            commit_seconds: seconds(),
            receipt_seconds: seconds(),
            commit_errors: Counter::default(),
            fees: Counter::default(),
            posting: PostingGauges::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        r.register("requests", "Requests answered", self.answered.clone());
        let help = "From the request's head to the answer's head";
        r.register_with_unit("answer", help, Unit::Seconds, self.answer_seconds.clone());
        r.register("connections", "Open connections", self.connections.clone());
        r.register("prompt_tokens", "Prompt tokens of executed requests", self.prompt_tokens.clone());
        r.register("output_tokens", "Output tokens of executed requests", self.output_tokens.clone());
        r.register("jobs_waiting", "Requests in a model's queue", self.waiting.clone());
        r.register("jobs_running", "Requests that a model runs", self.running.clone());
        r.register("engine_alive", "1 while a model's engine takes requests", self.alive.clone());
        r.register("hang_ups", "Streams whose reader went away", self.hang_ups.clone());
        r.register("next_number", "Number of the next receipt", self.next_number.clone());
        r.register("group_size", "Items of one transaction", self.group_size.clone());
        let help = "Hashing and signing of a group";
        r.register_with_unit("sign", help, Unit::Seconds, self.sign_seconds.clone());
        let help = "The transaction of a group";
        r.register_with_unit("commit", help, Unit::Seconds, self.commit_seconds.clone());
        let help = "From the last token to the receipt";
        r.register_with_unit("receipt", help, Unit::Seconds, self.receipt_seconds.clone());
        r.register("commit_errors", "Transactions that failed", self.commit_errors.clone());
        r.register("fees_wei", "Fees of executed requests", self.fees.clone());
        let p = &self.posting;
        r.register("l1_block", "Last block of L1 that was read", p.block.clone());
        let help = "Since L1's node last answered";
        r.register_with_unit("l1_silent", help, Unit::Seconds, p.silent.clone());
        r.register("batches_pending", "Our batches that are not final yet", p.pending.clone());
        r.register("batches_challenged", "Our batches with open games", p.challenged.clone());
        r.register(
            "batches_lost",
            "Our batches that were rejected or lost their place, ever",
            p.lost.clone(),
        );
        r.register("inbox_backlog", "Entries of the inbox that no batch has taken", p.backlog.clone());
        r.register_with_unit(
            "posting_failing",
            "For how long posting fails",
            Unit::Seconds,
            p.failing.clone(),
        );
        r.register("head_wrong", "1 while a wrong assertion has to be refuted first", p.wrong.clone());
        r.register("proposer_wei", "What the proposer has for gas and stakes", p.balance.clone());
        self
    }

    /// Notes how posting goes.
    pub(crate) fn report(&self, x: &Report) {
        let p = &self.posting;
        p.block.set(x.block as i64);
        p.silent.set(x.silent.unwrap_or_default() as i64);
        p.pending.set(x.pending as i64);
        p.challenged.set(x.challenged as i64);
        p.lost.set(x.lost as i64);
        p.backlog.set(x.backlog as i64);
        p.failing.set(x.failing as i64);
        p.wrong.set(i64::from(x.wrong));
        p.balance.set(x.balance.unwrap_or_default());
    }

    /// The text that `/metrics` answers.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
