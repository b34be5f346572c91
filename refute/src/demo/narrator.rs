//! What happens on L1, told line by line as it happens, and what it cost whom.

use std::collections::BTreeMap;
use std::time::Instant;

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use bindings::assertions::Assertions::AssertionsEvents as Chain;
use bindings::bond_vault::BondVault;
use bindings::deployment::Deployment;
use bindings::dispute_game::DisputeGame::DisputeGameEvents as Game;
use bindings::l1::L1;
use bindings::receipts::Receipts::ReceiptsEvents;
use bindings::step_game::StepGame::StepGameEvents as Steps;

/// Something that the story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A batch was posted.
    Posted(B256),
    /// It is final.
    Confirmed(B256),
    /// It was refuted.
    Rejected(B256),
}

/// What a dispute took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dispute {
    /// Transactions to the two games.
    pub(super) transactions: usize,
    /// Answers that the challenger asked for.
    pub(super) rounds: usize,
    /// Of all of them.
    pub(super) gas: u64,
    /// When the first game was opened.
    pub(super) opened: Option<Instant>,
}

/// Follows the chain.
pub(super) struct Narrator {
    l1: L1,
    contracts: bindings::deployment::Contracts,
    names: BTreeMap<Address, &'static str>,
    next: u64,
    /// The last transaction that counts as one of the dispute.
    counted: Option<B256>,
    /// All that was seen, in order.
    pub(super) seen: Vec<Seen>,
    /// Since the last [`Narrator::forget`].
    pub(super) dispute: Dispute,
    /// Gas of posting, and how many batches.
    pub(super) posting: (u64, usize),
}

impl Narrator {
    /// From the chain's head on.
    pub(super) async fn new(
        l1: &L1,
        deployment: &Deployment,
        names: BTreeMap<Address, &'static str>,
    ) -> anyhow::Result<Self> {
        let next = l1.head().await?.number + 1;
        Ok(Self {
            l1: l1.clone(),
            contracts: deployment.contracts,
            names,
            next,
            counted: None,
            seen: Vec::new(),
            dispute: Dispute::default(),
            posting: (0, 0),
        })
    }

    /// Begins another dispute.
    pub(super) fn forget(&mut self) {
        self.dispute = Dispute::default();
        self.seen.clear();
    }

    /// Reads the new blocks; what they tell comes back as lines.
    pub(super) async fn listen(&mut self) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let head = self.l1.head().await?.number;
        while self.next <= head {
            let Some(block) = self.l1.block(BlockId::number(self.next)).await? else { break };
            let c = &self.contracts;
            let of = [c.assertions, c.dispute_game, c.step_game, c.receipts];
            let logs = self.l1.logs(block.hash, &of).await?;
            let mut last = None;
            for log in &logs {
                let first = last != log.transaction_hash;
                last = log.transaction_hash;
                if let Some(line) = self.tell(log, first).await? {
                    lines.push(line);
                }
            }
            self.next += 1;
        }
        Ok(lines)
    }

    fn name(&self, who: Address) -> String {
        self.names.get(&who).map_or_else(|| who.to_string(), |name| (*name).to_owned())
    }

    async fn tell(&mut self, log: &Log, first: bool) -> anyhow::Result<Option<String>> {
        let Some(hash) = log.transaction_hash else { return Ok(None) };
        let receipt = self.l1.receipt(hash).await?;
        let (gas, from) = receipt.map_or((0, Address::ZERO), |receipt| (receipt.gas_used, receipt.from));
        let of_games =
            log.address() == self.contracts.dispute_game || log.address() == self.contracts.step_game;
        // A transaction with several logs is counted once.
        if of_games && self.counted != Some(hash) {
            self.counted = Some(hash);
            self.dispute.transactions += 1;
            self.dispute.gas += gas;
        }
        let by = self.name(from);
        let said = match log.address() {
            at if at == self.contracts.assertions => self.of_chain(log, gas),
            at if at == self.contracts.dispute_game => self.of_game(log),
            at if at == self.contracts.step_game => self.of_steps(log),
            _ => of_receipts(log),
        };
        Ok(said.map(|said| {
            format!("{by:>10}  {said}{}", if first { format!("  ({gas} gas)") } else { String::new() })
        }))
    }

    fn of_chain(&mut self, log: &Log, gas: u64) -> Option<String> {
        Some(match Chain::decode_log(&log.inner).ok()?.data {
            Chain::AssertionPosted(x) => {
                self.seen.push(Seen::Posted(x.assertion));
                self.posting = (self.posting.0 + gas, self.posting.1 + 1);
                format!("posts batch {} with {} steps: {}", x.height, x.derived.steps, short(x.assertion))
            }
            Chain::AssertionConfirmed(x) => {
                self.seen.push(Seen::Confirmed(x.assertion));
                format!("confirms {}: its results are final", short(x.assertion))
            }
            Chain::AssertionRejected(x) => {
                self.seen.push(Seen::Rejected(x.assertion));
                format!("has {} rejected", short(x.assertion))
            }
            _ => return None,
        })
    }

    fn of_game(&mut self, log: &Log) -> Option<String> {
        let event = Game::decode_log(&log.inner).ok()?.data;
        match &event {
            Game::Challenged(_) => self.dispute.opened = self.dispute.opened.or_else(|| Some(Instant::now())),
            Game::Picked(_) | Game::NodePicked(_) | Game::PlacePicked(_) | Game::OutputPicked(_) => {
                self.dispute.rounds += 1;
            }
            _ => {}
        }
        Some(match event {
            Game::Challenged(x) => {
                format!(
                    "challenges item {} of {} with {} ether",
                    x.item,
                    short(x.assertion),
                    format_ether(x.bond)
                )
            }
            Game::RootPosted(x) => format!("answers: the trace's root is {}", short(x.root)),
            Game::Opened(x) => format!("answers: opens {} over {} levels", short(x.hash), x.levels),
            Game::ChunkOpened(x) => format!("answers: {} bytes of chunk {}", x.data.len(), x.index),
            Game::ListPosted(x) => format!("answers: {} numbers", x.entries.len() / 8),
            Game::Proven(_) => "proves the step".to_owned(),
            Game::OutputProven(x) => format!("proves token {}", x.index),
            Game::Picked(x) => format!("asks for {}", short(x.hash)),
            Game::NodePicked(x) => format!("asks into node {}", x.node),
            Game::PlacePicked(x) => format!("asks how {} came about", x.value),
            Game::OutputPicked(x) => format!("asks for the proof of token {}", x.index),
            Game::Rejected(x) => rejected(x.toChallenger, x.burned),
            Game::ChallengerLost(x) => format!(
                "closes the game: the challenger loses ({} ether to the defender)",
                format_ether(x.toDefender)
            ),
            Game::Claimed(x) => format!("claims {} ether", format_ether(x.amount)),
        })
    }

    fn of_steps(&mut self, log: &Log) -> Option<String> {
        Some(match Steps::decode_log(&log.inner).ok()?.data {
            Steps::Challenged(x) => {
                self.dispute.opened = self.dispute.opened.or_else(|| Some(Instant::now()));
                self.dispute.rounds += 1;
                let about = if x.kind == 1 { "its state root" } else { "where its output ends" };
                format!("asks about step {} of {}: {about}", x.step, short(x.assertion))
            }
            Steps::Rejected(x) => rejected(x.toChallenger, x.burned),
            Steps::ChallengerLost(x) => format!(
                "proves the step: the challenger loses ({} ether to the defender)",
                format_ether(x.toDefender)
            ),
            Steps::Claimed(x) => format!("claims {} ether", format_ether(x.amount)),
        })
    }
}

fn rejected(to_challenger: alloy::primitives::U256, burned: alloy::primitives::U256) -> String {
    let (paid, burned) = (format_ether(to_challenger), format_ether(burned));
    format!("wins: {paid} ether of the stake to the challenger, {burned} burned")
}

fn of_receipts(log: &Log) -> Option<String> {
    let ReceiptsEvents::Broken(x) = ReceiptsEvents::decode_log(&log.inner).ok()?.data else { return None };
    let (paid, burned) = (format_ether(x.toPayee), format_ether(x.burned));
    Some(format!("has a receipt judged broken: {paid} ether to its holder, {burned} burned"))
}

/// The beginning of a hash.
pub(super) fn short(hash: B256) -> String {
    format!("{hash}").chars().take(10).collect()
}

/// What an account has in the vault.
pub(super) async fn in_vault(
    l1: &L1,
    deployment: &Deployment,
    who: Address,
) -> anyhow::Result<alloy::primitives::U256> {
    let call = BondVault::balanceOfCall { account: who };
    Ok(l1.call(deployment.contracts.vault, &call, BlockId::latest()).await?)
}
