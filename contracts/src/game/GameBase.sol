// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAssertions} from "../interfaces/IAssertions.sol";
import {IBondVault} from "../interfaces/IBondVault.sol";
import {IStepVerifier} from "../interfaces/IStepVerifier.sol";
import {Clock, Clocks, Turn} from "../libraries/Clock.sol";
import {Facts} from "../libraries/Facts.sol";
import {Claim, Cursor, Game, Games, List, Phase, State, Tally} from "../libraries/Games.sol";

/// What a deployment fixes. Times in seconds, money in wei.
struct Config {
    /// How long an assertion can be challenged (W); also a challenger's budget.
    uint32 window;
    /// The proposer's budget in one game (T).
    uint32 proposerBudget;
    /// The least time of any turn (M_move).
    uint32 moveMinimum;
    /// The least time to answer Root, and of the first move after it (M_trace).
    uint32 traceMinimum;
    /// The bond of an item without tokens.
    uint128 bondBase;
    /// What a token adds to the bond.
    uint128 bondPerToken;
    /// What the game that rejects an assertion earns.
    uint128 bounty;
    /// What who closes a game earns.
    uint128 closerFee;
    /// The most gas that is repaid to one game (G_max); a multiple of a gwei.
    uint128 gasRepaid;
    /// The highest price of gas that is repaid.
    uint64 gasPriceCap;
    /// The highest tip that is repaid.
    uint64 gasTip;
}

/// @title What all moves share: storage, whose turn it is, what a move costs
abstract contract GameBase {
    using Games for Game;
    using Games for Cursor;
    using Games for Phase;

    /// @dev Gas of a transaction before and after what is metered: 21,000, dispatch, the last writes.
    uint256 private constant OVERHEAD = 27_000;
    /// @dev Gas of a byte of calldata that is not zero; and the least that a transaction pays for it (EIP-7623).
    uint256 private constant BYTE = 16;
    uint256 private constant BYTE_FLOOR = 40;
    uint256 private constant TRANSACTION = 21_000;
    /// @dev Meters count in gwei.
    uint256 internal constant METER_UNIT = 1 gwei;

    /// @notice The chain of assertions.
    IAssertions public immutable ASSERTIONS;
    /// @notice Holds bonds and stakes.
    IBondVault public immutable VAULT;
    /// @notice The machine's twin.
    IStepVerifier public immutable VERIFIER;

    uint32 internal immutable WINDOW;
    uint32 internal immutable PROPOSER_BUDGET;
    uint32 internal immutable MOVE_MINIMUM;
    uint32 internal immutable TRACE_MINIMUM;
    uint256 internal immutable BOND_BASE;
    uint256 internal immutable BOND_PER_TOKEN;
    uint256 internal immutable BOUNTY;
    uint256 internal immutable CLOSER_FEE;
    uint256 internal immutable GAS_REPAID;
    uint256 internal immutable GAS_PRICE_CAP;
    uint256 internal immutable GAS_TIP;

    State internal state;

    /// @notice These parameters cannot keep the protocol's promises: see the invariants in the constructor.
    error BadConfig();
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

    /// @notice Fixes parameters and partners.
    constructor(Config memory config, IAssertions assertions, IBondVault vault, IStepVerifier verifier) {
        // INVARIANT: a busy proposer can trace a whole window's assertions in time (T >= W/2).
        // INVARIANT: every turn has some time.
        // INVARIANT: what is left of a lost bond pays the closer, and the answers up to the cap: an honest proposer
        // loses nothing below it.
        // INVARIANT: meters hold the cap.
        if (
            config.window == 0 || config.proposerBudget < config.window / 2 || config.moveMinimum == 0
                || config.traceMinimum < config.moveMinimum
                || config.bondBase - config.bondBase / 4 < uint256(config.closerFee) + config.gasRepaid
                || config.gasRepaid % METER_UNIT != 0 || config.gasRepaid / METER_UNIT > type(uint40).max
        ) revert BadConfig();
        ASSERTIONS = assertions;
        VAULT = vault;
        VERIFIER = verifier;
        WINDOW = config.window;
        PROPOSER_BUDGET = config.proposerBudget;
        MOVE_MINIMUM = config.moveMinimum;
        TRACE_MINIMUM = config.traceMinimum;
        BOND_BASE = config.bondBase;
        BOND_PER_TOKEN = config.bondPerToken;
        BOUNTY = config.bounty;
        CLOSER_FEE = config.closerFee;
        GAS_REPAID = config.gasRepaid;
        GAS_PRICE_CAP = config.gasPriceCap;
        GAS_TIP = config.gasTip;
    }

    /// @dev The bond for an item of so many tokens, prompt and output.
    function _bond(uint256 tokens) internal view returns (uint256) {
        return BOND_BASE + BOND_PER_TOKEN * tokens;
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

    /// @dev What a move cost, in gwei, and not more than the cap leaves.
    function _cost(uint256 gasBefore, uint256 payload, uint256 already) private view returns (uint256 cost) {
        uint256 used = gasBefore - gasleft() + payload * BYTE;
        // INVARIANT: no base is repaid twice: code may make several moves in the one transaction that it pays.
        if (msg.sender == tx.origin && msg.sender.code.length == 0) {
            used = Clocks.max(used + OVERHEAD, TRANSACTION + payload * BYTE_FLOOR);
        }
        uint256 price = Clocks.min(tx.gasprice, Clocks.min(block.basefee + GAS_TIP, GAS_PRICE_CAP));
        cost = Clocks.min(used * price / METER_UNIT, GAS_REPAID / METER_UNIT - already);
    }
}
