// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Clock, Clocks, Turn} from "src/libraries/Clock.sol";

/// @notice The clock's edges, second by second.
contract ClockTest is Test {
    uint256 internal constant MINIMUM = 10;

    function turnAt(Clock memory clock, uint256 fact, uint256 time) internal pure returns (Turn turn) {
        (turn,) = Clocks.replay(clock, MINIMUM, fact, time);
    }

    function test_replay_proposer() public pure {
        Clock memory clock = Clock(100, 50, 70);
        assertEq(uint8(turnAt(clock, 0, 150)), uint8(Turn.Proposer));
        assertEq(uint8(turnAt(clock, 0, 151)), uint8(Turn.ProposerLate));
        // An answer in the last second counts; one after it never does.
        assertEq(uint8(turnAt(clock, 150, 150)), uint8(Turn.Challenger));
        assertEq(uint8(turnAt(clock, 151, 151)), uint8(Turn.ProposerLate));
        assertEq(uint8(turnAt(clock, 151, 10_000)), uint8(Turn.ProposerLate));
    }

    function test_replay_minimum() public pure {
        Clock memory clock = Clock(100, 0, 0);
        assertEq(uint8(turnAt(clock, 0, 110)), uint8(Turn.Proposer));
        assertEq(uint8(turnAt(clock, 0, 111)), uint8(Turn.ProposerLate));
        assertEq(uint8(turnAt(clock, 105, 115)), uint8(Turn.Challenger));
        assertEq(uint8(turnAt(clock, 105, 116)), uint8(Turn.ChallengerLate));
    }

    function test_replay_budgets() public pure {
        (Turn turn, Clock memory next) = Clocks.replay(Clock(100, 50, 70), MINIMUM, 130, 150);
        assertEq(uint8(turn), uint8(Turn.Challenger));
        assertEq(abi.encode(next), abi.encode(Clock(150, 20, 50)));
        // A fact from before the ask costs the proposer nothing.
        (, next) = Clocks.replay(Clock(100, 50, 70), MINIMUM, 30, 170);
        assertEq(abi.encode(next), abi.encode(Clock(170, 50, 0)));
    }
}
