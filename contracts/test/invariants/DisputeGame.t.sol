// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Players} from "./Players.sol";
import {Test} from "forge-std/Test.sol";
import {BondVault} from "src/BondVault.sol";
import {Views} from "src/game/Views.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Turn} from "src/libraries/Clock.sol";
import {Game, Phase, Tally} from "src/libraries/Games.sol";
import {Shares} from "src/libraries/Shares.sol";

/// @notice What holds whatever the players do.
contract DisputeGameInvariants is Test {
    Players internal players;
    Views internal game;
    BondVault internal vault;
    address internal assertions;

    function setUp() public {
        players = new Players();
        players.start();
        (address g, address a, address v) = players.partners();
        (game, assertions, vault) = (Views(g), a, BondVault(v));
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = players.post.selector;
        selectors[1] = players.challengeBy.selector;
        selectors[2] = players.gasPrice.selector;
        selectors[3] = players.answerBy.selector;
        selectors[4] = players.askAtRandom.selector;
        selectors[5] = players.garbage.selector;
        selectors[6] = players.timeoutBy.selector;
        selectors[7] = players.claimBy.selector;
        selectors[8] = players.confirmBy.selector;
        selectors[9] = players.withdrawBy.selector;
        selectors[10] = players.pass.selector;
        selectors[11] = players.cheat.selector;
        selectors[12] = players.askAtRandom.selector;
        selectors[13] = players.meddle.selector;
        targetSelector(FuzzSelector(address(players), selectors));
        targetContract(address(players));
        // The fuzzer gives its senders money: none of them may be one of ours.
        targetSender(makeAddr("fuzzer"));
    }

    /// @notice Every wei is held, for somebody or burned; what the game owes it has.
    function invariant_solvency() public view {
        uint256 owed = vault.balanceOf(address(game)) + vault.balanceOf(assertions) + vault.burned();
        address[6] memory all = players.actors();
        for (uint256 i = 0; i < 6; ++i) {
            owed += vault.balanceOf(all[i]);
        }
        assertEq(owed, address(vault).balance);

        (uint256 posts, uint256 games) = players.counts();
        uint256 due;
        for (uint256 i = 0; i < games; ++i) {
            Game memory g = game.gameOf(players.playedAt(i).id);
            if (g.cursor.phase == Phase.Over) continue;
            due += game.bondOf(players.knownAt(players.playedAt(i).post).posted.item);
            Tally memory tally = game.tallyOf(g.assertion);
            if (tally.rejected) due += Shares.ofPool(tally.pool, g.cursor.metered, tally.live);
        }
        assertGe(vault.balanceOf(address(game)), due);
        due = 0;
        for (uint256 i = 0; i < posts; ++i) {
            if (players.statusOf(i) == Status.Pending) due += game.leastStake();
        }
        // One of the kinds posts a second assertion that nobody knows of.
        assertGe(vault.balanceOf(assertions), due);
    }

    /// @notice The running sums are sums.
    function invariant_tallies() public view {
        (uint256 posts, uint256 games) = players.counts();
        uint256[] memory live = new uint256[](posts);
        uint256[] memory open = new uint256[](posts);
        for (uint256 i = 0; i < games; ++i) {
            Game memory g = game.gameOf(players.playedAt(i).id);
            assertLe(g.cursor.metered, 0.2 ether / 1 gwei);
            assertLe(g.cursor.answered, 0.2 ether / 1 gwei);
            if (g.cursor.phase == Phase.Over) continue;
            live[players.playedAt(i).post] += g.cursor.metered;
            open[players.playedAt(i).post] += 1;
        }
        for (uint256 i = 0; i < posts; ++i) {
            Tally memory tally = game.tallyOf(players.knownAt(i).posted.id);
            if (tally.rejected) continue;
            assertEq(tally.live, live[i]);
            assertEq(tally.open, open[i]);
        }
    }

    /// @notice The right side wins; honest players always have a move that works.
    function invariant_rightSideWins() public view {
        (uint256 posts,) = players.counts();
        for (uint256 i = 0; i < posts; ++i) {
            bool right = players.knownAt(i).right;
            assertTrue(
                players.statusOf(i) != (right ? Status.Rejected : Status.Confirmed),
                string.concat(
                    right ? "a right one is rejected: " : "a wrong one is confirmed: ", vm.toString(i)
                )
            );
        }
        assertEq(players.failure(), "");
    }

    /// @notice No game is stuck, and none outlasts D_max.
    function invariant_everyGameEnds() public {
        vm.warp(players.time());
        (, uint256 games) = players.counts();
        for (uint256 i = 0; i < games; ++i) {
            if (!players.isLive(i)) continue;
            (Turn turn, bool ended) = game.turnOf(players.playedAt(i).id);
            if (players.time() <= players.latest(players.playedAt(i).post)) continue;
            assertTrue(ended || turn == Turn.ProposerLate || turn == Turn.ChallengerLate);
        }
    }

    /// @notice After the longest wait everything can be closed and paid, and nobody honest has lost a bond.
    function afterInvariant() public {
        // A prank belongs to a depth of calls, and this is the one of the fuzzer's.
        vm.stopPrank();
        players.finish();
        invariant_solvency();
        invariant_rightSideWins();
        (uint256 posts, uint256 games) = players.counts();
        for (uint256 i = 0; i < games; ++i) {
            assertEq(uint8(game.gameOf(players.playedAt(i).id).cursor.phase), uint8(Phase.Over));
        }
        for (uint256 i = 0; i < posts; ++i) {
            assertEq(
                uint8(players.statusOf(i)),
                uint8(players.knownAt(i).right ? Status.Confirmed : Status.Rejected)
            );
        }
        assertGe(vault.balanceOf(players.actors()[4]), players.honestBonds());
        assertLe(vault.balanceOf(address(game)), 24 * posts);
    }
}
