//! Clocks (protocol, 5.2): two budgets a game, a guaranteed minimum a turn, replayed from facts alone.

/// A block's timestamp, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// Seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// Later by a span.
    pub fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// What has passed since an earlier time; nothing if it is later.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// What is left of a budget after spending from it.
    pub fn less(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }
}

/// The lengths of time that a game is played by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// W: how long an assertion may be challenged; a challenger's budget is what is left of it.
    pub window: Span,
    /// T: the proposer's budget in each game.
    pub budget: Span,
    /// M_trace: guaranteed for posting the root and for the first move after it.
    pub trace: Span,
    /// M_move: guaranteed for every other turn.
    pub turn: Span,
}

/// The clock of one game: when its ask was made, and what the sides have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Start of the proposer's turn.
    pub asked: Time,
    /// The proposer's budget.
    pub proposer_left: Span,
    /// The challenger's budget.
    pub challenger_left: Span,
}

/// Whose turn it is, replayed from the time of the ask's fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The proposer's, to the deadline and after.
    Proposer {
        /// The last moment of the turn.
        deadline: Time,
    },
    /// The challenger's, to the deadline and after.
    Challenger {
        /// The last moment of the turn.
        deadline: Time,
        /// The clock if it moves now: what the proposer has used is taken off.
        answered: Time,
    },
}

impl Clock {
    /// Replays the clock. `fact` is the time of the ask's fact, `minimum` what the turn is guaranteed.
    pub fn due(&self, fact: Option<Time>, minimum: Span) -> Due {
        let deadline = self.asked.after(self.proposer_left.max(minimum));
        match fact.map(|at| at.max(self.asked)) {
            Some(answered) if answered <= deadline => {
                Due::Challenger { deadline: answered.after(self.challenger_left.max(minimum)), answered }
            }
            _ => Due::Proposer { deadline },
        }
    }

    /// The clock after the challenger's move at `now`, its ask having been answered at `answered`.
    pub fn moved(&self, answered: Time, now: Time) -> Self {
        Self {
            asked: now,
            proposer_left: self.proposer_left.less(answered.since(self.asked)),
            challenger_left: self.challenger_left.less(now.since(answered)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { asked: Time(100), proposer_left: Span(50), challenger_left: Span(5) };

    #[test]
    fn a_fact_in_time_passes_the_turn_and_a_late_one_changes_nothing() {
        let late = Due::Proposer { deadline: Time(150) };
        assert_eq!(CLOCK.due(None, Span(10)), late);
        assert_eq!(CLOCK.due(Some(Time(151)), Span(10)), late);
        assert_eq!(
            CLOCK.due(Some(Time(150)), Span(10)),
            Due::Challenger { deadline: Time(160), answered: Time(150) }
        );
    }

    #[test]
    fn a_fact_from_before_the_ask_costs_nobody_time() {
        let due = Due::Challenger { deadline: Time(110), answered: Time(100) };
        assert_eq!(CLOCK.due(Some(Time(3)), Span(10)), due);
    }

    #[test]
    fn budgets_shrink_by_what_a_turn_took_and_the_minimum_stays() {
        let clock = CLOCK.moved(Time(130), Time(132));
        assert_eq!(clock, Clock { asked: Time(132), proposer_left: Span(20), challenger_left: Span(3) });
        let spent = clock.moved(Time(182), Time(200));
        assert_eq!((spent.proposer_left, spent.challenger_left), (Span(0), Span(0)));
        assert_eq!(spent.due(None, Span(10)), Due::Proposer { deadline: Time(210) });
    }
}
