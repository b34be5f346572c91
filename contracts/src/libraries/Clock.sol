// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// What is left of a game's time, as its last ask left it. All times are seconds.
struct Clock {
    /// Time of the present ask.
    uint256 asked;
    /// What the proposer's side still has of T.
    uint256 proposerLeft;
    /// What the challenger still has of the window.
    uint256 challengerLeft;
}

/// Whose turn it is.
enum Turn {
    Proposer,
    ProposerLate,
    Challenger,
    ChallengerLate
}

/// @title The one clock function of a game
/// @notice Section 5.2 of docs/protocol.md: a pure replay from the time of the ask and of the fact that answers it.
library Clocks {
    /// @notice The last second of the proposer's turn.
    function proposerDeadline(Clock memory clock, uint256 minimum) internal pure returns (uint256) {
        return clock.asked + max(clock.proposerLeft, minimum);
    }

    /// @notice Whose turn it is at `time`, and the clock that a challenger's move at that time leaves.
    /// @param clock The clock of the present ask.
    /// @param minimum The least time of a turn in this phase.
    /// @param fact When the ask's fact came; 0 if it has not come.
    /// @param time Now, not before `clock.asked` and `fact`.
    /// @return turn Whose turn it is. Exactly one side may act, or exactly one is late.
    /// @return next The clock after a challenger's move now; meant only if the turn is the challenger's.
    function replay(Clock memory clock, uint256 minimum, uint256 fact, uint256 time)
        internal
        pure
        returns (Turn turn, Clock memory next)
    {
        next = clock;
        uint256 deadline = proposerDeadline(clock, minimum);
        uint256 answered = max(clock.asked, fact);
        // INVARIANT: an answer that is late changes nothing: the proposer stays late.
        if (fact == 0 || answered > deadline) {
            return (time > deadline ? Turn.ProposerLate : Turn.Proposer, next);
        }
        next = Clock({
            asked: time,
            proposerLeft: clock.proposerLeft - min(clock.proposerLeft, answered - clock.asked),
            challengerLeft: clock.challengerLeft
        });
        if (time > answered + max(clock.challengerLeft, minimum)) return (Turn.ChallengerLate, next);
        next.challengerLeft -= min(clock.challengerLeft, time - answered);
        turn = Turn.Challenger;
    }

    /// @dev The lesser.
    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev The greater.
    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }
}
