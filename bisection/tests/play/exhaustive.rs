//! Tiny trees, every strategy of the dishonest side, the honest one played by the solver.
//!
//! What is checked of every line of play: the right side wins; the honest player gets back its gas and is no worse off;
//! in every state either a move is in time or the game can be closed, never both; money is neither made nor lost;
//! the game ends by its bound.

use bisection::game::clock::{Due, Span, Time};
use bisection::game::money::{Actor, Wei};
use bisection::game::{Action, Assertion, Call, Judge, Outcome, Refused, Status};
use bisection::solver::{self, Side};
use bisection::trace::{TraceProvider, Tree};

use crate::rules::traces;
use crate::sequence::{A, COST, PROPOSER, RULES, STRANGER};
use crate::strategies;
use crate::toy::{Program, Referee, Toy, lies};

/// When a side moves in its turn.
#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce,
    AtTheDeadline,
}

/// Who is honest.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Honest {
    Challenger,
    Proposer,
}

/// One line of play after the other, depth first.
struct Search<'a> {
    referee: Referee,
    honest: Honest,
    /// The honest side's trace.
    mine: Toy,
    /// The dishonest side's.
    theirs: Toy,
    pace: Pace,
    name: &'a str,
    games: usize,
}

/// A state: the assertion, the time, asks so far, what the honest side has spent.
#[derive(Clone)]
struct State {
    assertion: Assertion,
    now: Time,
    asks: u64,
    spent: Wei,
}

impl Search<'_> {
    fn run(mut self) -> usize {
        let posted = Time(1_000);
        let mut assertion = Assertion::new(RULES, posted, PROPOSER, None, 1);
        let now = match self.pace {
            Pace::AtOnce => posted,
            Pace::AtTheDeadline => Time(1_099),
        };
        assertion.challenge(Call { now, by: A, cost: COST }, 0).unwrap();
        let spent = if self.honest == Honest::Challenger { COST } else { Wei(0) };
        self.explore(State { assertion, now, asks: 0, spent });
        self.games
    }

    fn explore(&mut self, state: State) {
        let game = &state.assertion.games[0];
        if game.outcome.is_some() {
            return self.over(&state);
        }
        let due = game.due(&state.assertion.facts, &RULES.spans);
        let (whose, deadline) = match due {
            Due::Proposer { deadline } => (Honest::Proposer, deadline),
            Due::Challenger { deadline, .. } => (Honest::Challenger, deadline),
        };
        self.one_thing_is_possible(&state, deadline);
        let now = match self.pace {
            Pace::AtOnce => state.now,
            Pace::AtTheDeadline => deadline,
        };
        if whose == self.honest {
            match self.solve(&state, now) {
                Some(action) => {
                    let mut next = self.play(&state, now, action).expect("a solver's move is legal");
                    next.spent = state.spent.plus(COST);
                    self.explore(next);
                }
                None => panic!("{}: the honest side has no move: {:?}", self.name, game.ask),
            }
            return;
        }
        // Idle: the honest side closes, and no move works any more.
        let late = deadline.after(Span(1));
        let actions = self.strategies(&state);
        for action in &actions {
            assert!(self.play(&state, late, action.clone()).is_err(), "{}: late {action:?}", self.name);
        }
        let close = self.solve(&state, late).expect("closing");
        let mut closed = self.play(&state, late, close).expect("closing");
        closed.spent = state.spent.plus(COST);
        self.explore(closed);
        for action in actions {
            // Many of them are impossible, as they should be.
            if let Ok(next) = self.play(&state, now, action) {
                self.explore(next);
            }
        }
    }

    /// At any time closing works or a move is in time, and a stranger can close as well as anybody.
    fn one_thing_is_possible(&self, state: &State, deadline: Time) {
        let close = |now| self.play_as(state, now, STRANGER, Action::Close).map(|_| ());
        assert_eq!(close(deadline), Err(Refused::NotOver), "{}", self.name);
        assert_eq!(close(deadline.after(Span(1))), Ok(()), "{}", self.name);
    }

    fn solve(&self, state: &State, now: Time) -> Option<Action> {
        let side = if self.honest == Honest::Challenger { Side::Challenger } else { Side::Proposer };
        let game = &state.assertion.games[0];
        let facts = &state.assertion.facts;
        solver::next(game, facts, &RULES.spans, side, &mut self.mine.clone(), now).unwrap()
    }

    fn play(&self, state: &State, now: Time, action: Action) -> Result<State, Refused> {
        let picks = strategies::is_pick(&action);
        let honest = if self.honest == Honest::Challenger { A } else { PROPOSER };
        let by = match (picks, &action) {
            (true, _) => A,
            (false, Action::Close) => honest,
            (false, _) => PROPOSER,
        };
        let mut next = self.play_as(state, now, by, action)?;
        next.asks += u64::from(picks);
        Ok(next)
    }

    fn play_as(&self, state: &State, now: Time, by: Actor, action: Action) -> Result<State, Refused> {
        let mut next = State { now, ..state.clone() };
        let call = Call { now, by, cost: COST };
        let said = next.assertion.play(&self.referee, call, 0, action);
        if said.is_err() {
            assert_eq!(next.assertion, state.assertion, "a refused move changes nothing");
        }
        said.map(|()| next)
    }

    /// Everything that the dishonest side could do now.
    fn strategies(&self, state: &State) -> Vec<Action> {
        let (game, facts) = (&state.assertion.games[0], &state.assertion.facts);
        match self.honest {
            Honest::Challenger => strategies::answers(game, facts, &self.theirs),
            Honest::Proposer => strategies::questions(game, facts, self.referee.nodes(0)),
        }
    }

    fn over(&mut self, state: &State) {
        self.games += 1;
        let assertion = &state.assertion;
        let outcome = assertion.games[0].outcome;
        let owed = |actor| assertion.vault.owed.get(&actor).copied().unwrap_or_default();
        match self.honest {
            Honest::Challenger => {
                assert_eq!(outcome, Some(Outcome::Rejected), "{}", self.name);
                assert_eq!(assertion.status, Status::Rejected);
                assert!(owed(A) >= RULES.terms.bond.plus(state.spent), "{}: {:?}", self.name, owed(A));
            }
            Honest::Proposer => {
                assert_eq!(outcome, Some(Outcome::ChallengerLost), "{}", self.name);
                assert!(owed(PROPOSER) >= state.spent, "{}", self.name);
                let mut confirmed = assertion.clone();
                let end = state.now.max(Time(1_100));
                assert_eq!(confirmed.confirm(end), Ok(()), "nothing stands in the way");
            }
        }
        assert_eq!(assertion.vault.total(), RULES.terms.stake.plus(RULES.terms.bond), "money");
        let s = RULES.spans;
        let bound = s.window.0 + s.budget.0 + 2 * s.trace.0 + state.asks * 2 * s.turn.0 + 1;
        assert!(state.now.since(assertion.posted) <= Span(bound), "{}: {:?}", self.name, state.now);
    }
}

fn search(honest: Honest, mine: &Toy, theirs: &Toy, name: &str) -> usize {
    let posted = if honest == Honest::Challenger { theirs } else { mine };
    let games = [Pace::AtOnce, Pace::AtTheDeadline].map(|pace| {
        let (referee, mine, theirs) = (Referee::about(posted), mine.clone(), theirs.clone());
        Search { referee, honest, mine, theirs, pace, name, games: 0 }.run()
    });
    games.iter().sum()
}

#[test]
fn no_challenger_wins_against_an_honest_proposer() {
    for width in [1, 2, 5] {
        let (good, _) = traces(width);
        let games = search(Honest::Proposer, &good, &good, "an honest trace");
        assert!(games > 100, "{games} lines of play");
    }
}

#[test]
fn no_proposer_wins_with_a_wrong_output_whatever_it_commits() {
    for width in [1, 2] {
        let (good, wrong) = traces(width);
        let mut all = vec![("honest under a wrong output".to_owned(), wrong.clone())];
        all.push(("the published written into the samples".to_owned(), lies::samples(&wrong)));
        all.extend(lies::elements(&wrong));
        all.extend(lies::hashes(&wrong));
        all.extend(lies::lengths(&wrong));
        // Lies beside lies: bait before and after the false sample.
        let forced = lies::samples(&wrong);
        all.extend(lies::elements(&forced));
        all.extend(lies::hashes(&forced));
        all.extend(lies::lengths(&forced));
        // The trace of the right tokens under the wrong ones.
        all.push(("the trace of other tokens".to_owned(), Toy { tokens: wrong.tokens.clone(), ..good }));
        let games: usize =
            all.iter().map(|(name, theirs)| search(Honest::Challenger, &wrong, theirs, name)).sum();
        assert!(games > 1_000, "{games} lines of play");
    }
}

#[test]
fn a_token_outside_of_the_vocabulary_has_no_defence() {
    let program = Program::small(2, 2);
    let mut tokens = Toy::generate(&program, &[1, 5], 2);
    tokens[2] = 7;
    let wrong = Toy::run(&program, &tokens);
    for (name, theirs) in lies::elements(&wrong)
        .into_iter()
        .chain([("zeros".to_owned(), wrong.clone()), ("samples".to_owned(), lies::samples(&wrong))])
    {
        search(Honest::Challenger, &wrong, &theirs, &name);
    }
}

#[test]
fn the_solver_asks_nothing_where_traces_agree() {
    let (good, _) = traces(2);
    let state = crate::sequence::Sequence::new(&good, &good).challenge(A).answer(PROPOSER);
    assert_eq!(state.solve(Side::Challenger), None);
    assert_eq!(good.clone().hash(bisection::trace::Subtree::whole(Tree::Nodes, 6)), Ok(good.clone().root()));
}
