//! The rules in Rust against the contracts: random games on one assertion, legal moves and others by everybody, with
//! time passing to deadlines and past them. After every move both sides must say the same.

#[path = "../../executor/tests/support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use bindings::bond_vault::BondVault;
use bindings::dispute_game::DisputeGame::{self, Config};
use bindings::local::LocalError;
use bindings::stand_in_assertions::StandInAssertions::{self, PostedItem};
use bisection::game::clock::{Due, Span, Spans, Time};
use bisection::game::facts::{Answer, list_digest};
use bisection::game::money::{Actor, Terms, Wei};
use bisection::game::{Action, Ask, Assertion, Call, Child, Game, Judge, Outcome, Refused, Rules, Status};
use bisection::solver::{self, Side};
use bisection::trace::{Place, Subtree, TensorShape, TraceProvider, Tree};
use bisection::{Hash, proof, tree};
use challenger::arena::Arena;
use challenger::calls::{self, Table};
use challenger::view;
use executor::import::source::Architecture;
use executor::native::Native;
use executor::trace::{Corrupted, Held, Lie, Source, Subject, Trace, TraceError, Want};
use support::items::{self, Item, SAMPLED};
use support::random::Random;
use support::tiny::{self, Shape};
use support::verifier::Verifier;

const PROPOSER: Actor = Actor(0xaa);
const DEFENDER: Actor = Actor(0xdf);
const A: Actor = Actor(0xcc);
const B: Actor = Actor(0xc2);
const STRANGER: Actor = Actor(0xbb);
const ALL: [Actor; 5] = [PROPOSER, DEFENDER, A, B, STRANGER];

fn address(x: Actor) -> Address {
    Address::repeat_byte(x.0 as u8)
}

/// A trace, right or wrong.
enum Any {
    Honest(Held),
    Wrong(Corrupted<Held>),
}

impl Any {
    fn source(&self) -> &dyn Source {
        match self {
            Self::Honest(x) => x,
            Self::Wrong(x) => x,
        }
    }
}

impl Source for Any {
    fn subject(&self) -> &Subject {
        self.source().subject()
    }
    fn root(&self, node: u32) -> Hash {
        self.source().root(node)
    }
    fn hash(&self, node: u32, height: u32, index: u64) -> Option<Hash> {
        self.source().hash(node, height, index)
    }
    fn chunk(&self, node: u32, chunk: u64) -> Option<Vec<u8>> {
        self.source().chunk(node, chunk)
    }
    fn fetch(&mut self, wants: &[Want]) -> Result<(), TraceError> {
        match self {
            Self::Honest(x) => x.fetch(wants),
            Self::Wrong(x) => x.fetch(wants),
        }
    }
    fn lie(&self) -> Option<Lie> {
        self.source().lie()
    }
}

/// What the Rust rules ask of the machine: decided by the traces that may have been posted.
struct Machine {
    traces: RefCell<Vec<Trace<Any>>>,
    item: Item,
}

impl Machine {
    fn with<T>(&self, root: Hash, f: impl FnOnce(&mut Trace<Any>) -> T) -> Option<T> {
        self.traces.borrow_mut().iter_mut().find(|t| t.root() == root).map(f)
    }
}

impl Judge for Machine {
    fn nodes(&self, _: u32) -> u32 {
        self.item.model.program().nodes.len() as u32
    }
    fn tensor(&self, _: u32, node: u32) -> Option<TensorShape> {
        self.traces.borrow()[0].tensor(node).ok()
    }
    fn outputs(&self, _: u32) -> u32 {
        self.traces.borrow()[0].subject().item().output_length
    }
    fn step(&self, _: u32, root: Hash, at: Place, value: i64) -> bool {
        // What has a list is too long for a step.
        let right = |t: &mut Trace<Any>| {
            matches!(t.list(at), Ok(None)) && t.step(at).is_ok_and(|(right, _)| right == value)
        };
        self.with(root, right).unwrap_or(false)
    }
    fn list(&self, _: u32, root: Hash, at: Place, value: i64, entries: &[i64]) -> Option<(u32, u32)> {
        self.with(root, |t| {
            let list = t.list(at).ok()??;
            let data = t.finish(at).ok()?;
            let (program, infos) = (self.item.model.program(), self.item.model.infos());
            let verifier = Verifier { program, infos, trace_root: root, item: *t.subject().item() };
            let right = entries.len() == list.entries.len()
                && verifier.combine(at, entries, &data).is_ok_and(|total| total == value.into());
            right.then_some((list.segment, list.end))
        })?
    }
    fn output(&self, _: u32, root: Hash, index: u32) -> bool {
        self.with(root, |t| {
            let (node, place) = (t.subject().output_node().0, t.subject().output_place(index));
            let published = t.subject().published()[index as usize];
            t.value(node, place.0, place.1).is_ok_and(|own| own == published)
        })
        .unwrap_or(false)
    }
}

/// As the planner finds it.
fn asked(game: &Game, nodes: u32) -> Option<(Subtree, u64)> {
    match game.ask {
        Ask::Root => Some((Subtree::whole(Tree::Nodes, nodes.into()), nodes.into())),
        Ask::Open { at, leaves, .. } => Some((at, leaves)),
        Ask::Chunk { node, chunk, .. } => {
            Some((Subtree { tree: Tree::Chunks { node }, height: 0, index: chunk }, 0))
        }
        Ask::Element { .. } | Ask::Output { .. } => None,
    }
}

fn is_pick(action: &Action) -> bool {
    use Action::{Pick, PickElement, PickNode, PickOutput, PickSegment};
    matches!(action, Pick(_) | PickNode(_) | PickElement { .. } | PickSegment { .. } | PickOutput { .. })
}

/// An answer that the contract takes without asking what a game asks: a fact of its own right.
fn stands_alone(action: &Action) -> bool {
    use Action::{Open, OpenChunk, PostRoot, ProveOutput};
    matches!(action, PostRoot { .. } | Open { .. } | OpenChunk { .. } | ProveOutput { .. })
}

/// How often what happened.
#[derive(Debug, Default)]
struct Count {
    done: usize,
    refused: usize,
    /// Refused in Rust; the contract does nothing, or takes a fact that nobody has asked for now.
    idle: usize,
    /// Of these the facts.
    facts: usize,
    lost: usize,
    rejected: usize,
    void: usize,
    confirmed: usize,
    /// Games whose metered gas reached the cap.
    capped: usize,
    kinds: BTreeMap<&'static str, usize>,
    whys: BTreeMap<String, usize>,
}

struct Play<'a> {
    machine: &'a Machine,
    arena: Arena,
    assertion: B256,
    ids: Vec<B256>,
    rust: Assertion,
    dice: Random,
    count: &'a mut Count,
    /// Which trace the proposer posts.
    posted: usize,
    /// What was done, to be done again.
    done: Vec<Action>,
}

fn config() -> Config {
    const GWEI: u128 = 1_000_000_000;
    Config {
        window: 1_000,
        proposerBudget: 600,
        moveMinimum: 50,
        traceMinimum: 90,
        bondBase: 4_000_000 * GWEI,
        bondPerToken: 1_001,
        bounty: 777_777 * GWEI,
        closerFee: 99_999,
        // A few moves reach it.
        gasRepaid: 350_000 * GWEI,
        gasPriceCap: 100 * GWEI as u64,
        gasTip: GWEI as u64,
    }
}

impl<'a> Play<'a> {
    fn new(machine: &'a Machine, arena: &Arena, seed: u64, count: &'a mut Count) -> Self {
        let mut arena = arena.clone();
        let subject = machine.item.subject();
        let x = *subject.item();
        let item = PostedItem {
            modelId: view::word(x.model_id),
            promptLength: x.prompt_length,
            outputLength: x.output_length,
            temperature: x.sampling.temperature,
            topK: x.sampling.top_k,
            topP: x.sampling.top_p,
            minP: x.sampling.min_p,
            seed: B256::from(x.sampling.seed),
            prompt: subject.published_bytes(true).into(),
            output: subject.published_bytes(false).into(),
        };
        let stake = arena.chain.call(arena.game, &DisputeGame::leastStakeCall {}).unwrap();
        let parent = B256::repeat_byte(7);
        let post = StandInAssertions::postCall { parent, defender: address(DEFENDER), items: vec![item] };
        let receipt = arena.chain.send(address(PROPOSER), arena.assertions, &post, stake).unwrap();
        let assertion = StandInAssertions::postCall::abi_decode_returns(&receipt.output).unwrap();
        let bond = arena.chain.call(arena.game, &DisputeGame::bondOfCall { item: calls::item(&x) }).unwrap();
        let c = config();
        let span = |x: u32| Span(x.into());
        let rules = Rules {
            spans: Spans {
                window: span(c.window),
                budget: span(c.proposerBudget),
                trace: span(c.traceMinimum),
                turn: span(c.moveMinimum),
            },
            terms: Terms {
                stake: Wei(stake.to()),
                bond: Wei(bond.to()),
                fee: Wei(c.closerFee),
                bounty: Wei(c.bounty),
                gas_max: Wei(c.gasRepaid),
            },
        };
        assert!(rules.terms.are_sound());
        let rust = Assertion::new(rules, Time(arena.chain.now()), PROPOSER, Some(DEFENDER), 1);
        let mut dice = Random::new(seed);
        let posted = dice.below(machine.traces.borrow().len());
        Self { machine, arena, assertion, ids: Vec::new(), rust, dice, count, posted, done: Vec::new() }
    }

    fn stored(&mut self, id: B256) -> DisputeGame::Game {
        self.arena.chain.call(self.arena.game, &DisputeGame::gameOfCall { id }).unwrap()
    }

    fn challenge(&mut self, by: Actor) {
        let header = calls::item(self.machine.item.subject().item());
        let bond = U256::from(self.rust.rules.terms.bond.0);
        let (assertion, counter) = (self.assertion, self.ids.len() as u64);
        let call = DisputeGame::challengeCall { assertion, item: 0, counter, header, path: vec![] };
        let sent = self.arena.chain.send(address(by), self.arena.game, &call, bond);
        let now = Time(self.arena.chain.now());
        match sent {
            Ok(receipt) => {
                let id = DisputeGame::challengeCall::abi_decode_returns(&receipt.output).unwrap();
                let cost = self.metered(id);
                self.ids.push(id);
                assert_eq!(self.rust.challenge(Call { now, by, cost }, 0), Ok(self.ids.len() - 1));
            }
            Err(_) => {
                self.rust.challenge(Call { now, by, cost: Wei(0) }, 0).unwrap_err();
            }
        }
        self.compare();
    }

    /// What the contract has credited to the challenger of a game, or to the defender key.
    fn metered(&mut self, id: B256) -> Wei {
        Wei(self.stored(id).cursor.metered.to::<u128>() * 1_000_000_000)
    }

    fn answered(&mut self, id: B256) -> Wei {
        Wei(self.stored(id).cursor.answered.to::<u128>() * 1_000_000_000)
    }

    /// The calldata of an action, by a trace that has the data.
    fn encode(&mut self, id: usize, action: &Action) -> Option<Bytes> {
        let table = Table { assertion: self.assertion, item: 0, game: self.ids[id], credit: self.ids[id] };
        let nodes = self.machine.nodes(0);
        let at = asked(&self.rust.games[id], nodes);
        let mut traces = self.machine.traces.borrow_mut();
        let root = self.rust.facts.root(0);
        let posted = traces.iter().position(|t| Some(t.root()) == root).unwrap_or(self.posted);
        calls::encode(table, action.clone(), at, &mut traces[posted]).ok()
    }

    /// One move on both sides.
    fn play(&mut self, id: usize, by: Actor, action: Action) {
        if matches!(action, Action::PickNode(_))
            && !matches!(
                self.rust.games[id].ask,
                Ask::Root | Ask::Open { at: Subtree { tree: Tree::Nodes, .. }, .. }
            )
        {
            return;
        }
        let Some(data) = self.encode(id, &action) else { return };
        let game = self.arena.game;
        let now = Time(self.arena.chain.now());
        let before = self.ids.clone().into_iter().map(|id| self.stored(id)).collect::<Vec<_>>();
        let (asked_before, answered_before) = (self.metered(self.ids[id]), self.answered(self.ids[id]));
        let mut trial = self.rust.clone();
        let said = trial.play(self.machine, Call { now, by, cost: Wei(0) }, id, action.clone());
        let tried = self.arena.chain.simulate(address(by), game, data.clone(), U256::ZERO);
        let name = calls::name(&action);
        match (said, tried) {
            (Ok(()), Ok(_)) => {
                self.arena.chain.send_raw(address(by), game, data, U256::ZERO).unwrap();
                let this = self.ids[id];
                let cost = if is_pick(&action) {
                    Wei(self.metered(this).0 - asked_before.0)
                } else {
                    Wei(self.answered(this).0 - answered_before.0)
                };
                let call = Call { now, by, cost };
                assert_eq!(self.rust.play(self.machine, call, id, action.clone()), Ok(()));
                self.done.push(action);
                self.count.done += 1;
                *self.count.kinds.entry(name).or_default() += 1;
            }
            (Err(why), Err(LocalError::Reverted { data, .. })) => {
                assert!(data.len() >= 4, "{name}: no reason");
                *self.count.whys.entry(format!("{why:?}")).or_default() += 1;
                self.count.refused += 1;
            }
            (Err(why), Ok(receipt)) => {
                let silent = receipt.logs.is_empty();
                let fact = stands_alone(&action);
                assert!(silent || fact, "{name} by {by:?}: {why:?} in Rust, done by the contract");
                if silent {
                    // A success that changes nothing.
                    self.arena.chain.send_raw(address(by), game, data, U256::ZERO).unwrap();
                    let after = self.ids.clone().into_iter().map(|id| self.stored(id)).collect::<Vec<_>>();
                    assert_eq!(format!("{before:?}"), format!("{after:?}"));
                } else {
                    // A fact can come at any time: for this game it is late, or its question is another.
                    assert!(
                        matches!(why, Refused::Late | Refused::NotOpen | Refused::NotDue | Refused::Names),
                        "{name}: {why:?}"
                    );
                    let receipt = self.arena.chain.send_raw(address(by), game, data, U256::ZERO).unwrap();
                    for log in &receipt.logs {
                        view::learn(&mut self.rust.facts, self.assertion, log, now.0);
                    }
                    self.count.facts += 1;
                }
                self.count.idle += 1;
            }
            (said, tried) => {
                panic!("{name} by {by:?} in {:?}: {said:?} in Rust, {tried:?}", self.rust.games[id].ask)
            }
        }
        self.compare();
    }

    /// Phase, ask, clock, turn, outcome and money are the same.
    fn compare(&mut self) {
        let now = Time(self.arena.chain.now());
        let tally =
            self.arena.chain.call(self.arena.game, &DisputeGame::tallyOfCall { assertion: self.assertion });
        let tally = tally.unwrap();
        assert_eq!(tally.rejected, self.rust.status == Status::Rejected);
        for (i, id) in self.ids.clone().into_iter().enumerate() {
            let stored = self.stored(id);
            let game = &self.rust.games[i];
            let over = stored.cursor.phase == view::phase::OVER;
            let ours = game.outcome.is_some_and(|outcome| outcome != Outcome::Void);
            assert_eq!(over, ours, "game {i}: {:?}", game.outcome);
            if over {
                continue;
            }
            let theirs = view::game(&stored, tally.rejected, |node| self.machine.tensor(0, node)).unwrap();
            assert_eq!((theirs.ask, theirs.clock, theirs.outcome), (game.ask, game.clock, game.outcome));
            if tally.rejected {
                continue;
            }
            assert_eq!(address(game.challenger), stored.challenger);
            let metered = stored.cursor.metered.to::<u128>() * 1_000_000_000;
            assert_eq!(metered, game.asked_gas.0.0);
            let turn = self.arena.chain.call(self.arena.game, &DisputeGame::turnOfCall { id }).unwrap();
            let (due, answer) = (
                game.due(&self.rust.facts, &self.rust.rules.spans),
                game.answer(&self.rust.facts, &self.rust.rules.spans),
            );
            let ours = match due {
                Due::Proposer { deadline } => u8::from(now > deadline),
                Due::Challenger { deadline, .. } => 2 + u8::from(now > deadline),
            };
            assert_eq!((turn.turn, turn.ended), (ours, answer == Some(&Answer::Proven)));
        }
        let open = self.rust.games.iter().filter(|game| game.outcome.is_none()).count();
        if !tally.rejected {
            assert_eq!(tally.open as usize, open);
        }
        for actor in ALL {
            let call = BondVault::balanceOfCall { account: address(actor) };
            let there = self.arena.chain.call(self.arena.vault, &call).unwrap();
            let ours = self.rust.vault.owed.get(&actor).map_or(0, |x| x.0);
            assert_eq!(there.to::<u128>(), ours, "{actor:?} is owed {there} and {ours}");
        }
        let burned = self.arena.chain.call(self.arena.vault, &BondVault::burnedCall {}).unwrap();
        assert_eq!(burned.to::<u128>(), self.rust.vault.burned.0);
        let kept = BondVault::balanceOfCall { account: self.arena.game };
        let kept = self.arena.chain.call(self.arena.vault, &kept).unwrap().to::<u128>();
        // A stake is the assertions' until the game that rejects gets it.
        let pending = self.rust.status == Status::Pending;
        let stake = if pending { self.rust.rules.terms.stake.0 } else { 0 };
        assert_eq!(kept + stake, self.rust.vault.held.0);
    }

    fn confirm(&mut self) {
        let call = StandInAssertions::confirmCall { assertion: self.assertion };
        let there = self.arena.chain.send(address(STRANGER), self.arena.assertions, &call, U256::ZERO);
        let ours = self.rust.confirm(Time(self.arena.chain.now()));
        assert_eq!(there.is_ok(), ours.is_ok(), "{there:?} {ours:?}");
        self.compare();
    }

    /// Time passes: a little, to a deadline, or just past it.
    fn wait(&mut self) {
        let now = self.arena.chain.now();
        let deadlines: Vec<u64> = self
            .rust
            .games
            .iter()
            .filter(|game| game.outcome.is_none())
            .map(|game| match game.due(&self.rust.facts, &self.rust.rules.spans) {
                Due::Proposer { deadline } | Due::Challenger { deadline, .. } => deadline.0,
            })
            .chain([self.rust.posted.after(self.rust.rules.spans.window).0])
            .collect();
        let to = match self.dice.below(40) {
            0 => deadlines[self.dice.below(deadlines.len())],
            1 if self.dice.below(2) == 0 => deadlines[self.dice.below(deadlines.len())] + 1,
            2..12 => now + self.dice.below(9) as u64,
            _ => now,
        };
        self.arena.chain.advance(to.saturating_sub(now));
    }

    /// The posted side's answer, or the challenger's way to an element of some node.
    fn useful(&mut self, id: usize) -> Option<Action> {
        let game = self.rust.games[id].clone();
        let (facts, spans) = (&self.rust.facts, &self.rust.rules.spans);
        if matches!(game.due(facts, spans), Due::Proposer { .. }) {
            let mut traces = self.machine.traces.borrow_mut();
            let trace = &mut traces[self.posted];
            return solver::next(&game, facts, spans, Side::Proposer, trace, game.clock.asked).ok().flatten();
        }
        let mut attempts = self.attempts(id);
        let call = Call { now: Time(self.arena.chain.now()), by: game.challenger, cost: Wei(0) };
        attempts.retain(|action| {
            is_pick(action) && self.rust.clone().play(self.machine, call, id, action.clone()).is_ok()
        });
        (!attempts.is_empty()).then(|| attempts.swap_remove(self.dice.below(attempts.len())))
    }

    /// What somebody may try in a game.
    fn attempts(&mut self, id: usize) -> Vec<Action> {
        let game = self.rust.games[id].clone();
        let (facts, spans) = (&self.rust.facts, &self.rust.rules.spans);
        let mut out = vec![Action::Close, Action::Claim];
        if !self.done.is_empty() {
            out.push(self.done[self.dice.below(self.done.len())].clone());
            out.push(self.done[self.done.len() - 1].clone());
        }
        let mut traces = self.machine.traces.borrow_mut();
        let count = traces.len();
        let another = &mut traces[self.dice.below(count)];
        let (whole, root) = (Subtree::whole(Tree::Nodes, another.nodes().into()), another.root());
        let children = another.children(whole, tree::opening_levels(whole.height)).unwrap();
        out.push(Action::PostRoot { root, children });
        for theirs in [self.posted, self.dice.below(count)] {
            let next =
                solver::next(&game, facts, spans, Side::Proposer, &mut traces[theirs], game.clock.asked);
            out.extend(next.ok().flatten());
        }
        drop(traces);
        if let Some(opened) = game.opened(facts, self.machine.nodes(0)) {
            let posted = if opened.children.is_empty() { &[opened.hash] } else { opened.children };
            let n = posted.len();
            for i in [self.dice.below(n), self.dice.below(n), n - 1] {
                let siblings = proof::path(posted.to_vec(), i as u64).unwrap();
                let child = Child { hash: opened.hash, child: i as u64, child_hash: posted[i], siblings };
                out.extend([Action::Pick(child.clone()), Action::PickNode(child.clone())]);
                let mut wrong = child;
                match self.dice.below(5) {
                    0 => wrong.child += n as u64,
                    1 => wrong.child_hash = opened.hash,
                    2 => wrong.hash = posted[i],
                    3 => wrong.siblings.push(opened.hash),
                    _ => drop(wrong.siblings.pop()),
                }
                if self.dice.below(4) == 0 {
                    out.extend([Action::Pick(wrong.clone()), Action::PickNode(wrong)]);
                }
            }
        }
        match (game.ask, game.answer(facts, spans)) {
            (Ask::Root, Some(Answer::Root(root))) if self.dice.below(2) == 0 => {
                let index = self.dice.below(self.machine.outputs(0) as usize + 2) as u32;
                out.push(Action::PickOutput { root: *root, index });
            }
            (Ask::Chunk { hash, .. }, Some(Answer::Bytes(bytes))) => {
                for _ in 0..3 {
                    let slot = self.dice.below(bytes.len() + 2) as u32;
                    out.push(Action::PickElement { hash, slot, bytes: bytes.clone() });
                }
                out.push(Action::PickElement { hash, slot: 0, bytes: bytes.clone() });
                let mut other = bytes.clone();
                other[0] ^= 1;
                out.push(Action::PickElement { hash, slot: 0, bytes: other });
            }
            (Ask::Chunk { hash, .. }, _) => {
                out.push(Action::OpenChunk { hash, bytes: vec![0; self.dice.below(600)] });
            }
            (Ask::Element { place, .. }, answer) => {
                out.push(Action::Prove { place });
                let root = self.rust.facts.root(0).unwrap();
                if let Some(list) = self.machine.with(root, |t| t.list(place).ok().flatten()).flatten() {
                    let mut entries = list.entries.clone();
                    out.push(Action::PostList { place, entries: list.entries });
                    let i = self.dice.below(entries.len());
                    entries[i] += 1;
                    entries[0] -= self.dice.below(2) as i64;
                    out.push(Action::PostList { place, entries: entries.clone() });
                    entries.push(0);
                    out.push(Action::PostList { place, entries });
                }
                if let Some(Answer::List(list)) = answer {
                    let (digest, entries) = (list_digest(&list.entries), list.entries.clone());
                    let segment = self.dice.below(entries.len() + 1) as u32;
                    out.push(Action::PickSegment { digest, entries: entries.clone(), segment });
                    out.push(Action::PickSegment { digest: hash_of(segment), entries, segment });
                }
            }
            (Ask::Output { index }, _) => out.push(Action::ProveOutput { index }),
            _ => {}
        }
        out
    }

    fn run(&mut self, moves: usize) {
        self.challenge(A);
        for _ in 0..moves {
            if self.rust.status != Status::Pending {
                break;
            }
            self.wait();
            if self.dice.below(25) == 0 && self.ids.len() < 4 {
                let by = [A, B, PROPOSER][self.dice.below(3)];
                self.challenge(by);
            }
            if self.dice.below(20) == 0 {
                self.confirm();
            }
            let id = self.dice.below(self.ids.len());
            let useful = if self.dice.below(2) == 0 { self.useful(id) } else { None };
            let attempts = self.attempts(id);
            let action = useful.unwrap_or_else(|| attempts[self.dice.below(attempts.len())].clone());
            let by = match self.dice.below(6) {
                0 => ALL[self.dice.below(5)],
                _ if is_pick(&action) => self.rust.games[id].challenger,
                _ => [PROPOSER, DEFENDER, DEFENDER, STRANGER][self.dice.below(4)],
            };
            self.play(id, by, action);
        }
        // It ends: whoever is late is late.
        for _ in 0..8 {
            self.arena.chain.advance(2_000);
            for id in 0..self.ids.len() {
                self.play(id, STRANGER, Action::Close);
            }
            self.confirm();
        }
        for id in (0..self.ids.len()).chain([0]) {
            self.play(id, STRANGER, Action::Claim);
        }
        assert_ne!(self.rust.status, Status::Pending);
        let outcomes = |what| self.rust.games.iter().filter(|game| game.outcome == Some(what)).count();
        self.count.lost += outcomes(Outcome::ChallengerLost);
        self.count.rejected += outcomes(Outcome::Rejected);
        self.count.void += outcomes(Outcome::Claimed);
        let cap = self.rust.rules.terms.gas_max;
        self.count.capped += self.rust.games.iter().filter(|game| game.asked_gas.0 == cap).count();
        self.count.confirmed += usize::from(self.rust.status == Status::Confirmed);
    }
}

fn hash_of(x: u32) -> Hash {
    bisection::keccak256(&x.to_be_bytes())
}

/// A model with lists, an honest trace of it and three that are not.
fn machine() -> Machine {
    let shape = Shape { layers: 1, vocabulary: 1_300, ..Shape::default() };
    let model = items::model(Architecture::Llama, shape, 16);
    let prompt = tiny::tokens(5, 3, shape.vocabulary);
    let output = items::published(&model, &prompt, SAMPLED, 2);
    let item = Item { model, prompt, sampling: SAMPLED, output };
    let held = || Held::new(item.subject(), &mut Native::new(&item.model, 2, None).unwrap()).unwrap();
    let subject = item.subject();
    let last = |stem: &str| {
        item.model.program().nodes.iter().rposition(|node| node.op.stem() == stem).unwrap() as u32
    };
    let lie = |stem: &str| {
        let node = last(stem);
        let tensor = subject.tensors()[node as usize];
        let (position, element) = (tensor.first, tensor.row(tensor.first) / 3);
        let value = Trace::new(held()).value(node, position, element).unwrap() ^ 1;
        Trace::new(Any::Wrong(Corrupted::element(held(), Lie { node, position, element, value }).unwrap()))
    };
    let garbage = Corrupted::garbage(held(), last("linear"), 1, 0).unwrap();
    let traces =
        vec![Trace::new(Any::Honest(held())), lie("pick"), lie("hist"), Trace::new(Any::Wrong(garbage))];
    Machine { traces: RefCell::new(traces), item }
}

#[test]
fn random_games_go_as_the_rules_say() {
    let machine = machine();
    let mut arena = Arena::with(config()).unwrap();
    for actor in ALL {
        arena.chain.fund(address(actor), U256::from(10).pow(U256::from(24)));
    }
    // Announces the model.
    arena.post(&machine.item.subject()).unwrap();
    let mut count = Count::default();
    let began = std::time::Instant::now();
    for seed in 0..600 {
        Play::new(&machine, &arena, seed, &mut count).run(160);
    }
    println!("{count:?} in {:?}", began.elapsed());
    for name in [
        "postRoot",
        "open",
        "openChunk",
        "prove",
        "postList",
        "proveOutput",
        "pick",
        "pickNode",
        "pickElement",
        "pickSegment",
        "pickOutput",
        "timeout",
    ] {
        assert!(count.kinds.get(name).is_some_and(|n| *n >= 10), "{name}");
    }
    for ends in [count.lost, count.rejected, count.void, count.confirmed, count.capped] {
        assert!(ends >= 10, "{count:?}");
    }
}
