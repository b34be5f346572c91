// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Status} from "../interfaces/IAssertions.sol";
import {Turn} from "../libraries/Clock.sol";
import {Facts} from "../libraries/Facts.sol";
import {Claim, Cursor, Game, Phase} from "../libraries/Games.sol";
import {BondShares, StakeShares} from "../libraries/Shares.sol";
import {GameBase} from "./GameBase.sol";

/// @title How a game ends, and who gets what
/// @notice Section 5.3 of docs/protocol.md. No loop, and no call to anybody but the vault, the assertions and the other
/// game.
abstract contract Closing is GameBase {
    /// @notice The challenger lost its bond.
    event ChallengerLost(
        bytes32 indexed id, address indexed closer, uint256 burned, uint256 toDefender, uint256 toProposer
    );
    /// @notice The game rejected its assertion.
    event Rejected(
        bytes32 indexed assertion,
        bytes32 indexed id,
        address indexed closer,
        uint256 burned,
        uint256 toChallenger,
        uint256 pool
    );
    /// @notice A game that another's rejection cut short was paid.
    event Claimed(bytes32 indexed id, address indexed challenger, uint256 amount);

    /// @notice Nobody is late and nothing is proven: the turn lasts.
    error NothingToClose(Turn turn);
    /// @notice The assertion is neither rejected nor void: there is nothing to claim.
    error NotRejected(bytes32 assertion);

    /// @notice Closes a game that one side lost: by being late, or by a proof that answers its ask. Anyone may; it earns
    /// the closer's fee. A game that is over stays as it is.
    function timeout(bytes32 id) external {
        if (state.games[id].cursor.phase == Phase.Over) return;
        (Game storage game, Cursor memory cursor) = _live(id);
        (Turn turn,, bool ended) = _replay(game, cursor);
        if (ended || turn == Turn.ChallengerLate) return _challengerLoses(id, game, cursor);
        // INVARIANT: who is not late cannot be timed out.
        if (turn != Turn.ProposerLate) revert NothingToClose(turn);
        _reject(id, game, cursor);
    }

    /// @notice Pays a game that was cut short. By another game's rejection: its bond, and its share of the metered gas; by
    /// an assertion below that was rejected, which makes its own void: its bond. Anyone may; the money is the challenger's, in the vault. A game that is over stays as it is.
    function claim(bytes32 id) external {
        Game storage game = state.games[id];
        Cursor memory cursor = game.cursor;
        // INVARIANT: a game is paid once.
        if (cursor.phase == Phase.Over) return;
        if (cursor.phase == Phase.None) revert UnknownGame(id);
        Status status = _statusOf(game.assertion);
        // INVARIANT: a bond is locked until its game is decided, or its assertion lost its place.
        if (status != Status.Rejected && status != Status.Void) revert NotRejected(game.assertion);
        game.cursor.phase = Phase.Over;
        uint256 amount = _bondOf(game) + _poolShare(game.assertion, cursor.metered);
        emit Claimed(id, game.challenger, amount);
        VAULT.pay(game.challenger, amount);
    }

    /// @dev The challenger is late, or what it asked about is proven.
    function _challengerLoses(bytes32 id, Game storage game, Cursor memory cursor) internal {
        game.cursor.phase = Phase.Over;
        _leave(game.assertion, cursor.metered);
        // The vault calls nobody.
        // slither-disable-next-line reentrancy-events
        BondShares memory s = _shareBond(game.assertion, _bondOf(game), cursor.answered);
        emit ChallengerLost(id, msg.sender, s.burned, s.defender, s.proposer);
    }

    /// @dev The proposer's side is late, or its trace is wrong as it stands.
    function _reject(bytes32 id, Game storage game, Cursor memory cursor) internal {
        game.cursor.phase = Phase.Over;
        _leave(game.assertion, cursor.metered);
        (bytes32 assertion, address challenger, uint256 bond) =
            (game.assertion, game.challenger, _bondOf(game));
        StakeShares memory s = _shareStake(assertion, challenger, bond, cursor.metered);
        emit Rejected(assertion, id, msg.sender, s.burned, bond + s.winner, s.pool);
    }

    /// @dev The bond of a game, which follows from its item.
    function _bondOf(Game storage game) private view returns (uint256) {
        Claim storage item = state.claims[Facts.rootKey(game.assertion, game.item)];
        return _bond(uint256(item.promptLength) + item.outputLength);
    }
}
