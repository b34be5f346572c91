//! Questions about steps: asked once, answered by one proof, or never.

use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use bindings::step_game::StepGame::{self, StepParts};
use bisection::ledger::{shape, witness};

use super::batch::Opened;
use super::book::recover;
use super::config::Mode;
use super::hand::Move;
use super::judge::{Fault, Judge, Verdict};
use super::player::{Now, PlayError, Player, Stand};
use super::view::{Question, View};
use crate::view::{word, words};

/// Kinds of questions, as the contract numbers them.
const LEDGER: u8 = 1;
const SHAPE: u8 = 2;

impl Player {
    /// Asks, unless somebody has: the answer would be the same. Several who find it wrong at once wait for each other, as
    /// long as that is nothing of the window.
    pub(super) async fn ask(
        &self,
        now: Now<'_>,
        stand: &Stand<'_>,
        kind: u8,
        step: u32,
        index: u32,
    ) -> Result<(), PlayError> {
        let same = |q: &Question| (q.kind, q.step, q.index) == (kind, step, index);
        if stand.table.questions.iter().any(same) {
            return Ok(());
        }
        let since = stand.table.posted.time;
        let half = since.saturating_add(u64::from(self.deployment.parameters.games.window) / 2);
        let wait = self.turns.wait(None, stand.id());
        if now.block.time < since.saturating_add(wait).min(half) {
            return Ok(());
        }
        let data = StepGame::challengeCall { assertion: stand.id(), kind, step, index }.abi_encode();
        let about = format!("assertion {}, {} of step {step}, token {index}", stand.id(), name(kind));
        let value = U256::from(self.deployment.parameters.games.bond_base);
        let to = self.deployment.contracts.step_game;
        self.play(Move { name: "challenge", about, to, data: data.into(), value }).await?;
        Ok(())
    }

    /// Closes what has no answer, and answers what has one. Gives the moves that are as well made by others.
    pub(super) async fn questions(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        stand: &Stand<'_>,
    ) -> Result<Vec<Move>, PlayError> {
        let mut favours = Vec::new();
        let budget = u64::from(self.deployment.parameters.games.proposer_budget);
        for question in stand.table.questions.iter().filter(|q| !q.over) {
            let own = question.challenger == self.account();
            let since = |span: u64| now.block.time.checked_sub(question.asked.saturating_add(span));
            let after = |span: u64, gains: bool| {
                let wait = self.turns.wait(gains.then_some(0), question.key);
                since(span).is_some_and(|passed| passed > wait)
            };
            let wrong = stand.fault().is_some_and(|fault| is_about(question, fault));
            let about =
                format!("assertion {}, {} of step {}", stand.id(), name(question.kind), question.step);
            let to = self.deployment.contracts.step_game;
            if since(budget).is_some_and(|passed| passed > 0) {
                let closes = wrong && self.mode == Mode::Challenge && !stand.defends;
                if closes && after(budget, own) {
                    let data = StepGame::timeoutCall { key: question.key }.abi_encode().into();
                    let close = Move { name: "timeout", about, to, data, value: U256::ZERO };
                    if own {
                        self.play(close).await?;
                    } else {
                        favours.push(close);
                    }
                }
                continue;
            }
            // Who defends answers at once; anybody else, who earns the closer's fee, when the defender seems to be away.
            let away = after(budget / 2, false);
            let may = match self.mode {
                Mode::Watch => false,
                _ if stand.defends => true,
                Mode::Challenge => away && stand.verdict == Some(Verdict::Right),
                Mode::Defend => false,
            };
            if !may || stand.fault().is_some() {
                continue;
            }
            let Some(data) = self.proof(judge, now, question, stand).await? else {
                tracing::error!(about, "a question about an own assertion has no proof that is known here");
                continue;
            };
            let prove = Move { name: "prove", about, to, data: data.into(), value: U256::ZERO };
            if stand.defends {
                self.play(prove).await?;
            } else {
                favours.push(prove);
            }
        }
        Ok(favours)
    }

    /// The calldata of a proof, if there is one.
    async fn proof(
        &self,
        judge: &mut Judge,
        now: Now<'_>,
        question: &Question,
        stand: &Stand<'_>,
    ) -> Result<Option<Vec<u8>>, PlayError> {
        let Some(opened) = judge.opened(&self.node, now.view, stand.id()).await? else { return Ok(None) };
        let witness = match question.kind {
            LEDGER => judge.witness(now.view, &opened, question.step),
            SHAPE => shape_witness(now.view, &opened, question.step, question.index),
            _ => None,
        };
        let step = opened.derived.step(question.step);
        let Some((witness, step)) = witness.zip(step) else { return Ok(None) };
        // What the contract will say, before anything is paid for.
        let right = match question.kind {
            LEDGER => {
                witness::check(&self.rules, &step.leaf, opened.derived.time, &witness, &recover).is_ok()
            }
            _ => shape::check(&step.leaf.body, question.index, &witness).is_ok(),
        };
        let Some(path) = opened.derived.path(question.step).ok().filter(|_| right) else { return Ok(None) };
        let parts = StepParts {
            pre: word(step.leaf.pre),
            post: word(step.leaf.post),
            data: step.leaf.body.encode().into(),
        };
        let (key, path) = (question.key, words(&path));
        Ok(Some(StepGame::proveCall { key, parts, path, witness: witness.into() }.abi_encode()))
    }
}

fn shape_witness(view: &View, opened: &Opened, step: u32, index: u32) -> Option<Vec<u8>> {
    let (derived, posted) = (opened.derived.step(step)?, opened.batch.steps.get(step as usize)?);
    let Some(header) = derived.header else { return Some(Vec::new()) };
    shape::make(derived, &posted.step, view.models.get(&header.model)?, index)
}

fn name(kind: u8) -> &'static str {
    if kind == LEDGER { "ledger" } else { "shape" }
}

/// Is a question the one that a fault leaves without an answer.
fn is_about(question: &Question, fault: Fault) -> bool {
    let asked = (question.kind, question.step, question.index);
    match fault {
        Fault::Step(step) => asked == (LEDGER, step, 0),
        Fault::Shape { step, index } => asked == (SHAPE, step, index),
        Fault::Output { .. } => false,
    }
}
