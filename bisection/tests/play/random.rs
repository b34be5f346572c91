//! Random play with larger trees: several games on one assertion of two items, with shared facts, freeloaders,
//! front-runners, puppets that challenge their own proposer, strangers, and answers that come late.

use bisection::game::clock::{Due, Span, Time};
use bisection::game::facts::{Answer, Question};
use bisection::game::money::{Actor, Terms, Wei};
use bisection::game::{Action, Assertion, Call, Judge, Outcome, Rules, Status};
use bisection::solver::{self, Side};
use proptest::prelude::*;
use std::collections::BTreeMap;

use crate::sequence::{A, B, COST, DEFENDER, PROPOSER, RULES, STRANGER};
use crate::strategies;
use crate::toy::{Program, Referee, Toy, lies};

/// A second honest challenger of the same item.
const C: Actor = Actor(12);

/// A sound stake, and no more: all but one game share what is left.
const TIGHT: Terms =
    Terms { stake: Wei(2_500), bond: Wei(200), fee: Wei(50), bounty: Wei(1_000), gas_max: Wei(100) };

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len() as u64) as usize]
    }
}

struct World {
    assertion: Assertion,
    referee: Referee,
    /// Is the proposer the honest side? Otherwise A and C are, about item 0.
    honest_proposer: bool,
    /// The honest traces of the items, and those that were posted.
    honest: Vec<Toy>,
    /// What the others say the traces are: among them those that were posted.
    rumours: Vec<Vec<Toy>>,
    now: Time,
    dice: Dice,
    spent: BTreeMap<Actor, Wei>,
    /// The first answer to each question.
    first: BTreeMap<Question, Answer>,
}

impl World {
    fn new(rules: Rules, honest: Vec<Toy>, posted: Vec<Toy>, honest_proposer: bool, seed: u64) -> Self {
        let mut referee = Referee::default();
        let with_lies =
            |honest: &Toy| [honest.clone(), lies::elements(honest).swap_remove(9).1, lies::samples(honest)];
        let mut rumours: Vec<Vec<Toy>> = posted.iter().map(|toy| vec![toy.clone()]).collect();
        if honest_proposer {
            rumours = posted.iter().map(|toy| with_lies(toy).to_vec()).collect();
        }
        for (item, all) in (0..).zip(&rumours) {
            all.iter().for_each(|toy| referee.learn(item, toy));
        }
        let now = Time(1_000);
        Self {
            assertion: Assertion::new(rules, now, PROPOSER, Some(DEFENDER), honest.len() as u32),
            referee,
            honest_proposer,
            honest,
            rumours,
            now,
            dice: Dice(seed),
            spent: BTreeMap::new(),
            first: BTreeMap::new(),
        }
    }

    fn call(&mut self, by: Actor) -> Call {
        Call { now: self.now, by, cost: COST }
    }

    fn challenge(&mut self, by: Actor, item: u32) {
        let call = self.call(by);
        if self.assertion.challenge(call, item).is_ok() {
            self.spend(by);
        }
    }

    fn spend(&mut self, by: Actor) {
        let spent = self.spent.entry(by).or_default();
        *spent = spent.plus(COST);
    }

    fn play(&mut self, by: Actor, game: usize, action: Action) -> bool {
        let call = self.call(by);
        let done = self.assertion.play(&self.referee, call, game, action).is_ok();
        if done {
            self.spend(by);
        }
        let deposits = self.assertion.rules.terms.bond.0 * self.assertion.games.len() as u128;
        assert_eq!(self.assertion.vault.total().0, self.assertion.rules.terms.stake.0 + deposits, "money");
        self.first_answers_stay();
        done
    }

    /// One question has one answer.
    fn first_answers_stay(&mut self) {
        for game in &self.assertion.games {
            let question = game.ask.question(game.item);
            if let Some(fact) = self.assertion.facts.get(&question) {
                let first = self.first.entry(question).or_insert_with(|| fact.answer.clone());
                assert_eq!(*first, fact.answer);
            }
        }
    }

    /// Is this game's turn an honest side's? Then its account and deadline.
    fn honest_turn(&mut self, id: usize) -> Option<(Actor, Side, Time)> {
        let game = &self.assertion.games[id];
        if game.outcome.is_some() {
            return None;
        }
        match game.due(&self.assertion.facts, &self.assertion.rules.spans) {
            Due::Proposer { deadline } if self.honest_proposer => {
                let by = if self.dice.roll(2) == 0 { PROPOSER } else { DEFENDER };
                Some((by, Side::Proposer, deadline))
            }
            Due::Challenger { deadline, .. } if [A, C].contains(&game.challenger) => {
                Some((game.challenger, Side::Challenger, deadline))
            }
            _ => None,
        }
    }

    /// The honest sides' moves: some now, those whose deadline has come for certain.
    fn honest_moves(&mut self) {
        for id in 0..self.assertion.games.len() {
            let Some((by, side, deadline)) = self.honest_turn(id) else { continue };
            if self.now < deadline && self.dice.roll(3) > 0 {
                continue;
            }
            if let Some(action) = self.solve(id, side) {
                // A front-runner says the same first.
                if self.dice.roll(8) == 0 {
                    self.play(STRANGER, id, action.clone());
                }
                assert!(self.play(by, id, action.clone()) || self.closed(id), "a solver's move {action:?}");
            }
        }
    }

    fn closed(&self, id: usize) -> bool {
        self.assertion.games[id].outcome.is_some()
    }

    fn solve(&self, id: usize, side: Side) -> Option<Action> {
        let game = &self.assertion.games[id];
        let mut trace = self.honest[game.item as usize].clone();
        let (facts, spans) = (&self.assertion.facts, &self.assertion.rules.spans);
        solver::next(game, facts, spans, side, &mut trace, self.now).unwrap()
    }

    /// Something that the others could do.
    fn mischief(&mut self) {
        if self.assertion.games.len() < 5 && self.dice.roll(6) == 0 {
            let item = self.dice.roll(self.honest.len() as u64) as u32;
            return self.challenge(B, item);
        }
        if self.assertion.games.is_empty() {
            return;
        }
        let id = self.dice.roll(self.assertion.games.len() as u64) as usize;
        let game = &self.assertion.games[id];
        let facts = &self.assertion.facts;
        let item = game.item;
        let theirs = self.dice.pick(&self.rumours[item as usize]);
        let actions = match game.due(facts, &self.assertion.rules.spans) {
            _ if self.dice.roll(8) == 0 => vec![Action::Close],
            Due::Proposer { .. } => strategies::answers(game, facts, theirs),
            Due::Challenger { .. } => strategies::questions(game, facts, self.referee.nodes(item)),
        };
        if actions.is_empty() {
            return;
        }
        let action = self.dice.pick(&actions).clone();
        let mut who = if strategies::is_pick(&action) { vec![B, B, STRANGER] } else { vec![B, STRANGER] };
        if !self.honest_proposer {
            who.extend([PROPOSER, PROPOSER, DEFENDER]);
        }
        let by = *self.dice.pick(&who);
        self.play(by, id, action);
    }

    /// Time passes, but not past an honest side's deadline before it has moved.
    fn wait(&mut self) {
        let mut to = self.now.after(Span(self.dice.roll(12)));
        for id in 0..self.assertion.games.len() {
            if let Some((_, _, deadline)) = self.honest_turn(id) {
                to = to.min(deadline.max(self.now));
            }
        }
        self.now = to;
    }

    fn run(&mut self) {
        for step in 0..4_000 {
            if self.assertion.status != Status::Pending {
                return self.claim();
            }
            if !self.honest_proposer {
                // The second comes late and finds everything answered.
                for (by, at) in [(A, 1_000), (C, 1_060)] {
                    if self.now >= Time(at) && !self.assertion.games.iter().any(|g| g.challenger == by) {
                        self.challenge(by, 0);
                    }
                }
            }
            self.honest_moves();
            if step < 400 {
                (0..self.dice.roll(8)).for_each(|_| self.mischief());
            }
            self.wait();
            // Whoever passes by closes what is late.
            for id in 0..self.assertion.games.len() {
                if self.dice.roll(3) == 0 {
                    self.play(STRANGER, id, Action::Close);
                }
            }
            let _ = self.assertion.confirm(self.now);
        }
        panic!("the assertion does not settle");
    }

    /// Games that another has cut short are paid: once, and to nobody but their challengers.
    fn claim(&mut self) {
        for id in 0..self.assertion.games.len() {
            let void = self.assertion.games[id].outcome == Some(Outcome::Void);
            assert_eq!(self.solve(id, Side::Challenger), void.then_some(Action::Claim));
            for _ in 0..2 {
                assert!(self.play(STRANGER, id, Action::Claim));
            }
            assert_eq!(self.solve(id, Side::Challenger), None);
        }
        let left = self.assertion.vault.held.0;
        assert!(left < 5, "what rounding leaves: {left}");
    }

    fn owed(&self, actor: Actor) -> u128 {
        self.assertion.vault.owed.get(&actor).map_or(0, |w| w.0)
    }

    fn spent(&self, actor: Actor) -> u128 {
        self.spent.get(&actor).map_or(0, |w| w.0)
    }

    fn outcomes(&self, by: Actor) -> Vec<Outcome> {
        let games = self.assertion.games.iter().filter(|game| game.challenger == by);
        games.map(|game| game.outcome.expect("closed")).collect()
    }
}

fn items(small: bool) -> (Toy, Toy) {
    let program = if small { Program::small(3, 2) } else { Program::large(70, 2) };
    let tokens = Toy::generate(&program, &[1, 5], 3);
    let mut wrong = tokens.clone();
    wrong[3] = (wrong[3] + 2) % 7;
    (Toy::run(&program, &tokens), Toy::run(&program, &wrong))
}

fn rules(tight: bool) -> Rules {
    Rules { terms: if tight { TIGHT } else { RULES.terms }, ..RULES }
}

/// An honest proposer against everybody.
fn honest_proposer(small: bool, tight: bool, seed: u64) {
    let (good, _) = items(small);
    let traces = vec![good.clone(), good];
    let mut world = World::new(rules(tight), traces.clone(), traces, true, seed);
    world.run();
    assert_eq!(world.assertion.status, Status::Confirmed);
    assert!(world.outcomes(B).iter().all(|o| *o == Outcome::ChallengerLost));
    let stake = world.assertion.rules.terms.stake.0;
    let (owed, spent) =
        (world.owed(PROPOSER) + world.owed(DEFENDER), world.spent(PROPOSER) + world.spent(DEFENDER));
    assert!(owed >= stake + spent, "the proposer is worse off: {owed} of {stake} and {spent}");
}

/// Two honest challengers against a proposer with puppets.
fn honest_challengers(small: bool, tight: bool, lie: Option<&dyn Fn(&Toy) -> Toy>, seed: u64) {
    let (good, wrong) = items(small);
    let posted = lie.map_or_else(|| wrong.clone(), |lie| lie(&wrong));
    let mut world = World::new(rules(tight), vec![wrong, good.clone()], vec![posted, good], false, seed);
    world.run();
    assert_eq!(world.assertion.status, Status::Rejected);
    let terms = world.assertion.rules.terms;
    assert!(terms.are_sound());
    let others: u128 = world
        .assertion
        .games
        .iter()
        .filter(|g| matches!(g.outcome, Some(Outcome::Void | Outcome::Claimed)))
        .map(|g| g.asked_gas.0.0)
        .sum();
    for honest in [A, C] {
        for outcome in world.outcomes(honest) {
            assert_ne!(outcome, Outcome::ChallengerLost);
            let won = outcome == Outcome::Rejected;
            // Its bond in any case; its gas if it rejects, or if what all others spent is covered.
            let gas = if won || others <= terms.gas_max.0 { world.spent(honest) } else { 0 };
            let bounty = if won { terms.bounty.0 } else { 0 };
            assert!(world.owed(honest) >= terms.bond.0 + gas + bounty, "{honest:?} {outcome:?}");
        }
    }
    assert!(!world.outcomes(A).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn an_honest_proposer_is_confirmed_and_no_worse_off(seed: u64, tight: bool) {
        honest_proposer(true, tight, seed);
    }

    #[test]
    fn honest_challengers_reject_whatever_was_posted(seed: u64, tight: bool, kind in 0u8..4, lie: prop::sample::Index) {
        let lied = |honest: &Toy| match kind {
            0 => lies::samples(honest),
            1 => lie.get(&lies::elements(honest)).1.clone(),
            2 => lie.get(&lies::hashes(honest)).1.clone(),
            _ => lie.get(&lies::hashes(&lies::samples(honest))).1.clone(),
        };
        honest_challengers(true, tight, Some(&lied), seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn deep_trees_honest_proposer(seed: u64) {
        honest_proposer(false, true, seed);
    }

    #[test]
    fn deep_trees_honest_challengers(seed: u64, garbage: bool, lie: prop::sample::Index) {
        let lied = |honest: &Toy| {
            let all = if garbage { lies::hashes(honest) } else { lies::elements(honest) };
            lie.get(&all).1.clone()
        };
        honest_challengers(false, true, Some(&lied), seed);
    }
}

#[test]
fn random_play_gets_everywhere() {
    let (good, _) = items(true);
    let traces = vec![good.clone(), good];
    let mut seen = [false; 6];
    for seed in 0..200 {
        let mut world = World::new(RULES, traces.clone(), traces.clone(), true, seed);
        world.run();
        for (question, answer) in &world.first {
            let proven = *answer == Answer::Proven;
            match question {
                Question::Root { .. } => seen[0] = true,
                Question::Open { .. } => seen[1] = true,
                Question::Chunk { .. } => seen[2] = true,
                Question::Element { place, .. } if place.is_whole() => seen[3] |= proven,
                Question::Element { .. } => seen[4] |= proven,
                Question::Output { .. } => seen[5] = true,
            }
        }
    }
    assert_eq!(seen, [true; 6]);
}

#[test]
fn an_honest_trace_under_a_wrong_output_is_rejected() {
    (0..32).for_each(|seed| honest_challengers(true, seed % 2 == 0, None, seed));
}
