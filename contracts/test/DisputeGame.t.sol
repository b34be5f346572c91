// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "./support/GameTest.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Phase} from "src/libraries/Games.sol";
import {Hashing} from "src/libraries/Hashing.sol";

/// @notice Whole games over the toy machine: the right side wins, whatever is wrong.
contract DisputeGameTest is GameTest {
    function setUp() public {
        // 70 nodes: two openings of the tree over the nodes. Rows of 2,500 elements: 79 chunks a node, so two openings
        // there too; S = 1, so that a sum needs a list, and its segments of 128 a list each.
        deploy(70, 2500, 1);
    }

    function statusOf(bytes32 id) internal view returns (Status status) {
        (status,,,) = assertions.assertionOf(id);
    }

    /// @dev A lie at an element: the honest challenger rejects the assertion.
    function refute(uint256 node, uint256 flat) internal returns (uint256 rounds) {
        Posted memory p = postTrace("seed", node, flat, 1, 0);
        bytes32 id = challengeAs(p, challenger, 0);
        rounds = play(p, id, challenger, defender);
        vm.expectRevert();
        game.timeout(id);
        vm.warp(block.timestamp + 7 days);
        game.timeout(id);
        assertEq(uint8(statusOf(p.id)), uint8(Status.Rejected));
        assertEq(uint8(phaseOf(id)), uint8(Phase.Over));
    }

    function test_game_wrongElement_rejects() public {
        refute(1, 7777);
    }

    function test_game_wrongSum_rejects() public {
        refute(2, 3);
    }

    function test_game_wrongLastNode_rejects() public {
        refute(69, 3);
    }

    function test_game_wrongSample_rejects() public {
        refute(4, 2);
    }
}
