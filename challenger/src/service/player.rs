//! What is done about what was found: disputes of what is wrong, answers for what is right, and the money of what is over.

use std::sync::Arc;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use bindings::bond_vault::BondVault;
use bindings::deployment::Deployment;
use bindings::dispute_game::DisputeGame;
use bindings::l1::{Block, L1, L1Error};
use bindings::step_game::StepGame;
use bisection::ledger::Rules;

use super::batch::rules;
use super::config::{Cheat, Mode};
use super::hand::{Hand, Move, float};
use super::judge::{Fault, Judge, JudgeError, Verdict};
use super::metrics::Metrics;
use super::traces::{Traces, TracesError};
use super::view::{Status, Table, View};

/// Why a round of moves failed. It is repeated.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The node.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// A batch, or the ledger.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A trace.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

/// One account's side of all games.
pub(super) struct Player {
    pub(super) node: L1,
    pub(super) deployment: Deployment,
    pub(super) rules: Rules,
    pub(super) mode: Mode,
    pub(super) cheat: Option<Cheat>,
    pub(super) confirmations: u64,
    pub(super) sweep: bool,
    pub(super) hand: Hand,
    pub(super) traces: Traces,
    pub(super) metrics: Arc<Metrics>,
}

/// A look at the chain: everything is planned from this and nothing else.
#[derive(Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) view: &'a View,
    pub(super) block: Block,
}

impl Now<'_> {
    /// To ask contracts about the same block.
    pub(super) fn at(&self) -> BlockId {
        self.block.hash.into()
    }
}

/// Where a player stands towards an assertion.
pub(super) struct Stand<'a> {
    pub(super) table: &'a Table,
    pub(super) verdict: Option<Verdict>,
    /// May it answer what only the proposer's side may answer.
    pub(super) defends: bool,
}

impl Stand<'_> {
    /// What is wrong.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.verdict {
            Some(Verdict::Wrong(fault)) => Some(fault),
            _ => None,
        }
    }

    pub(super) fn id(&self) -> B256 {
        self.table.posted.id
    }
}

impl Player {
    pub(super) fn new(
        node: L1,
        deployment: Deployment,
        (mode, cheat, confirmations, sweep): (Mode, Option<Cheat>, u64, bool),
        hand: Hand,
        traces: Traces,
        metrics: Arc<Metrics>,
    ) -> Self {
        let rules = rules(&deployment);
        Self { node, deployment, rules, mode, cheat, confirmations, sweep, hand, traces, metrics }
    }

    pub(super) fn account(&self) -> Address {
        self.hand.account()
    }

    /// Makes every move that is due. One that fails does not keep others from being made.
    pub(super) async fn act(&self, judge: &mut Judge, now: Now<'_>) -> Result<(), PlayError> {
        let mut failed = Ok(());
        for table in now.view.tables.values() {
            if let Err(error) = self.table(judge, now, table).await {
                tracing::warn!(assertion = %table.posted.id, %error, "moves are not made; they are tried again");
                failed = Err(error);
            }
        }
        self.money(now).await?;
        failed
    }

    async fn table(&self, judge: &mut Judge, now: Now<'_>, table: &Table) -> Result<(), PlayError> {
        if table.status != Status::Pending {
            return Ok(self.claim(table).await?);
        }
        let (me, posted) = (self.account(), &table.posted);
        let defends = posted.proposer == me || posted.defender == me && !table.revoked;
        let stand = Stand { table, verdict: judge.verdict(&posted.id).cloned(), defends };
        self.questions(judge, now, &stand).await?;
        self.games(judge, now, &stand).await?;
        let deep = posted.block.saturating_add(self.confirmations) <= now.block.number.saturating_add(1);
        match stand.fault() {
            Some(fault) if self.mode == Mode::Challenge && deep && !defends => {
                self.dispute(judge, now, &stand, fault).await
            }
            _ => Ok(()),
        }
    }

    /// Asks what has no right answer, unless that is asked.
    async fn dispute(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        stand: &Stand<'_>,
        fault: Fault,
    ) -> Result<(), PlayError> {
        let window = u64::from(self.deployment.parameters.games.window);
        if now.block.time >= stand.table.posted.time.saturating_add(window) {
            return Ok(());
        }
        match fault {
            Fault::Step(step) => self.ask(stand, 1, step, 0).await,
            Fault::Shape { step, index } => self.ask(stand, 2, step, index).await,
            Fault::Output { step, item } => self.open_game(judge, now, stand, step, item).await,
        }
    }

    /// Bonds of games that were cut short.
    async fn claim(&self, table: &Table) -> Result<(), L1Error> {
        let (me, at) = (self.account(), self.deployment.contracts);
        let about = || format!("assertion {}", table.posted.id);
        for game in table.games.iter().filter(|game| game.challenger == me && !game.over) {
            let data = DisputeGame::claimCall { id: game.id }.abi_encode().into();
            self.play("claim", about(), at.dispute_game, data, U256::ZERO).await?;
        }
        for question in table.questions.iter().filter(|q| q.challenger == me && !q.over) {
            let data = StepGame::claimCall { key: question.key }.abi_encode().into();
            self.play("claim", about(), at.step_game, data, U256::ZERO).await?;
        }
        Ok(())
    }

    /// What the vault owes, and its withdrawal if that is asked for.
    async fn money(&self, now: Now<'_>) -> Result<(), L1Error> {
        let (me, vault) = (self.account(), self.deployment.contracts.vault);
        let owed = self.node.call(vault, &BondVault::balanceOfCall { account: me }, now.at()).await?;
        let before = self.metrics.vault.set(float(owed));
        if before != float(owed) {
            tracing::info!(%owed, spent_on_gas = self.metrics.spent.get(), "the vault owes this account");
        }
        let tables = || now.view.tables.values();
        let games = tables().flat_map(|t| &t.games).filter(|g| g.challenger == me && !g.over).count();
        let asked = tables().flat_map(|t| &t.questions).filter(|q| q.challenger == me && !q.over).count();
        self.metrics.games.set(i64::try_from(games + asked).unwrap_or(i64::MAX));
        if self.sweep && games + asked == 0 && !owed.is_zero() {
            let data = BondVault::withdrawCall { amount: owed, to: me }.abi_encode().into();
            self.play("withdraw", format!("{owed} wei"), vault, data, U256::ZERO).await?;
        }
        Ok(())
    }

    pub(super) async fn play(
        &self,
        name: &'static str,
        about: String,
        to: Address,
        data: alloy::primitives::Bytes,
        value: U256,
    ) -> Result<bool, L1Error> {
        self.hand.play(Move { name, about, to, data, value }).await
    }
}
