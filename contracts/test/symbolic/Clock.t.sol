// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Clock, Clocks, Turn} from "src/libraries/Clock.sol";

/// @notice For every clock, fact and time.
contract ClockSymbolic {
    struct Times {
        uint40 asked;
        uint32 proposerLeft;
        uint32 challengerLeft;
        uint32 minimum;
        uint40 fact;
        uint40 time;
    }

    function replay(Times memory t) internal pure returns (Turn turn, Clock memory next) {
        return Clocks.replay(Clock(t.asked, t.proposerLeft, t.challengerLeft), t.minimum, t.fact, t.time);
    }

    function possible(Times memory t) internal pure returns (bool) {
        return t.time >= t.asked && t.time >= t.fact;
    }

    /// @notice Budgets only shrink, and a turn lasts at most its budget or the minimum.
    function check_replay_budgets(Times memory t) public pure {
        if (!possible(t)) return;
        (Turn turn, Clock memory next) = replay(t);
        if (turn != Turn.Challenger) return;
        assert(next.proposerLeft <= t.proposerLeft && next.challengerLeft <= t.challengerLeft);
        uint256 most = Clocks.max(t.proposerLeft, t.minimum) + Clocks.max(t.challengerLeft, t.minimum);
        assert(next.asked == t.time && uint256(t.time) - t.asked <= most);
        // What a round takes beyond the minimums comes out of the budgets: the bound of D_max.
        uint256 spent = uint256(t.proposerLeft) - next.proposerLeft + t.challengerLeft - next.challengerLeft;
        assert(uint256(t.time) - t.asked <= spent + 2 * uint256(t.minimum));
    }

    /// @notice A proposer who is late stays late, whatever comes later: an answer at `fact`, the clock at `time`.
    function check_replay_proposerStaysLate(Times memory t, uint40 fact, uint40 time) public pure {
        if (!possible(t) || t.fact != 0 || fact < t.time || time < fact) return;
        (Turn turn,) = replay(t);
        if (turn != Turn.ProposerLate) return;
        (t.fact, t.time) = (fact, time);
        (turn,) = replay(t);
        assert(turn == Turn.ProposerLate);
    }

    /// @notice A challenger who is late stays late.
    function check_replay_challengerStaysLate(Times memory t, uint40 time) public pure {
        if (!possible(t) || t.fact == 0 || time < t.time) return;
        (Turn turn,) = replay(t);
        if (turn != Turn.ChallengerLate) return;
        t.time = time;
        (turn,) = replay(t);
        assert(turn == Turn.ChallengerLate);
    }

    /// @notice A side always has its guaranteed minimum.
    function check_replay_minimum(Times memory t) public pure {
        if (!possible(t)) return;
        (Turn turn,) = replay(t);
        uint256 answered = t.fact > t.asked ? t.fact : t.asked;
        if (uint256(t.time) <= uint256(t.asked) + t.minimum) assert(turn != Turn.ProposerLate);
        if (t.fact != 0 && uint256(t.time) <= answered + t.minimum) assert(turn != Turn.ChallengerLate);
    }
}
