//! A game written down as a line of moves. Time passes by a second before each, unless said otherwise.

use bisection::game::clock::{Span, Spans, Time};
use bisection::game::money::{Actor, Terms, Wei};
use bisection::game::{Action, Assertion, Call, Outcome, Refused, Rules, Status};
use bisection::solver::{self, Side};
use bisection::trace::{Subtree, TraceProvider, Tree};
use bisection::tree;

use crate::toy::{Referee, Toy};

pub(crate) const PROPOSER: Actor = Actor(1);
pub(crate) const DEFENDER: Actor = Actor(2);
pub(crate) const A: Actor = Actor(10);
pub(crate) const B: Actor = Actor(11);
pub(crate) const STRANGER: Actor = Actor(99);

/// W 100, T 60, M_trace 30, M_move 10. A move costs 7.
pub(crate) const RULES: Rules = Rules {
    spans: Spans { window: Span(100), budget: Span(60), trace: Span(30), turn: Span(10) },
    terms: Terms {
        stake: Wei(20_000),
        bond: Wei(4_000),
        fee: Wei(50),
        bounty: Wei(1_000),
        gas_max: Wei(100),
    },
};
pub(crate) const COST: Wei = Wei(7);

/// An assertion of one item, its posted trace, and the honest one over the same published tokens.
pub(crate) struct Sequence {
    pub(crate) assertion: Assertion,
    pub(crate) referee: Referee,
    pub(crate) posted: Toy,
    pub(crate) honest: Toy,
    pub(crate) now: Time,
    pub(crate) game: usize,
    /// What the last move said.
    pub(crate) said: Result<(), Refused>,
}

impl Sequence {
    pub(crate) fn new(posted: &Toy, honest: &Toy) -> Self {
        Self {
            assertion: Assertion::new(RULES, Time(1_000), PROPOSER, Some(DEFENDER), 1),
            referee: Referee::about(posted),
            posted: posted.clone(),
            honest: honest.clone(),
            now: Time(1_000),
            game: 0,
            said: Ok(()),
        }
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.now = self.now.after(Span(seconds));
        self
    }

    /// Opens a game, and goes on in it.
    pub(crate) fn challenge(mut self, by: Actor) -> Self {
        self = self.after(1);
        let call = Call { now: self.now, by, cost: COST };
        match self.assertion.challenge(call, 0) {
            Ok(game) => self.game = game,
            Err(refused) => self.said = Err(refused),
        }
        self
    }

    /// Goes on in another game.
    pub(crate) fn game(mut self, game: usize) -> Self {
        self.game = game;
        self
    }

    /// Any move by anybody.
    pub(crate) fn play(mut self, by: Actor, action: Action) -> Self {
        self = self.after(1);
        let call = Call { now: self.now, by, cost: COST };
        self.said = self.assertion.play(&self.referee, call, self.game, action);
        self
    }

    /// What the solver would answer from the posted trace.
    pub(crate) fn answer(self, by: Actor) -> Self {
        let action = self.solve(Side::Proposer).expect("an answer");
        self.play(by, action)
    }

    /// The same, late or not: the root of the posted trace.
    pub(crate) fn post_root(self, by: Actor) -> Self {
        let mut posted = self.posted.clone();
        let whole = Subtree::whole(Tree::Nodes, posted.nodes().into());
        let levels = tree::opening_levels(whole.height);
        let (Ok(root), Ok(children)) = (posted.hash(whole), posted.children(whole, levels));
        self.play(by, Action::PostRoot { root, children })
    }

    /// The solver's move for the challenger, from the honest trace.
    pub(crate) fn ask(self) -> Self {
        let action = self.solve(Side::Challenger).expect("a question");
        let by = self.assertion.games[self.game].challenger;
        self.play(by, action)
    }

    /// Solver against solver, until one has no move.
    pub(crate) fn solved(mut self) -> Self {
        for _ in 0..40 {
            if self.solve(Side::Proposer).is_some() {
                self = self.answer(PROPOSER);
            } else if self.solve(Side::Challenger).is_some() {
                self = self.ask();
            } else {
                return self;
            }
            self.said.as_ref().expect("a solver's move is legal");
        }
        panic!("no end")
    }

    pub(crate) fn solve(&self, side: Side) -> Option<Action> {
        let mut trace = if side == Side::Challenger { self.honest.clone() } else { self.posted.clone() };
        let game = &self.assertion.games[self.game];
        let Ok(action) = solver::next(
            game,
            &self.assertion.facts,
            &RULES.spans,
            side,
            &mut trace,
            self.now.after(Span(1)),
        );
        action
    }

    /// The last move was refused so.
    pub(crate) fn refused(self, why: Refused) -> Self {
        assert_eq!(self.said, Err(why));
        self
    }

    /// The last move was legal.
    pub(crate) fn legal(self) -> Self {
        assert_eq!(self.said, Ok(()));
        self
    }

    pub(crate) fn close(self, by: Actor) -> Self {
        self.play(by, Action::Close)
    }

    pub(crate) fn expect(self, outcome: Option<Outcome>, status: Status) -> Self {
        assert_eq!((self.assertion.games[self.game].outcome, self.assertion.status), (outcome, status));
        self
    }
}
