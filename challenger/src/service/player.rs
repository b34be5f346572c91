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
use super::turns::Turns;
use super::view::{Status, Table, View};

/// Own assertions whose games are counted at each block: a week of them is pending, and hours are left to answer.
const COUNTED: u64 = 16;

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
    /// The contracts know of something that the log that was read does not: a node without its whole index, or one that lies.
    #[error("the node's log lacks {about} of {assertion}, which its contracts know; it is read again")]
    Withheld {
        /// What.
        about: &'static str,
        /// The assertion, or the chain's tip.
        assertion: B256,
    },
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
    pub(super) turns: Turns,
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
        let turns = Turns::new(hand.account(), deployment.parameters.games.move_minimum.into());
        Self { node, deployment, rules, mode, cheat, confirmations, sweep, hand, traces, turns, metrics }
    }

    pub(super) fn account(&self) -> Address {
        self.hand.account()
    }

    /// Makes every move that is due. One that fails does not keep others from being made. Is there more to do at once.
    ///
    /// What hangs on a deadline comes first. Of the rest, favours and money, one is done before the chain is looked at
    /// again: each waits for a block, and others have many games.
    pub(super) async fn act(&self, judge: &mut Judge, now: Now<'_>) -> Result<bool, PlayError> {
        let mut failed = None;
        let mut favours = Vec::new();
        let (pending, settled): (Vec<_>, Vec<_>) =
            now.view.tables.values().partition(|table| table.status == Status::Pending);
        let mut note = |table: &Table, made: Result<Vec<Move>, PlayError>| match made {
            Ok(others) => favours.extend(others),
            Err(error) => {
                tracing::warn!(assertion = %table.posted.id, %error, "moves are not made; they are tried again");
                failed = Some(error);
            }
        };
        for (i, table) in pending.iter().enumerate() {
            let counts =
                (i as u64).wrapping_add(now.block.number).is_multiple_of(pending.len() as u64 / COUNTED + 1);
            note(table, self.duties(judge, now, table, counts).await);
        }
        // After all games: the witness of an old step takes the ledger back, and nothing later is at hand then.
        for table in pending {
            let stand = self.stand(judge, table);
            note(table, self.questions(judge, now, &stand).await);
        }
        let games = now.view.tables.values().flat_map(|table| &table.games);
        self.turns.retain(&games.map(|game| game.id).collect());
        if let Some(error) = failed {
            return Err(error);
        }
        favours.extend(settled.into_iter().flat_map(|table| self.claims(table)));
        favours.extend(self.money(now).await?);
        for favour in favours {
            if self.hand.play_for_a_while(favour).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a pending assertion wants of this account, and what it might do besides.
    async fn duties(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        table: &Table,
        counts: bool,
    ) -> Result<Vec<Move>, PlayError> {
        let stand = self.stand(judge, table);
        if stand.fault().is_some() || stand.defends && counts {
            self.is_complete(now, &stand).await?;
        }
        let favours = self.games(judge, now, &stand).await?;
        let deep =
            table.posted.block.saturating_add(self.confirmations) <= now.block.number.saturating_add(1);
        match stand.fault() {
            Some(fault) if self.mode == Mode::Challenge && deep && !stand.defends => {
                self.dispute(judge, now, &stand, fault).await?;
            }
            _ => {}
        }
        Ok(favours)
    }

    fn stand<'a>(&self, judge: &Judge, table: &'a Table) -> Stand<'a> {
        let (me, posted) = (self.account(), &table.posted);
        let defends = posted.proposer == me || posted.defender == me && !table.revoked;
        Stand { table, verdict: judge.verdict(&posted.id).cloned(), defends }
    }

    /// Does the log have as many open games as the contracts, where a missing one costs a stake or a bond.
    async fn is_complete(&self, now: Now<'_>, stand: &Stand<'_>) -> Result<(), PlayError> {
        let (at, assertion) = (self.deployment.contracts, stand.id());
        let (of_items, of_steps) =
            (DisputeGame::openGamesCall { assertion }, StepGame::openGamesCall { assertion });
        let (games, questions) = tokio::try_join!(
            self.node.call(at.dispute_game, &of_items, now.at()),
            self.node.call(at.step_game, &of_steps, now.at()),
        )?;
        let open = stand.table.games.iter().filter(|game| !game.over).count();
        let asked = stand.table.questions.iter().filter(|question| !question.over).count();
        if (games, questions) != (U256::from(open), U256::from(asked)) {
            return Err(PlayError::Withheld { about: "games", assertion });
        }
        Ok(())
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
            Fault::Step(step) => self.ask(now, stand, 1, step, 0).await,
            Fault::Shape { step, index } => self.ask(now, stand, 2, step, index).await,
            Fault::Output { step, item } => self.open_game(judge, now, stand, step, item).await,
        }
    }

    /// Bonds of games that were cut short.
    fn claims(&self, table: &Table) -> Vec<Move> {
        let (me, at) = (self.account(), self.deployment.contracts);
        let claim = |to: Address, data: Vec<u8>| {
            let about = format!("assertion {}", table.posted.id);
            Move { name: "claim", about, to, data: data.into(), value: U256::ZERO }
        };
        let games = table.games.iter().filter(|game| game.challenger == me && !game.over);
        let games =
            games.map(|game| claim(at.dispute_game, DisputeGame::claimCall { id: game.id }.abi_encode()));
        let questions = table.questions.iter().filter(|q| q.challenger == me && !q.over);
        let questions =
            questions.map(|q| claim(at.step_game, StepGame::claimCall { key: q.key }.abi_encode()));
        games.chain(questions).collect()
    }

    /// What the vault owes, and its withdrawal if that is asked for.
    async fn money(&self, now: Now<'_>) -> Result<Option<Move>, L1Error> {
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
        let sweeps = self.sweep && games + asked == 0 && !owed.is_zero();
        Ok(sweeps.then(|| {
            let data = BondVault::withdrawCall { amount: owed, to: me }.abi_encode().into();
            Move { name: "withdraw", about: format!("{owed} wei"), to: vault, data, value: U256::ZERO }
        }))
    }

    pub(super) async fn play(&self, wanted: Move) -> Result<bool, L1Error> {
        self.hand.play(wanted).await
    }
}
