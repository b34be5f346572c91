//! The rules: an assertion with its facts, games and money, and what every call changes.

use super::answers::{is_again, names_ask};
use super::clock::{Clock, Due, Time};
use super::facts::{Answer, Facts};
use super::money::{Actor, Meter, Pool, Vault, Wei};
use super::{Action, Ask, Game, Judge, Outcome, Refused, Rules};
use crate::trace::{Subtree, Tree};

/// Where an assertion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may be challenged, or is.
    Pending,
    /// A game has rejected it.
    Rejected,
    /// It stands.
    Confirmed,
}

/// Who calls, when, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The block's timestamp.
    pub now: Time,
    /// The account.
    pub by: Actor,
    /// What the call is metered at.
    pub cost: Wei,
}

/// What was posted and staked on, and everything said about it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// What it is played by.
    pub rules: Rules,
    /// When it was posted.
    pub posted: Time,
    /// Whose stake it is.
    pub proposer: Actor,
    /// A second account that answers for the proposer.
    pub defender: Option<Actor>,
    /// Items in it.
    pub items: u32,
    /// Where it stands.
    pub status: Status,
    /// What has been answered.
    pub facts: Facts,
    /// In the order of their challenges.
    pub games: Vec<Game>,
    /// What is held, owed and burned.
    pub vault: Vault,
    /// What its rejection left for the games that were cut short.
    pub pool: Pool,
}

impl Assertion {
    /// Posts an assertion with its stake.
    pub fn new(rules: Rules, posted: Time, proposer: Actor, defender: Option<Actor>, items: u32) -> Self {
        let mut vault = Vault::default();
        vault.hold(rules.terms.stake);
        Self {
            rules,
            posted,
            proposer,
            defender,
            items,
            status: Status::Pending,
            facts: Facts::default(),
            games: Vec::new(),
            vault,
            pool: Pool::default(),
        }
    }

    /// Opens a game; its number.
    pub fn challenge(&mut self, call: Call, item: u32) -> Result<usize, Refused> {
        if self.status != Status::Pending {
            return Err(Refused::NotOpen);
        }
        // INVARIANT: a challenge and a confirmation are never both possible.
        if call.now >= self.posted.after(self.rules.spans.window) {
            return Err(Refused::Window);
        }
        if item >= self.items {
            return Err(Refused::OutOfRange);
        }
        self.vault.hold(self.rules.terms.bond);
        let clock = Clock {
            asked: call.now,
            proposer_left: self.rules.spans.budget,
            challenger_left: self.rules.spans.window.less(call.now.since(self.posted)),
        };
        let mut asked_gas = Meter::default();
        asked_gas.add(call.cost, self.rules.terms.gas_max);
        let (answered_gas, outcome) = (Meter::default(), None);
        let challenger = call.by;
        self.games.push(Game { item, challenger, ask: Ask::Root, clock, outcome, asked_gas, answered_gas });
        Ok(self.games.len().saturating_sub(1))
    }

    /// Confirms what nobody disputes any more.
    pub fn confirm(&mut self, now: Time) -> Result<(), Refused> {
        if self.status != Status::Pending || self.games.iter().any(|game| game.outcome.is_none()) {
            return Err(Refused::NotOpen);
        }
        if now < self.posted.after(self.rules.spans.window) {
            return Err(Refused::Window);
        }
        self.status = Status::Confirmed;
        self.vault.release_stake(&self.rules.terms, self.proposer);
        Ok(())
    }

    /// Plays one move of a game. A refused move changes nothing.
    pub fn play(&mut self, judge: &impl Judge, call: Call, id: usize, action: Action) -> Result<(), Refused> {
        if action == Action::Claim {
            return self.claim(id);
        }
        let game = self.games.get(id).filter(|game| game.outcome.is_none()).ok_or(Refused::NotOpen)?.clone();
        match action {
            Action::Close => self.close(call, id, &game),
            Action::Pick(_)
            | Action::PickNode(_)
            | Action::PickElement { .. }
            | Action::PickSegment { .. }
            | Action::PickOutput { .. } => self.pick(judge, call, id, &game, action),
            _ => self.respond(judge, call, id, &game, action),
        }
    }

    /// A challenger's move: a new ask.
    fn pick(
        &mut self,
        judge: &impl Judge,
        call: Call,
        id: usize,
        game: &Game,
        action: Action,
    ) -> Result<(), Refused> {
        if call.by != game.challenger {
            return Err(Refused::NotYours);
        }
        let Due::Challenger { deadline, answered } = game.due(&self.facts, &self.rules.spans) else {
            return Err(Refused::NotDue);
        };
        // INVARIANT: a move and a closing for lateness are never both possible.
        if call.now > deadline {
            return Err(Refused::Late);
        }
        let ask = self.next_ask(judge, game, action)?;
        if let Some(game) = self.games.get_mut(id) {
            game.ask = ask;
            game.clock = game.clock.moved(answered, call.now);
            game.asked_gas.add(call.cost, self.rules.terms.gas_max);
        }
        Ok(())
    }

    /// An answer: a fact, if it is the first.
    fn respond(
        &mut self,
        judge: &impl Judge,
        call: Call,
        id: usize,
        game: &Game,
        action: Action,
    ) -> Result<(), Refused> {
        names_ask(&action, game)?;
        let ours = call.by == self.proposer || Some(call.by) == self.defender;
        match game.due(&self.facts, &self.rules.spans) {
            // Doing again what is done is a success; a proof ends this game too.
            Due::Challenger { .. } => {
                let answer = game.answer(&self.facts, &self.rules.spans);
                is_again(&action, answer, ours)?;
                if answer == Some(&Answer::Proven) {
                    self.lose(call.by, id);
                }
                return Ok(());
            }
            Due::Proposer { deadline } if call.now > deadline => return Err(Refused::Late),
            Due::Proposer { .. } => {}
        }
        let answer = self.answer(judge, game, action, ours)?;
        if let (Answer::Root(root), Ask::Root) = (&answer.0, game.ask) {
            let leaves = u64::from(judge.nodes(game.item));
            let at = Subtree::whole(Tree::Nodes, leaves);
            if at.height > 0 {
                let question = Ask::Open { hash: *root, at, leaves }.question(game.item);
                self.facts.put(question, call.now, Answer::Children(answer.1));
            }
        }
        let proven = answer.0 == Answer::Proven;
        let first = self.facts.put(game.ask.question(game.item), call.now, answer.0);
        // The proposer needs no meter: what is left of a lost bond is its own.
        let credited = first && Some(call.by) == self.defender;
        if let Some(game) = self.games.get_mut(id).filter(|_| credited) {
            game.answered_gas.add(call.cost, self.rules.terms.gas_max);
        }
        if proven {
            self.lose(call.by, id);
        }
        Ok(())
    }

    /// Closes a game that is over.
    fn close(&mut self, call: Call, id: usize, game: &Game) -> Result<(), Refused> {
        match game.due(&self.facts, &self.rules.spans) {
            Due::Proposer { deadline } if call.now > deadline => self.reject(call.by, id),
            // INVARIANT: a proof in time makes the challenger the loser whatever the clock says.
            Due::Challenger { .. }
                if game.answer(&self.facts, &self.rules.spans) == Some(&Answer::Proven) =>
            {
                self.lose(call.by, id);
            }
            Due::Challenger { deadline, .. } if call.now > deadline => self.lose(call.by, id),
            _ => return Err(Refused::NotOver),
        }
        Ok(())
    }

    fn lose(&mut self, closer: Actor, id: usize) {
        if let Some(game) = self.games.get_mut(id) {
            game.outcome = Some(Outcome::ChallengerLost);
            let answered = (self.defender.unwrap_or(self.proposer), game.answered_gas);
            self.vault.split_bond(&self.rules.terms, closer, answered, self.proposer);
        }
    }

    fn reject(&mut self, closer: Actor, id: usize) {
        self.status = Status::Rejected;
        let mut winner = None;
        let mut live = Wei(0);
        for (i, game) in self.games.iter_mut().enumerate().filter(|(_, game)| game.outcome.is_none()) {
            if i == id {
                game.outcome = Some(Outcome::Rejected);
                winner = Some((game.challenger, game.asked_gas));
            } else {
                game.outcome = Some(Outcome::Void);
                // The contract keeps this sum as games move, so that it needs no loop.
                live = live.plus(game.asked_gas.0);
            }
        }
        if let Some(winner) = winner {
            self.pool = self.vault.split_stake(&self.rules.terms, closer, winner, live);
        }
    }

    /// Pays a game that another's rejection cut short.
    fn claim(&mut self, id: usize) -> Result<(), Refused> {
        let game = self.games.get_mut(id).ok_or(Refused::NotOpen)?;
        match game.outcome {
            None => Err(Refused::NotOver),
            Some(Outcome::Void) => {
                game.outcome = Some(Outcome::Claimed);
                self.vault.claim(&self.rules.terms, game.challenger, game.asked_gas, self.pool);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }
}
