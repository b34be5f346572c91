// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "./support/GameTest.sol";
import {Game, Phase} from "src/libraries/Games.sol";

/// @notice What each move costs as a transaction of its own, checked against `snapshots/`.
contract GasTest is GameTest {
    Posted internal p;
    bytes32 internal id;

    /// @notice 1,000 nodes are opened 32 children at a time.
    function setUp() public {
        deploy(1000, 300, 1);
        p = postTrace("seed", 2, 3, 5, 0);
        // The first game of an assertion and of a vault pays for slots that later ones reuse.
        challengeAs(p, stranger, 0);
    }

    function answered(string memory name) internal {
        uncredited = true;
        answer(p, id, stranger);
        uncredited = false;
        vm.snapshotGasLastCall("moves", name);
    }

    function asked(string memory name) internal {
        ask(p, id, challenger);
        vm.snapshotGasLastCall("moves", name);
    }

    /// @notice A whole game, move by move; `prove` is without the machine's own work.
    /// forge-config: default.isolate = true
    function test_gas() public {
        uint256 bond = game.bondOf(p.item);
        vm.prank(challenger);
        id = game.challenge{value: bond}(p.id, 0, 0, p.item, new bytes32[](0));
        vm.snapshotGasLastCall("moves", "challenge");
        answer(p, id, proposer);
        vm.snapshotGasLastCall("moves", "postRoot, 32 children");
        asked("pick after the root, 5 siblings");
        answered("open, 32 children");
        asked("pickNode, 5 siblings");
        answered("openChunk, 16 bytes");
        asked("pickElement, 16 bytes");
        answer(p, id, proposer);
        vm.snapshotGasLastCall("moves", "postList, 3 entries");
        asked("pickSegment, 3 entries");
        answer(p, id, proposer);
        vm.snapshotGasLastCall("moves", "postList, 128 entries");
        asked("pickSegment, 128 entries");
        vm.warp(block.timestamp + 4 days + 1);
        game.timeout(id);
        vm.snapshotGasLastCall("moves", "timeout, rejecting");
        game.claim(game.gameId(p.id, 0, stranger, 0));
        vm.snapshotGasLastCall("moves", "claim");
    }

    /// @notice The wide tensors: a pick of an inner child, a full chunk, credited answers, a proof.
    /// forge-config: default.isolate = true
    function test_gas_chunks() public {
        deploy(8, 3000, 1);
        p = postTrace("seed", 1, 11_999, 5, 0);
        id = challengeAs(p, challenger, 0);
        for (uint256 i = 0; phaseOf(id) != Phase.Open; ++i) {
            answer(p, id, defender);
            ask(p, id, challenger);
        }
        answer(p, id, defender);
        vm.snapshotGasLastCall("moves", "open, 12 children, credited");
        asked("pick, 4 siblings");
        answered("open, 6 children");
        asked("pick of a chunk");
        Game memory g = game.gameOf(id);
        bytes memory data = toy.chunkOf(p.committed, g.node, g.cursor.index - 1);
        bytes32 hash = toy.chunkHashes(p.committed, g.node)[g.cursor.index - 1];
        game.openChunk(p.id, hash, g.cursor.index - 1, data, 0);
        vm.snapshotGasLastCall("moves", "openChunk, 512 bytes");
        answer(p, id, defender);
        asked("pickElement, 256 bytes");
        vm.warp(block.timestamp + 1 hours);
    }

    /// @notice An output that is right, and a challenger who is late.
    /// forge-config: default.isolate = true
    function test_gas_closing() public {
        deploy(8, 10, 10);
        p = postTrace("seed", 0, 0, 0, 0);
        id = challengeAs(p, challenger, 0);
        bytes32 late = challengeAs(p, stranger, 0);
        until(p, id, Phase.Output, false);
        answered("proveOutput, closing");
        vm.warp(block.timestamp + 8 days);
        game.timeout(late);
        vm.snapshotGasLastCall("moves", "timeout of a challenger");
        assertions.confirm(p.id);
        vm.snapshotGasLastCall("moves", "confirm");
    }
}
