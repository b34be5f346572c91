//! Parameters: docs/rollup.md, 3, and docs/protocol.md. Times in seconds; money in wei, as decimal text.

use serde::{Deserialize, Serialize};

use crate::dispute_game::DisputeGame::Config;
use crate::inbox::Inbox::RollupConfig;

const ETHER: u128 = 1_000_000_000_000_000_000;
const GWEI: u64 = 1_000_000_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// All that a deployment fixes for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Of both games.
    pub games: Games,
    /// Of inbox, batches and chain.
    pub rollup: Rollup,
    /// Of models and prices.
    pub registry: Registry,
    /// Of receipts.
    pub receipts: Receipts,
}

/// Of both games.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Games {
    /// W: how long an assertion can be challenged; also a challenger's budget.
    pub window: u32,
    /// T: the proposer's budget in one game.
    pub proposer_budget: u32,
    /// M_move: the least time of any turn.
    pub move_minimum: u32,
    /// M_trace: the least time to answer with a trace's root, and of the first move after it.
    pub trace_minimum: u32,
    /// The bond of an item without tokens.
    #[serde(with = "wei")]
    pub bond_base: u128,
    /// What a token adds to it.
    #[serde(with = "wei")]
    pub bond_per_token: u128,
    /// What the game that rejects an assertion earns.
    #[serde(with = "wei")]
    pub bounty: u128,
    /// What who closes a game earns.
    #[serde(with = "wei")]
    pub closer_fee: u128,
    /// G_max: the most gas that is repaid to one game; a multiple of a gwei.
    #[serde(with = "wei")]
    pub gas_repaid: u128,
    /// The highest price of a gas that is repaid.
    pub gas_price_cap: u64,
    /// The highest tip that is repaid.
    pub gas_tip: u64,
}

/// Of inbox, batches and chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rollup {
    /// SLACK: how far a batch's time may lie ahead.
    pub slack: u64,
    /// FORCE_DELAY: age at which an entry is overdue.
    pub force_delay: u64,
    /// GRACE: age beyond that at which the sequencer is late.
    pub grace: u64,
    /// EXPIRE: age at which an L1 request may be dropped.
    pub expire: u64,
    /// K: overdue entries that a batch must take.
    pub forced_entries: u32,
    /// ENTRY_TOKENS: most tokens of an L1 request.
    pub entry_tokens: u32,
    /// TOKENS_PER_HOUR: most tokens of L1 requests in one hour.
    pub tokens_per_hour: u32,
    /// ENTRY_FEE: what a request on L1 or a forced withdrawal pays its proposer.
    #[serde(with = "wei")]
    pub entry_fee: u128,
    /// MIN_DEPOSIT: the least deposit.
    #[serde(with = "wei")]
    pub min_deposit: u128,
}

/// Of models and prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// PRICE_DELAY: from naming a price until it is in force.
    pub price_delay: u64,
    /// LIST_DELAY: the same for the public list.
    pub list_delay: u64,
    /// MIN_PRICE: the least price of a public model, wei a token.
    pub min_price: u64,
}

/// Of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receipts {
    /// PENALTY: what a broken receipt costs.
    #[serde(with = "wei")]
    pub penalty: u128,
    /// EXIT_DELAY: how long a receipt bond stays after it is called back.
    pub exit_delay: u64,
}

impl Default for Games {
    fn default() -> Self {
        Self {
            window: 7 * DAY as u32,
            proposer_budget: 4 * DAY as u32,
            move_minimum: HOUR as u32,
            trace_minimum: 12 * HOUR as u32,
            bond_base: ETHER / 2,
            bond_per_token: ETHER / 10_000,
            bounty: ETHER,
            closer_fee: ETHER / 100,
            gas_repaid: ETHER / 4,
            gas_price_cap: 100 * GWEI,
            gas_tip: 2 * GWEI,
        }
    }
}

impl Default for Rollup {
    fn default() -> Self {
        Self {
            slack: 15 * MINUTE,
            force_delay: 6 * HOUR,
            grace: HOUR,
            expire: 30 * DAY,
            forced_entries: 8,
            entry_tokens: 8_192,
            tokens_per_hour: 200_000,
            entry_fee: ETHER / 2_000,
            min_deposit: ETHER / 1_000,
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self { price_delay: DAY, list_delay: DAY, min_price: GWEI }
    }
}

impl Default for Receipts {
    fn default() -> Self {
        Self { penalty: ETHER / 10, exit_delay: 30 * DAY }
    }
}

impl Parameters {
    /// Windows of seconds, for a chain on this machine where everybody is honest about the time and quick.
    #[must_use]
    pub fn devnet() -> Self {
        let games = Games {
            window: 40,
            proposer_budget: 30,
            move_minimum: 10,
            trace_minimum: 20,
            ..Games::default()
        };
        let rollup = Rollup { slack: 5, force_delay: 10 * MINUTE, grace: MINUTE, ..Rollup::default() };
        let registry = Registry { price_delay: 6, list_delay: 6, ..Registry::default() };
        Self { games, rollup, registry, receipts: Receipts::default() }
    }
}

impl From<Games> for Config {
    fn from(x: Games) -> Self {
        Self {
            window: x.window,
            proposerBudget: x.proposer_budget,
            moveMinimum: x.move_minimum,
            traceMinimum: x.trace_minimum,
            bondBase: x.bond_base,
            bondPerToken: x.bond_per_token,
            bounty: x.bounty,
            closerFee: x.closer_fee,
            gasRepaid: x.gas_repaid,
            gasPriceCap: x.gas_price_cap,
            gasTip: x.gas_tip,
        }
    }
}

impl From<Rollup> for RollupConfig {
    fn from(x: Rollup) -> Self {
        Self {
            slack: x.slack,
            forceDelay: x.force_delay,
            grace: x.grace,
            expire: x.expire,
            forcedEntries: x.forced_entries,
            entryTokens: x.entry_tokens,
            tokensPerHour: x.tokens_per_hour,
            entryFee: x.entry_fee,
            minDeposit: x.min_deposit,
        }
    }
}

/// Wei as decimal text: JSON's numbers end at 2^53 for most readers.
mod wei {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(x: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(x)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom(format!("wei are decimal digits in quotes, not {text:?}")))
    }
}
