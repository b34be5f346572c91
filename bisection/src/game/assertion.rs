//! The rules: an assertion with its facts, games and money, and what every call changes.

use super::clock::{Clock, Due, Time};
use super::facts::{Answer, Facts, Question, list_digest};
use super::money::{Actor, Meter, Vault, Wei};
use super::{Action, Ask, Child, Game, Judge, Outcome, Refused, Rules};
use crate::hash::Hash;
use crate::proof;
use crate::trace::{List, Place, Subtree, Tree};
use crate::tree::{self, pad};

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
        asked_gas.add(call.by, call.cost, self.rules.terms.gas_max);
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
            game.asked_gas.add(call.by, call.cost, self.rules.terms.gas_max);
        }
        Ok(())
    }

    /// The ask that a pick makes of an answered one.
    fn next_ask(&self, judge: &impl Judge, game: &Game, action: Action) -> Result<Ask, Refused> {
        let answer = game.answer(&self.facts, &self.rules.spans).ok_or(Refused::NotDue)?;
        match (action, &game.ask, answer) {
            (Action::Pick(child), Ask::Root | Ask::Open { .. }, _) => self.child(judge, game, &child, false),
            (Action::PickNode(child), Ask::Root | Ask::Open { .. }, _) => {
                self.child(judge, game, &child, true)
            }
            (Action::PickOutput { root, index }, Ask::Root, Answer::Root(posted)) => {
                if root != *posted {
                    return Err(Refused::Names);
                }
                // INVARIANT: an impossible question cannot be asked, so it cannot cost the honest side.
                if index >= judge.outputs(game.item) {
                    return Err(Refused::OutOfRange);
                }
                Ok(Ask::Output { index })
            }
            (
                Action::PickElement { hash, slot, bytes },
                Ask::Chunk { hash: asked, node, chunk, .. },
                Answer::Bytes(_),
            ) => {
                if hash != *asked {
                    return Err(Refused::Names);
                }
                if tree::chunk_hash(*chunk, &bytes) != hash {
                    return Err(Refused::Hashes);
                }
                let shape = judge.tensor(game.item, *node).ok_or(Refused::OutOfRange)?;
                let value = shape.value(&bytes, slot).ok_or(Refused::OutOfRange)?;
                Ok(Ask::Element { place: Place::element(*node, *chunk, slot), value })
            }
            (
                Action::PickSegment { digest, entries, segment },
                Ask::Element { place, .. },
                Answer::List(list),
            ) => {
                if digest != list_digest(&list.entries) {
                    return Err(Refused::Names);
                }
                if list_digest(&entries) != digest {
                    return Err(Refused::Hashes);
                }
                segment_ask(*place, list, segment).ok_or(Refused::OutOfRange)
            }
            _ => Err(Refused::NotDue),
        }
    }

    /// The ask that a child of an opened hash makes.
    fn child(&self, judge: &impl Judge, game: &Game, pick: &Child, of_node: bool) -> Result<Ask, Refused> {
        let opened = game.opened(&self.facts, judge.nodes(game.item)).ok_or(Refused::NotDue)?;
        if pick.hash != opened.hash {
            return Err(Refused::Names);
        }
        let (first, count) = opened.at.below(opened.levels, opened.leaves);
        // INVARIANT: a child that covers nothing in range cannot be asked for.
        if pick.child >= count {
            return Err(Refused::OutOfRange);
        }
        let mut siblings = pick.siblings.iter().copied();
        let top = proof::child_root(opened.levels, count, pick.child, pick.child_hash, &mut siblings);
        if top != Ok(opened.hash) || siblings.next().is_some() {
            return Err(Refused::Hashes);
        }
        let height = opened.at.height.saturating_sub(opened.levels);
        let at = Subtree { tree: opened.at.tree, height, index: first.saturating_add(pick.child) };
        match (at.tree, at.height) {
            (Tree::Nodes, 0) if of_node => node_ask(judge, game.item, at.index, pick.child_hash),
            (Tree::Nodes, 0) => Err(Refused::NotDue),
            _ if of_node => Err(Refused::NotDue),
            (Tree::Chunks { node }, 0) => chunk_ask(judge, game.item, node, at.index, pick.child_hash),
            _ => Ok(Ask::Open { hash: pick.child_hash, at, leaves: opened.leaves }),
        }
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
        match game.due(&self.facts, &self.rules.spans) {
            // Doing again what is done is a success; a proof ends this game too.
            Due::Challenger { .. } => {
                if game.answer(&self.facts, &self.rules.spans) == Some(&Answer::Proven) {
                    self.lose(call.by, id);
                }
                return Ok(());
            }
            Due::Proposer { deadline } if call.now > deadline => return Err(Refused::Late),
            Due::Proposer { .. } => {}
        }
        let ours = call.by == self.proposer || Some(call.by) == self.defender;
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
        if let Some(game) = self.games.get_mut(id).filter(|_| ours && first) {
            game.answered_gas.add(call.by, call.cost, self.rules.terms.gas_max);
        }
        if proven {
            self.lose(call.by, id);
        }
        Ok(())
    }

    /// Checks an answer to the game's ask; of a root, with its first opening.
    fn answer(
        &self,
        judge: &impl Judge,
        game: &Game,
        action: Action,
        ours: bool,
    ) -> Result<(Answer, Vec<Hash>), Refused> {
        let root = self.facts.root(game.item);
        let proven = |yes: Option<bool>| match yes {
            Some(true) => Ok((Answer::Proven, Vec::new())),
            _ => Err(Refused::NotProven),
        };
        match (action, game.ask) {
            // INVARIANT: roots and lists are not determined by what is committed, so they are the proposer's alone.
            (Action::PostRoot { .. } | Action::PostList { .. }, _) if !ours => Err(Refused::NotYours),
            (Action::PostRoot { root, children }, Ask::Root) => {
                let leaves = u64::from(judge.nodes(game.item));
                let at = Subtree::whole(Tree::Nodes, leaves);
                let children = if at.height == 0 && children.is_empty() { vec![root] } else { children };
                shown(Ask::Open { hash: root, at, leaves }.question(game.item), &children)?;
                Ok((Answer::Root(root), children))
            }
            (Action::Open { children, .. }, ask @ Ask::Open { .. }) => {
                shown(ask.question(game.item), &children)?;
                Ok((Answer::Children(children), Vec::new()))
            }
            (Action::OpenChunk { bytes, .. }, Ask::Chunk { hash, chunk, length, .. }) => {
                // INVARIANT: a chunk has the length that follows from the program, and never none.
                if bytes.is_empty() || bytes.len() != length || tree::chunk_hash(chunk, &bytes) != hash {
                    return Err(Refused::Hashes);
                }
                Ok((Answer::Bytes(bytes), Vec::new()))
            }
            (Action::Prove { .. }, Ask::Element { place, value }) => {
                proven(root.map(|root| judge.step(game.item, root, place, value)))
            }
            (Action::PostList { entries, .. }, Ask::Element { place, value }) => {
                let root = root.ok_or(Refused::NotDue)?;
                let (segment, end) =
                    judge.list(game.item, root, place, value, &entries).ok_or(Refused::NotProven)?;
                Ok((Answer::List(List { entries, segment, end }), Vec::new()))
            }
            (Action::ProveOutput { .. }, Ask::Output { index }) => {
                proven(root.map(|root| judge.output(game.item, root, index)))
            }
            _ => Err(Refused::NotDue),
        }
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
            self.vault.split_bond(&self.rules.terms, closer, self.proposer, &game.answered_gas);
        }
    }

    fn reject(&mut self, closer: Actor, id: usize) {
        self.status = Status::Rejected;
        let mut winner = None;
        let mut others = Vec::new();
        for (i, game) in self.games.iter_mut().enumerate().filter(|(_, game)| game.outcome.is_none()) {
            let claim = (game.challenger, game.asked_gas.total);
            if i == id {
                game.outcome = Some(Outcome::Rejected);
                winner = Some(claim);
            } else {
                game.outcome = Some(Outcome::Void);
                others.push(claim);
            }
        }
        if let Some(winner) = winner {
            self.vault.split_stake(&self.rules.terms, closer, winner, &others);
        }
    }
}

/// Does the answer name what is asked?
fn names_ask(action: &Action, game: &Game) -> Result<(), Refused> {
    let named = match (action, &game.ask) {
        (Action::PostRoot { .. }, Ask::Root) => true,
        (Action::Open { hash, .. }, Ask::Open { hash: asked, .. })
        | (Action::OpenChunk { hash, .. }, Ask::Chunk { hash: asked, .. }) => hash == asked,
        (Action::Prove { place } | Action::PostList { place, .. }, Ask::Element { place: asked, .. }) => {
            place == asked
        }
        (Action::ProveOutput { index }, Ask::Output { index: asked }) => index == asked,
        _ => return Err(Refused::NotDue),
    };
    if named { Ok(()) } else { Err(Refused::Names) }
}

/// Are these the hashes in range below the asked one?
fn shown(question: Question, children: &[Hash]) -> Result<(), Refused> {
    let Question::Open { levels, count, hash } = question else { return Err(Refused::NotDue) };
    if children.len() as u64 != count {
        return Err(Refused::OutOfRange);
    }
    if tree::subtree_root(children.to_vec(), levels) == hash { Ok(()) } else { Err(Refused::Hashes) }
}

fn node_ask(judge: &impl Judge, item: u32, node: u64, hash: Hash) -> Result<Ask, Refused> {
    let node = u32::try_from(node).map_err(|_| Refused::OutOfRange)?;
    let leaves = judge.tensor(item, node).ok_or(Refused::OutOfRange)?.chunks();
    let at = Subtree::whole(Tree::Chunks { node }, leaves);
    match leaves {
        // INVARIANT: a node without positions is pad. Pad is no question, anything else is one without an answer.
        0 if hash == pad() => Err(Refused::OutOfRange),
        0 => Ok(Ask::Chunk { hash, node, chunk: 0, length: 0 }),
        1 => chunk_ask(judge, item, node, 0, hash),
        _ => Ok(Ask::Open { hash, at, leaves }),
    }
}

fn chunk_ask(judge: &impl Judge, item: u32, node: u32, chunk: u64, hash: Hash) -> Result<Ask, Refused> {
    let shape = judge.tensor(item, node).ok_or(Refused::OutOfRange)?;
    let length = shape.chunk_len(chunk).ok_or(Refused::OutOfRange)?;
    Ok(Ask::Chunk { hash, node, chunk, length })
}

/// The ask for one entry of a list.
fn segment_ask(place: Place, list: &List, segment: u32) -> Option<Ask> {
    let value = *list.entries.get(usize::try_from(segment).ok()?)?;
    let from = place.from.checked_add(segment.checked_mul(list.segment)?)?;
    let to = from.checked_add(list.segment)?.min(list.end);
    Some(Ask::Element { place: Place { from, to, ..place }, value })
}
