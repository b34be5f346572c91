// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Place} from "../Types.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {Turn} from "../libraries/Clock.sol";
import {Facts} from "../libraries/Facts.sol";
import {Claim, Cursor, Game, List, Tally} from "../libraries/Games.sol";
import {Answers} from "./Answers.sol";
import {Config} from "./GameBase.sol";
import {Picks} from "./Picks.sol";

/// @title Everything that can be read of games
// What the steps' game needs of this one is for it to say.
// slither-disable-next-line missing-inheritance
abstract contract Views is IDisputeGame, Picks, Answers {
    /// @notice All parameters.
    function config() external view returns (Config memory) {
        return Config({
            window: WINDOW,
            proposerBudget: PROPOSER_BUDGET,
            moveMinimum: MOVE_MINIMUM,
            traceMinimum: TRACE_MINIMUM,
            bondBase: uint128(BOND_BASE),
            bondPerToken: uint128(BOND_PER_TOKEN),
            bounty: uint128(BOUNTY),
            closerFee: uint128(CLOSER_FEE),
            gasRepaid: uint128(GAS_REPAID),
            gasPriceCap: uint64(GAS_PRICE_CAP),
            gasTip: uint64(GAS_TIP)
        });
    }

    /// @notice The least stake of an assertion. Half of it pays closer, bounty, the rejecting game's gas, and as much
    /// again for the gas of all others.
    function leastStake() external view returns (uint256) {
        return 2 * (CLOSER_FEE + BOUNTY + 2 * GAS_REPAID);
    }

    /// @notice How long an assertion can be challenged.
    function window() external view returns (uint256) {
        return WINDOW;
    }

    /// @notice Games of an assertion that are not over.
    function openGames(bytes32 assertion) external view returns (uint256) {
        return state.tallies[assertion].open;
    }

    /// @notice All that is stored of a game.
    function gameOf(bytes32 id) external view returns (Game memory) {
        return state.games[id];
    }

    /// @notice Whose turn it is in a game now; reverts if it is over.
    /// @return turn Whose.
    /// @return ended Is its ask proven: `timeout` closes it.
    function turnOf(bytes32 id) external view returns (Turn turn, bool ended) {
        (Game storage game, Cursor memory cursor) = _live(id);
        (turn,, ended) = _replay(game, cursor);
    }

    /// @notice What the games of an item share.
    function claimOf(bytes32 assertion, uint32 item) external view returns (Claim memory) {
        return state.claims[Facts.rootKey(assertion, item)];
    }

    /// @notice What the games of an assertion share.
    function tallyOf(bytes32 assertion) external view returns (Tally memory) {
        return state.tallies[assertion];
    }

    /// @notice When a fact came; 0 if it has not.
    function factOf(bytes32 key) external view returns (uint256) {
        return state.facts[key];
    }

    /// @notice The list of a place.
    function listOf(bytes32 assertion, uint32 item, Place calldata place)
        external
        view
        returns (List memory)
    {
        return state.lists[Facts.placeKey(assertion, item, place)];
    }
}
