//! Games about inferences: either side, by an own trace.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use bindings::dispute_game::DisputeGame;
use bisection::game::clock::{Span, Spans};
use bisection::solver::Side;
use bisection::trace::TraceProvider;
use executor::trace::TraceError;

use super::batch::Opened;
use super::config::{Cheat, Mode};
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

/// What came of planning.
enum Plan {
    Move(Planned),
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
        self.play("challenge", about, self.deployment.contracts.dispute_game, data.into(), bond).await?;
        Ok(())
    }

    /// Makes the moves that are due in an assertion's games.
    pub(super) async fn games(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        stand: &Stand<'_>,
    ) -> Result<(), PlayError> {
        if self.mode == Mode::Watch {
            return Ok(());
        }
        let at = self.deployment.contracts.dispute_game;
        let wrong = stand.fault().is_some();
        for game in stand.table.games.iter().filter(|game| !game.over) {
            let own = game.challenger == self.account();
            let turn = self.node.call(at, &DisputeGame::turnOfCall { id: game.id }, now.at()).await?;
            let side = match turn.turn {
                // What proves a wrong assertion wrong is closed whoever began it; what an idle challenger left, too.
                PROPOSER_LATE if own || wrong && self.mode == Mode::Challenge => None,
                PROPOSER if stand.defends => Some(Side::Proposer),
                CHALLENGER if !turn.ended && own && wrong => Some(Side::Challenger),
                PROPOSER | PROPOSER_LATE => continue,
                CHALLENGER if !turn.ended => continue,
                _ if stand.defends || stand.verdict == Some(Verdict::Right) => None,
                _ => continue,
            };
            let about = format!("assertion {}, item {}, game {}", stand.id(), game.item, game.id);
            let planned = match side {
                None => {
                    let data = DisputeGame::timeoutCall { id: game.id }.abi_encode().into();
                    Plan::Move(Planned { name: "timeout", about: String::new(), data })
                }
                Some(side) => self.plan(judge, now, stand, game, side).await?,
            };
            match planned {
                Plan::Move(Planned { name, about: what, data }) => {
                    self.play(name, format!("{about}: {what}"), at, data, U256::ZERO).await?;
                }
                Plan::Nothing => {}
                Plan::Refused(index) => {
                    tracing::error!(about, index, "NOT defended: the published output is wrong");
                }
            }
        }
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
        let (facts, spans, time) = (stand.table.facts.clone(), self.spans(), now.block.time);
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
