// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Place} from "./Types.sol";
import {Answers} from "./game/Answers.sol";
import {Closing} from "./game/Closing.sol";
import {Config, GameBase} from "./game/GameBase.sol";
import {Picks} from "./game/Picks.sol";
import {IAssertions} from "./interfaces/IAssertions.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IStepVerifier} from "./interfaces/IStepVerifier.sol";
import {Turn} from "./libraries/Clock.sol";
import {Facts} from "./libraries/Facts.sol";
import {Account, Claim, Cursor, Game, List} from "./libraries/Games.sol";

/// @title The dispute: one party that asks by index, another that answers, and a clock
/// @notice Section 5 of docs/protocol.md. `Picks` has the challenger's moves, `Answers` the answers, `Closing` the end.
contract DisputeGame is Picks, Answers {
    /// @notice Fixes parameters and partners for ever; there is no owner.
    constructor(Config memory fixed_, IAssertions assertions, IBondVault vault, IStepVerifier verifier)
        GameBase(fixed_, assertions, vault, verifier)
    {}

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
        return state.accounts[assertion].open;
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
    function accountOf(bytes32 assertion) external view returns (Account memory) {
        return state.accounts[assertion];
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
