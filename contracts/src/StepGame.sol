// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived, StepParts} from "./RollupTypes.sol";
import {Terms} from "./game/Terms.sol";
import {Config} from "./game/Terms.sol";
import {Status} from "./interfaces/IAssertions.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IChain} from "./interfaces/IChain.sol";
import {IDisputeGame, ITwin} from "./interfaces/IDisputeGame.sol";
import {ILedgerVerifier, IShapeVerifier} from "./interfaces/IRollupVerifiers.sol";
import {Tally} from "./libraries/Games.sol";
import {BondShares, StakeShares} from "./libraries/Shares.sol";
import {Steps} from "./libraries/Steps.sol";

/// @title Both games, as this one needs the other
interface IConfiguredGame is IDisputeGame, ITwin {
    /// @notice All parameters.
    function config() external view returns (Config memory);
}

/// What a question asks.
enum Kind {
    None,
    /// That a state root follows from the one before.
    Ledger,
    /// That an output goes on or ends at a token.
    Shape
}

/// A question about a step: one ask, one proof.
struct Question {
    /// Who asks.
    address challenger;
    /// Last second of a proof.
    uint40 deadline;
    Kind kind;
    bool over;
    /// What the asking cost, in gwei.
    uint40 metered;
    bytes32 assertion;
    uint32 step;
    /// The token; 0 for a ledger question.
    uint32 index;
}

/// @title Questions about steps: ledger and shape
/// @notice Section 10.4 of docs/rollup.md. An answer is objective and takes no further move of its asker, so each question
/// is asked once, by whoever is first. Money is that of docs/protocol.md, 5.3.
contract StepGame is Terms, IDisputeGame {
    /// @dev Bytes of calldata of a challenge, and of a proof besides what has a variable length.
    uint256 private constant CHALLENGE_BYTES = 132;
    uint256 private constant PROVE_BYTES = 420;

    /// @notice Recomputes steps.
    ILedgerVerifier public immutable LEDGER;
    /// @notice Looks at tokens.
    IShapeVerifier public immutable SHAPE;

    mapping(bytes32 key => Question) private _questions;
    mapping(bytes32 assertion => Tally) private _tallies;

    /// @notice A question was asked.
    event Challenged(
        bytes32 indexed key,
        bytes32 indexed assertion,
        address indexed challenger,
        Kind kind,
        uint32 step,
        uint32 index
    );
    /// @notice A question was answered: the challenger lost its bond.
    event ChallengerLost(
        bytes32 indexed key, address indexed closer, uint256 burned, uint256 toDefender, uint256 toProposer
    );
    /// @notice A question that nobody answered rejected its assertion.
    event Rejected(
        bytes32 indexed assertion,
        bytes32 indexed key,
        address indexed closer,
        uint256 burned,
        uint256 toChallenger,
        uint256 pool
    );
    /// @notice A question that was cut short was paid.
    event Claimed(bytes32 indexed key, address indexed challenger, uint256 amount);

    /// @notice The window is over: the assertion can no longer be challenged.
    error WindowOver(uint256 end);
    /// @notice The assertion has fewer steps.
    error OutOfRange(uint256 step, uint256 steps);
    /// @notice A question is of the ledger, and then has no index, or of a shape.
    error BadKind();
    /// @notice The bond must be exactly this.
    error WrongBond(uint256 due);
    /// @notice Somebody has asked this: the answer will be the same.
    error AlreadyAsked(bytes32 key);
    /// @notice There is no such question.
    error UnknownQuestion(bytes32 key);
    /// @notice The question is over.
    error QuestionOver(bytes32 key);
    /// @notice It is too late for a proof: call `timeout`.
    error ProposerIsLate();
    /// @notice A proof can come until then.
    error TooEarly(uint256 deadline);
    /// @notice The assertion is neither rejected nor void: there is nothing to claim.
    error NotRejected(bytes32 assertion);

    /// @notice Fixes the partners; the parameters are the other game's.
    constructor(
        IConfiguredGame game,
        IChain assertions,
        IBondVault vault,
        ILedgerVerifier ledger,
        IShapeVerifier shape
    ) Terms(game.config(), assertions, vault, game) {
        (LEDGER, SHAPE) = (ledger, shape);
    }

    /// @notice Asks about a step; the sent money is the bond.
    /// @param index The token, if the kind is Shape; else 0.
    /// @return key The question.
    function challenge(bytes32 assertion, Kind kind, uint32 step, uint32 index)
        external
        payable
        returns (bytes32 key)
    {
        uint256 gasBefore = gasleft();
        _checkChallenge(assertion, kind, step, index);
        key = keyOf(assertion, kind, step, index);
        Question storage q = _questions[key];
        // INVARIANT: an objective question is asked once.
        if (q.kind != Kind.None) revert AlreadyAsked(key);
        (q.challenger, q.kind, q.assertion) = (msg.sender, kind, assertion);
        (q.step, q.index) = (step, index);
        // A time of 40 bits and a budget of 32.
        q.deadline = uint40(block.timestamp + PROPOSER_BUDGET);
        Tally storage tally = _tallies[assertion];
        tally.open += 1;
        // The vault calls nobody, and the move is metered with it.
        // slither-disable-next-line reentrancy-eth,reentrancy-events
        VAULT.deposit{value: BOND_BASE}(address(this));
        emit Challenged(key, assertion, msg.sender, kind, step, index);
        uint256 cost = _cost(gasBefore, CHALLENGE_BYTES, 0);
        q.metered = uint40(cost);
        tally.live += uint64(cost);
    }

    /// @notice Answers a question. Anyone may, and is its closer; if the defender key does, its gas is repaid.
    /// @param parts What the step's leaf is the hash of.
    /// @param path Of the leaf, out-of-range siblings left out.
    /// @param witness What the verifier asks for.
    function prove(bytes32 key, StepParts calldata parts, bytes32[] calldata path, bytes calldata witness)
        external
    {
        uint256 gasBefore = gasleft();
        Question memory q = _open(key);
        // INVARIANT: a late answer changes nothing.
        if (block.timestamp > q.deadline) revert ProposerIsLate();
        Derived memory derived = IChain(address(ASSERTIONS)).derivedOf(q.assertion);
        Steps.check(parts, q.step, derived.steps, derived.stepsRoot, path);
        if (q.kind == Kind.Ledger) LEDGER.prove(parts, derived.time, witness);
        else SHAPE.prove(parts.data, q.index, witness);
        uint256 answered;
        if (ASSERTIONS.isDefender(q.assertion, msg.sender)) {
            uint256 payload = PROVE_BYTES + parts.data.length + 32 * path.length + witness.length;
            answered = _cost(gasBefore, payload, 0);
        }
        _questions[key].over = true;
        _leave(q.assertion, q.metered);
        // The vault calls nobody.
        // slither-disable-next-line reentrancy-events
        BondShares memory s = _shareBond(q.assertion, BOND_BASE, answered);
        emit ChallengerLost(key, msg.sender, s.burned, s.defender, s.proposer);
    }

    /// @notice Rejects the assertion of a question that nobody answered in time. Anyone may; it earns the closer's fee.
    function timeout(bytes32 key) external {
        Question memory q = _open(key);
        // INVARIANT: who is not late cannot be timed out.
        if (block.timestamp <= q.deadline) revert TooEarly(q.deadline);
        _questions[key].over = true;
        _leave(q.assertion, q.metered);
        StakeShares memory s = _shareStake(q.assertion, q.challenger, BOND_BASE, q.metered);
        emit Rejected(q.assertion, key, msg.sender, s.burned, BOND_BASE + s.winner, s.pool);
    }

    /// @notice Pays a question that was cut short: its bond, and after a rejection its share of the metered gas. Anyone
    /// may; the money is the challenger's, in the vault. A question that is over stays as it is.
    function claim(bytes32 key) external {
        Question storage q = _questions[key];
        if (q.kind == Kind.None) revert UnknownQuestion(key);
        // INVARIANT: a question is paid once.
        if (q.over) return;
        Status status = _statusOf(q.assertion);
        // INVARIANT: a bond is locked until its question is decided, or its assertion lost its place.
        if (status != Status.Rejected && status != Status.Void) revert NotRejected(q.assertion);
        q.over = true;
        uint256 amount = BOND_BASE + _poolShare(q.assertion, q.metered);
        emit Claimed(key, q.challenger, amount);
        VAULT.pay(q.challenger, amount);
    }

    /// @notice The key of a question.
    function keyOf(bytes32 assertion, Kind kind, uint32 step, uint32 index) public pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.fques", assertion, uint8(kind), step, index));
    }

    /// @notice All that is stored of a question.
    function questionOf(bytes32 key) external view returns (Question memory) {
        return _questions[key];
    }

    /// @notice What the questions of an assertion share.
    function tallyOf(bytes32 assertion) external view returns (Tally memory) {
        return _tallies[assertion];
    }

    /// @notice What a question costs to ask.
    function bond() external view returns (uint256) {
        return BOND_BASE;
    }

    /// @inheritdoc IDisputeGame
    function window() external view returns (uint256) {
        return WINDOW;
    }

    /// @inheritdoc IDisputeGame
    function leastStake() external view returns (uint256) {
        return 2 * (CLOSER_FEE + BOUNTY + 2 * GAS_REPAID);
    }

    /// @inheritdoc IDisputeGame
    function openGames(bytes32 assertion) external view returns (uint256) {
        return _tallies[assertion].open;
    }

    /// @dev Can this be asked, now and for this money.
    function _checkChallenge(bytes32 assertion, Kind kind, uint32 step, uint32 index) private {
        (Status status, uint40 postedAt,,) = ASSERTIONS.assertionOf(assertion);
        // INVARIANT: a settled assertion is never disputed again, nor one that lost its place.
        if (status != Status.Pending) revert NotPending(assertion);
        uint256 end = uint256(postedAt) + WINDOW;
        // INVARIANT: no question is asked once the assertion could be confirmed.
        if (block.timestamp >= end) revert WindowOver(end);
        // INVARIANT: a question has one key.
        if (kind == Kind.None || (kind == Kind.Ledger && index != 0)) revert BadKind();
        uint256 steps = IChain(address(ASSERTIONS)).derivedOf(assertion).steps;
        // INVARIANT: a question about nothing has no proof, so it cannot be asked.
        if (step >= steps) revert OutOfRange(step, steps);
        // INVARIANT: every question holds one bond.
        if (msg.value != BOND_BASE) revert WrongBond(BOND_BASE);
    }

    /// @dev A question that is neither over nor cut short.
    function _open(bytes32 key) private view returns (Question memory q) {
        q = _questions[key];
        if (q.kind == Kind.None) revert UnknownQuestion(key);
        if (q.over) revert QuestionOver(key);
        // INVARIANT: what is settled, or lost its place, judges nobody.
        if (_statusOf(q.assertion) != Status.Pending) revert NotPending(q.assertion);
    }

    /// @inheritdoc Terms
    function _tallyOf(bytes32 assertion) internal view override returns (Tally storage) {
        return _tallies[assertion];
    }
}
