//! What the tour has shown, in numbers.

use alloy::primitives::I256;
use alloy::primitives::utils::format_ether;
use clap::ValueEnum;
use executor::backend::Backend;
use serde_json::{Value, json};

use super::lies::Kind;
use super::narrator::Dispute;

/// An honest answer. Seconds since the question.
pub(crate) struct Honest {
    pub(super) receipt: f64,
    pub(super) posted: f64,
    pub(super) last: f64,
    /// In wei.
    pub(super) fee: String,
}

/// A lie that was refuted.
pub(crate) struct Refuted {
    pub(super) kind: Kind,
    pub(super) dispute: Dispute,
    /// From the first move to the rejection.
    pub(super) seconds: f64,
    /// From the question until the truth is final.
    pub(super) last: f64,
    /// What the parties have more than before in ether and vault together, in wei: gas is paid, bonds are back, receipts
    /// are claimed.
    pub(super) proposer: I256,
    pub(super) challenger: I256,
    pub(super) agent: I256,
}

/// All of it.
pub(crate) struct Summary {
    /// Who computed in the sequencer.
    pub(super) backend: Backend,
    pub(super) honest: Honest,
    pub(super) refuted: Vec<Refuted>,
    pub(super) posting_gas: u64,
    pub(super) batches: usize,
    pub(super) seconds: f64,
}

impl Summary {
    /// For programs.
    pub(crate) fn document(&self) -> Value {
        let refuted = self.refuted.iter().map(|x| {
            json!({"cheat": name(x.kind), "rounds": x.dispute.rounds, "transactions": x.dispute.transactions,
                "gas": x.dispute.gas, "seconds": x.seconds, "final_seconds": x.last,
                "proposer_wei": x.proposer.to_string(), "challenger_wei": x.challenger.to_string(),
                "agent_wei": x.agent.to_string()})
        });
        json!({
            "proposer_backend": self.backend.to_string(), "challenger_backend": Backend::Native.to_string(),
            "honest": {"receipt_seconds": self.honest.receipt, "posted_seconds": self.honest.posted,
                "final_seconds": self.honest.last, "fee_wei": self.honest.fee},
            "refuted": refuted.collect::<Vec<_>>(),
            "posting": {"gas": self.posting_gas, "batches": self.batches},
            "seconds": self.seconds,
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let h = &self.honest;
        let batches = self.batches.max(1) as u64;
        let mut text = format!(
            "\nAn honest answer\n  computed by {}, checked by {}\n  receipt after {:.2} s, posted after {:.1} s, final after {:.1} s; fee {} wei\n  \
             {} batches posted, {} gas each\n",
            self.backend,
            Backend::Native,
            h.receipt,
            h.posted,
            h.last,
            h.fee,
            self.batches,
            self.posting_gas / batches,
        );
        if !self.refuted.is_empty() {
            text.push_str(&format!(
                "\n{:<14} {:>6} {:>5} {:>9} {:>8} {:>9} {:>10} {:>12} {:>12}\n",
                "Cheat", "rounds", "txs", "gas", "dispute", "truth", "proposer", "challenger", "agent"
            ));
            text.push_str(&format!(
                "{:<14} {:>6} {:>5} {:>9} {:>8} {:>9} {:>10} {:>12} {:>12}\n",
                "", "", "", "", "", "final", "ether", "ether", "ether"
            ));
        }
        for x in &self.refuted {
            text.push_str(&format!(
                "{:<14} {:>6} {:>5} {:>9} {:>6.1} s {:>7.1} s {:>10} {:>12} {:>12}\n",
                name(x.kind),
                x.dispute.rounds,
                x.dispute.transactions,
                x.dispute.gas,
                x.seconds,
                x.last,
                ether(x.proposer),
                ether(x.challenger),
                ether(x.agent),
            ));
        }
        text.push_str(&format!("\nAll of it in {:.0} s.", self.seconds));
        text
    }
}

fn name(kind: Kind) -> String {
    kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Ether with its sign and four places.
fn ether(wei: I256) -> String {
    let text = format_ether(wei.unsigned_abs());
    let short = text.find('.').map_or(text.as_str(), |dot| text.get(..dot + 5).unwrap_or(&text));
    format!("{}{short}", if wei.is_negative() { "-" } else { "+" })
}
