//! What the tour has shown, in numbers.

use alloy::primitives::U256;
use alloy::primitives::utils::format_ether;
use clap::ValueEnum;
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
    /// What the challenger has in the vault more than before, its bond not counted.
    pub(super) won: U256,
    /// What the agent was paid for its broken receipt.
    pub(super) claimed: U256,
    /// What the proposer lost.
    pub(super) stake: U256,
}

/// All of it.
pub(crate) struct Summary {
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
                "stake_lost_wei": x.stake.to_string(), "challenger_won_wei": x.won.to_string(),
                "receipt_paid_wei": x.claimed.to_string()})
        });
        json!({
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
            "\nAn honest answer\n  receipt after {:.2} s, posted after {:.1} s, final after {:.1} s; fee {} wei\n  \
             {} batches posted, {} gas each\n",
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
                "Cheat", "rounds", "txs", "gas", "dispute", "truth", "stake", "challenger", "receipt"
            ));
            text.push_str(&format!(
                "{:<14} {:>6} {:>5} {:>9} {:>8} {:>9} {:>10} {:>12} {:>12}\n",
                "", "", "", "", "", "final", "lost", "won", "paid"
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
                ether(x.stake),
                ether(x.won),
                ether(x.claimed),
            ));
        }
        text.push_str(&format!("\nAll of it in {:.0} s.", self.seconds));
        text
    }
}

fn name(kind: Kind) -> String {
    kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Ether with four places.
fn ether(wei: U256) -> String {
    let text = format_ether(wei);
    text.find('.').map_or_else(|| text.clone(), |dot| text.chars().take(dot + 5).collect())
}
