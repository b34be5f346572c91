//! Games about inferences: either side, by an own trace.

use std::sync::Arc;

use alloy::eips::BlockId;
use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolCall;
use bindings::dispute_game::DisputeGame;
use bindings::l1::L1Error;
use bisection::game::clock::{Due, Span, Spans};
use bisection::solver::Side;
use bisection::trace::TraceProvider;
use executor::trace::TraceError;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::batch::Opened;
use super::config::{Cheat, Mode};
use super::hand::Move;
use super::judge::{Judge, Verdict};
use super::models::sampling;
use super::player::{Now, PlayError, Player, Stand};
use super::traces::Wanted;
use super::view::{Game, View};
use crate::calls::{self, Table};
use crate::player::{Planned, plan};
use crate::view::{game as read, words};

/// `Turn` of `contracts/src/libraries/Clock.sol`.
const PROPOSER: u8 = 0;
const PROPOSER_LATE: u8 = 1;
const CHALLENGER: u8 = 2;

/// Games about one item that are opened at most: one that was lost to a deadline may be played again.
const TRIES: usize = 3;

/// Games that the node is asked about at once.
const LOOKS: usize = 16;

/// What came of planning.
enum Plan {
    Move(Planned),
    /// The chain says that it is our turn, and the log that was read says that it is not.
    Blind,
    /// Nothing is to be done now, or the trace has no answer.
    Nothing,
    /// The published output is wrong: it is not defended.
    Refused(u32),
}

impl Player {
    fn spans(&self) -> Spans {
        let g = &self.deployment.parameters.games;
        Spans {
            window: Span(g.window.into()),
            budget: Span(g.proposer_budget.into()),
            trace: Span(g.trace_minimum.into()),
            turn: Span(g.move_minimum.into()),
        }
    }

    /// Opens a game about an output that is wrong, unless one of its own is open. Those of others may be given up.
    pub(super) async fn open_game(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        stand: &Stand<'_>,
        step: u32,
        item: u32,
    ) -> Result<(), PlayError> {
        let me = self.account();
        let own: Vec<&Game> =
            stand.table.games.iter().filter(|g| g.challenger == me && g.item == item).collect();
        if own.iter().any(|game| !game.over) || own.len() >= TRIES {
            return Ok(());
        }
        let counter = own.iter().map(|game| game.counter.saturating_add(1)).max().unwrap_or(0);
        let Some(opened) = judge.opened(&self.node, now.view, stand.id()).await? else { return Ok(()) };
        let Some(wanted) = wanted(&opened, now.view, stand.id(), step, item, None) else { return Ok(()) };
        let tokens =
            u128::from(opened.derived.step(step).and_then(|s| s.header).map_or(0, |header| {
                u64::from(header.prompt_length).saturating_add(header.output_length.into())
            }));
        let g = &self.deployment.parameters.games;
        let bond = U256::from(g.bond_base.saturating_add(g.bond_per_token.saturating_mul(tokens)));
        // The trace comes first: a bond is put down only for a game that can be played.
        let header = self.traces.with(wanted, |trace| {
            let wrong = trace.wrong_output()?;
            Ok(wrong.map(|_| calls::item(trace.subject().item())))
        });
        let Some(header) = header.await? else {
            tracing::error!(assertion = %stand.id(), item, "an output was found wrong, and its trace says it is right");
            return Ok(());
        };
        let Ok(path) = opened.derived.item_path(item) else { return Ok(()) };
        let (assertion, path) = (stand.id(), words(&path));
        let data = DisputeGame::challengeCall { assertion, item, counter, header, path }.abi_encode();
        let about = format!("assertion {assertion}, item {item}, game {counter}");
        let to = self.deployment.contracts.dispute_game;
        self.play(Move { name: "challenge", about, to, data: data.into(), value: bond }).await?;
        Ok(())
    }

    /// Makes the moves that are due in an assertion's games. Gives those that are as well made by others.
    pub(super) async fn games(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        stand: &Stand<'_>,
    ) -> Result<Vec<Move>, PlayError> {
        let mut favours = Vec::new();
        // Places in the chain's order of games that have won already.
        let mut late = 0;
        // One answer serves all games that ask for it, and giving it again would be paid for.
        let mut answered = false;
        for (game, turn, ended) in self.look(now, stand).await? {
            let own = game.challenger == self.account();
            let closes = match turn {
                // What proves a wrong assertion wrong is closed whoever began it; what an idle challenger left, too.
                PROPOSER_LATE => own || stand.fault().is_some() && self.mode == Mode::Challenge,
                PROPOSER => false,
                _ if turn == CHALLENGER && !ended => false,
                _ => stand.defends || stand.verdict == Some(Verdict::Right) && self.mode == Mode::Challenge,
            };
            let side = match turn {
                PROPOSER if stand.defends => Side::Proposer,
                CHALLENGER if !ended && own && stand.fault().is_some() => Side::Challenger,
                _ if closes => {
                    let gains = own || stand.defends;
                    let wait = self.turns.wait(gains.then_some(late), game.id);
                    late += usize::from(turn == PROPOSER_LATE);
                    if now.block.time < self.turns.late_since(game.id, now.block.time).saturating_add(wait) {
                        continue;
                    }
                    let data = DisputeGame::timeoutCall { id: game.id }.abi_encode().into();
                    let close = self.game_move(stand, game, "timeout", "", data);
                    // A bond that is lost stays lost: only what rejects is worth a block of other moves.
                    if own && turn == PROPOSER_LATE {
                        self.play(close).await?;
                    } else {
                        favours.push(close);
                    }
                    continue;
                }
                _ => {
                    self.rest(now, stand, game, turn).await?;
                    continue;
                }
            };
            if side == Side::Proposer && answered && !self.still_asks(game).await? {
                continue;
            }
            match self.plan(judge, now, stand, game, side).await? {
                Plan::Move(Planned { name, about, data }) => {
                    let made = self.play(self.game_move(stand, game, name, &about, data)).await?;
                    answered |= made && side == Side::Proposer;
                }
                Plan::Nothing => {}
                Plan::Blind => return Err(PlayError::Withheld { about: "a move", assertion: stand.id() }),
                Plan::Refused(index) => {
                    let (assertion, item) = (stand.id(), game.item);
                    tracing::error!(%assertion, item, index, "NOT defended: the published output is wrong");
                }
            }
        }
        Ok(favours)
    }

    fn game_move(&self, stand: &Stand<'_>, game: &Game, name: &'static str, what: &str, data: Bytes) -> Move {
        let about = format!("assertion {}, item {}, game {}: {what}", stand.id(), game.item, game.id);
        Move { name, about, to: self.deployment.contracts.dispute_game, data, value: U256::ZERO }
    }

    /// Whose turn it is in the games that may want something of us, in the chain's order: anybody can open many, so they
    /// are asked about together, and those of others only when something may have come of them.
    async fn look<'a>(
        &self,
        now: Now<'_>,
        stand: &Stand<'a>,
    ) -> Result<Vec<(&'a Game, u8, bool)>, PlayError> {
        let (me, time) = (self.account(), now.block.time);
        let closes =
            self.mode == Mode::Challenge && matches!(stand.verdict, Some(Verdict::Right | Verdict::Wrong(_)));
        let wanted = |game: &&Game| {
            let ours = game.challenger == me || stand.defends;
            !game.over && (ours || closes && self.turns.is_due(&game.id, time))
        };
        let games: Vec<&Game> = stand.table.games.iter().filter(wanted).collect();
        let mut looks = Vec::with_capacity(games.len());
        for game in games {
            looks.push(self.turn(now, game));
        }
        stream::iter(looks).buffered(LOOKS).try_collect().await
    }

    /// Whose turn it is in a game, and whether its ask is proven.
    async fn turn<'a>(&self, now: Now<'_>, game: &'a Game) -> Result<(&'a Game, u8, bool), PlayError> {
        let at = self.deployment.contracts.dispute_game;
        let found = self.node.call(at, &DisputeGame::turnOfCall { id: game.id }, now.at()).await?;
        Ok((game, found.turn, found.ended))
    }

    /// Is it the proposer's turn at the newest block.
    async fn still_asks(&self, game: &Game) -> Result<bool, L1Error> {
        let call = DisputeGame::turnOfCall { id: game.id };
        match self.node.call(self.deployment.contracts.dispute_game, &call, BlockId::latest()).await {
            Ok(found) => Ok(found.turn == PROPOSER),
            // It is over.
            Err(L1Error::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says when a game of others is to be looked at again: before, nobody can have lost it.
    async fn rest(&self, now: Now<'_>, stand: &Stand<'_>, game: &Game, turn: u8) -> Result<(), PlayError> {
        if game.challenger == self.account() || stand.defends {
            return Ok(());
        }
        let time = now.block.time;
        let minimum = u64::from(self.deployment.parameters.games.move_minimum);
        let until = match (turn, stand.fault()) {
            (PROPOSER, Some(_)) => {
                let at = self.deployment.contracts.dispute_game;
                let call = DisputeGame::gameOfCall { id: game.id };
                let cursor = self.node.call(at, &call, now.at()).await?.cursor;
                let left = u64::from(cursor.proposerLeft).max(minimum);
                cursor.asked.to::<u64>().saturating_add(left).saturating_add(1)
            }
            // Its challenger moves first, and the proposer has at least the minimum after that.
            (_, Some(_)) => time.saturating_add(minimum),
            // Closing what is over is a favour: not every block is asked.
            (_, None) => time.saturating_add(minimum / 8),
        };
        self.turns.rest(game.id, until);
        Ok(())
    }

    async fn plan(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        stand: &Stand<'_>,
        game: &Game,
        side: Side,
    ) -> Result<Plan, PlayError> {
        let cheat = self.cheat.filter(|_| side == Side::Proposer && stand.fault().is_some());
        if cheat == Some(Cheat::Silence) {
            return Ok(Plan::Nothing);
        }
        if side == Side::Proposer && cheat.is_none() && stand.fault().is_some() {
            let assertion = stand.id();
            tracing::error!(%assertion, fault = ?stand.fault(), "NOT defended: the assertion is wrong");
            return Ok(Plan::Nothing);
        }
        let Some(opened) = judge.opened(&self.node, now.view, stand.id()).await? else {
            return Ok(Plan::Nothing);
        };
        let Some((step, _)) = opened.derived.item(game.item) else { return Ok(Plan::Nothing) };
        let Some(wanted) = wanted(&opened, now.view, stand.id(), step, game.item, cheat) else {
            return Ok(Plan::Nothing);
        };
        let at = self.deployment.contracts.dispute_game;
        let stored = self.node.call(at, &DisputeGame::gameOfCall { id: game.id }, now.at()).await?;
        // Gas is repaid to a defender key; the proposer gets what is left of a lost bond anyhow.
        let repaid = stand.table.posted.defender == self.account() && !stand.table.revoked;
        let credit = if repaid { game.id } else { B256::ZERO };
        let table = Table { assertion: stand.id(), item: game.item, game: game.id, credit };
        let (facts, spans, time) = (Arc::clone(&stand.table.facts), self.spans(), now.block.time);
        let planned = self.traces.with(wanted, move |trace| {
            if side == Side::Proposer
                && cheat.is_none()
                && let Some(wrong) = trace.wrong_output()?
            {
                return Ok(Plan::Refused(wrong));
            }
            let Some(game) = read(&stored, false, |node| trace.tensor(node).ok()) else {
                return Ok(Plan::Nothing);
            };
            // The contract has said whose turn it is. It goes by the facts of the log.
            if matches!(game.due(&facts, &spans), Due::Proposer { .. }) != (side == Side::Proposer) {
                return Ok(Plan::Blind);
            }
            Ok(leave(plan(table, &game, &facts, &spans, side, trace, time))?
                .map_or(Plan::Nothing, Plan::Move))
        });
        Ok(planned.await?)
    }
}

/// A liar has no answer to everything: what it has none to, it leaves.
fn leave(planned: Result<Option<Planned>, TraceError>) -> Result<Option<Planned>, TraceError> {
    match planned {
        Err(TraceError::NoAnswer | TraceError::Step { .. }) => Ok(None),
        other => other,
    }
}

/// What a trace of an item is made of.
fn wanted(
    opened: &Opened,
    view: &View,
    assertion: B256,
    step: u32,
    item: u32,
    cheat: Option<Cheat>,
) -> Option<Wanted> {
    let header = opened.derived.step(step)?.header?;
    let (prompt, output) = opened.inference(step, view)?;
    Some(Wanted { assertion, item, model: header.model, sampling: sampling(&header), prompt, output, cheat })
}
