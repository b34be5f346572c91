// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAssertions} from "../interfaces/IAssertions.sol";
import {IBondVault} from "../interfaces/IBondVault.sol";
import {ITwin} from "../interfaces/IDisputeGame.sol";
import {IStepVerifier} from "../interfaces/IStepVerifier.sol";
import {Clock, Clocks, Turn} from "../libraries/Clock.sol";
import {Facts} from "../libraries/Facts.sol";
import {Claim, Cursor, Game, Games, List, Phase, State, Tally} from "../libraries/Games.sol";
import {Config, Terms} from "./Terms.sol";

/// @title What all moves share: storage, whose turn it is, what a move costs
abstract contract GameBase is Terms {
    using Games for Game;
    using Games for Cursor;
    using Games for Phase;

    /// @notice The machine's twin.
    IStepVerifier public immutable VERIFIER;

    State internal state;

    /// @notice There is no such game: it was never opened, or a reorganisation took it.
    error UnknownGame(bytes32 id);
    /// @notice The game is over.
    error GameOver(bytes32 id);
    /// @notice Only the game's challenger asks.
    error NotChallenger(address challenger);
    /// @notice Another game rejected the assertion: call `claim`.
    error AssertionRejected(bytes32 assertion);
    /// @notice The ask has no answer yet: wait, or call `timeout` after the deadline.
    error NotAnswered(bytes32 key, uint256 deadline);
    /// @notice The proposer's side is late: call `timeout`.
    error ProposerIsLate();
    /// @notice The challenger is late: anyone may call `timeout`.
    error ChallengerIsLate();
    /// @notice The game asks for something else now: read it again.
    error WrongPhase(Phase phase);
    /// @notice The game asks about another hash, element or list than the one named: read it again.
    error NotAsked();

    /// @notice Fixes parameters and partners. The other game is the one that the assertions name; they exist before.
    constructor(Config memory config, IAssertions assertions, IBondVault vault, IStepVerifier verifier)
        Terms(config, assertions, vault, ITwin(assertions.twinOf(address(this))))
    {
        VERIFIER = verifier;
    }

    /// @dev A game that is neither over nor cut short by another's rejection.
    function _live(bytes32 id) internal view returns (Game storage game, Cursor memory cursor) {
        game = state.games[id];
        cursor = game.cursor;
        // INVARIANT: every move is one of a game that exists and still asks.
        if (cursor.phase == Phase.None) revert UnknownGame(id);
        if (cursor.phase == Phase.Over) revert GameOver(id);
        if (state.tallies[game.assertion].rejected) revert AssertionRejected(game.assertion);
    }

    /// @dev Whose turn it is, from facts alone.
    /// @return turn Whose.
    /// @return next The clock that a challenger's move now leaves.
    /// @return ended Is the ask answered in time by a fact that ends the game: a step or an output.
    function _replay(Game storage game, Cursor memory cursor)
        internal
        view
        returns (Turn turn, Clock memory next, bool ended)
    {
        bytes32 key = game.askKey(cursor);
        bool root = cursor.phase == Phase.Root;
        uint256 fact = root ? state.claims[key].postedAt : state.facts[key];
        (turn, next) =
            Clocks.replay(cursor.clockOf(), root ? TRACE_MINIMUM : MOVE_MINIMUM, fact, block.timestamp);
        ended = (turn == Turn.Challenger || turn == Turn.ChallengerLate) && cursor.phase.asksProof()
            && !state.lists[key].posted;
    }

    /// @dev Begins a challenger's move: the cursor comes back with the clock replayed up to now.
    function _challengersTurn(bytes32 id) internal view returns (Game storage game, Cursor memory cursor) {
        (game, cursor) = _live(id);
        // INVARIANT: only the challenger asks, so nobody can walk it away from the first difference.
        if (msg.sender != game.challenger) revert NotChallenger(game.challenger);
        (Turn turn, Clock memory next,) = _replay(game, cursor);
        // INVARIANT: a side moves in its own turn, before its deadline; after it only `timeout` works.
        if (turn == Turn.Proposer) {
            bool root = cursor.phase == Phase.Root;
            uint256 minimum = root ? TRACE_MINIMUM : MOVE_MINIMUM;
            revert NotAnswered(game.askKey(cursor), Clocks.proposerDeadline(cursor.clockOf(), minimum));
        }
        if (turn == Turn.ProposerLate) revert ProposerIsLate();
        if (turn == Turn.ChallengerLate) revert ChallengerIsLate();
        cursor.asked = uint40(next.asked);
        cursor.proposerLeft = uint32(next.proposerLeft);
        cursor.challengerLeft = uint32(next.challengerLeft);
    }

    /// @dev Ends a challenger's move: meters it and stores the new ask.
    /// @param gasBefore What was left when it began.
    /// @param payload Bytes of calldata that the move had to carry.
    function _moved(Game storage game, Cursor memory cursor, uint256 gasBefore, uint256 payload) internal {
        uint256 added = _cost(gasBefore, payload, cursor.metered);
        cursor.metered += uint40(added);
        game.cursor = cursor;
        state.tallies[game.assertion].live += uint64(added);
    }

    /// @dev Credits an answer to the game that asked for it, if the defender key gave it in time. The proposer needs no
    /// meter: what is left of a lost bond is its own. Whoever else answers does it at their own cost.
    /// @param id The game; any other word credits nobody.
    /// @param key The fact's.
    function _credit(bytes32 id, bytes32 key, uint256 gasBefore, uint256 payload) internal {
        Game storage game = state.games[id];
        Cursor memory cursor = game.cursor;
        if (cursor.phase == Phase.None || cursor.phase == Phase.Over) return;
        if (game.askKey(cursor) != key || !ASSERTIONS.isDefender(game.assertion, msg.sender)) return;
        (Turn turn,,) = _replay(game, cursor);
        if (turn != Turn.Challenger) return;
        cursor.answered += uint40(_cost(gasBefore, payload, cursor.answered));
        game.cursor = cursor;
    }

    /// @inheritdoc Terms
    function _tallyOf(bytes32 assertion) internal view override returns (Tally storage) {
        return state.tallies[assertion];
    }
}
