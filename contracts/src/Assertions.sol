// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived} from "./RollupTypes.sol";
import {Status} from "./interfaces/IAssertions.sol";
import {IAssertions} from "./interfaces/IAssertions.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IChain} from "./interfaces/IChain.sol";
import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {Accounts, LedgerState} from "./libraries/Accounts.sol";
import {Hashing} from "./libraries/Hashing.sol";

/// A stake on a batch, and what the batch says.
struct Assertion {
    address proposer;
    uint40 postedAt;
    uint40 height;
    /// Never Void: that follows from the chain.
    Status status;
    /// Was the proposer the sequencer.
    bool bySequencer;
    address defender;
    /// 0 once it left.
    uint88 stake;
    bool revoked;
    Derived derived;
}

/// @title The chain of assertions
/// @notice Section 9 of docs/rollup.md: linear, confirmed from below. A rejection cuts it off, with no loop over what was
/// built on it.
contract Assertions is IChain {
    /// @notice The game of inferences.
    IDisputeGame public immutable GAME;
    /// @notice The game of steps: ledger and shape.
    IDisputeGame public immutable STEP_GAME;
    /// @notice The queue.
    IInbox public immutable INBOX;
    /// @notice Holds the stakes.
    IBondVault public immutable VAULT;

    uint64 private immutable FORCE_DELAY;
    uint64 private immutable GRACE;

    /// @notice Who turns posted data into what is appended.
    mapping(address source => bool) public isSource;
    /// @inheritdoc IChain
    mapping(uint256 height => bytes32) public chain;
    mapping(bytes32 assertion => Assertion) private _assertions;
    /// @inheritdoc IChain
    mapping(address proposer => mapping(uint32 epoch => uint64)) public nextNumber;

    /// @notice Who may always post.
    address public sequencer;
    /// @notice May anybody post the next one.
    bool public opened;
    /// @notice When an assertion of somebody else than the sequencer was rejected last.
    uint64 public reopenedAt;
    /// @notice Height of the last assertion.
    uint40 public head;
    /// @notice Height of the last confirmed assertion.
    uint40 public confirmed;

    /// @notice An assertion was appended.
    event AssertionPosted(
        bytes32 indexed assertion,
        bytes32 indexed parent,
        address indexed proposer,
        address defender,
        uint256 height,
        Derived derived
    );
    /// @notice Nobody refuted the assertion in time: it is final.
    event AssertionConfirmed(bytes32 indexed assertion);
    /// @notice A game refuted the assertion. Whatever was built on it is void.
    event AssertionRejected(bytes32 indexed assertion, uint256 height);
    /// @notice The stake of a void assertion went back.
    event Reclaimed(bytes32 indexed assertion, uint256 stake);
    /// @notice The defender key can no longer answer.
    event DefenderRevoked(bytes32 indexed assertion);
    /// @notice There is another sequencer.
    event HandedOver(address indexed from, address indexed to);

    /// @notice Only a source of data appends.
    error NotSource();
    /// @notice The parent is not the head: build on the head.
    error NotHead(bytes32 head);
    /// @notice It is the sequencer's turn.
    error NotYourTurn();
    /// @notice The stake must be exactly this.
    error WrongStake(uint256 due);
    /// @notice The first signed step must have this number.
    error WrongNumber(uint64 due);
    /// @notice This very assertion is posted already.
    error AlreadyPosted(bytes32 assertion);
    /// @notice The assertion is not pending: there is none of this id, it is settled, or it lost its place.
    error NotPending(bytes32 assertion);
    /// @notice This one is to be confirmed first.
    error NotNext(bytes32 next);
    /// @notice The window lasts until then.
    error TooEarly(uint256 end);
    /// @notice Games are open: close them first.
    error GamesOpen(uint256 count);
    /// @notice Only a game rejects.
    error NotGame();
    /// @notice Only the proposer revokes its key.
    error NotProposer();
    /// @notice Only the sequencer hands over.
    error NotSequencer();
    /// @notice The assertion has not lost its place: its stake is not free.
    error NotVoid(bytes32 assertion);
    /// @notice The stake has gone back already.
    error AlreadyReclaimed(bytes32 assertion);

    /// @notice Fixes the partners, of which all but the inbox may be made later: their addresses are known before.
    constructor(
        IDisputeGame game,
        IDisputeGame stepGame,
        IInbox inbox,
        IBondVault vault,
        address[] memory sources,
        address sequencer_
    ) {
        (GAME, STEP_GAME, INBOX, VAULT) = (game, stepGame, inbox, vault);
        (FORCE_DELAY, GRACE) = (inbox.config().forceDelay, inbox.config().grace);
        for (uint256 i = 0; i < sources.length; ++i) {
            isSource[sources[i]] = true;
        }
        // Nobody is a sequencer too: then everybody waits for entries to be overdue.
        // slither-disable-next-line missing-zero-check
        sequencer = sequencer_;
        bytes32 genesis = keccak256(abi.encodePacked("rf.genes", uint64(block.chainid), address(this)));
        chain[0] = genesis;
        Assertion storage a = _assertions[genesis];
        a.status = Status.Confirmed;
        a.derived.stateRoot =
            Accounts.stateRoot(LedgerState({accountsRoot: Hashing.PAD, accounts: 0, fees: 0}));
    }

    /// @inheritdoc IChain
    function append(bytes32 parent, address proposer, address defender, Derived calldata derived)
        external
        payable
        returns (bytes32 assertion)
    {
        // INVARIANT: what is derived follows from posted data.
        if (!isSource[msg.sender]) revert NotSource();
        uint40 height = head;
        // INVARIANT: the chain is one line, and a batch whose parent is gone is no batch.
        if (parent != chain[height]) revert NotHead(chain[height]);
        // INVARIANT: nobody takes the chain from a sequencer that does its work.
        if (!mayPost(proposer)) revert NotYourTurn();
        uint256 due = GAME.leastStake();
        // INVARIANT: half of each stake pays closer, bounty and gas of its own games.
        if (msg.value != due) revert WrongStake(due);
        uint64 number = nextNumber[proposer][derived.epoch];
        // INVARIANT: a number belongs to one posted batch, and there are no gaps.
        if (derived.firstNumber != number) revert WrongNumber(number);
        nextNumber[proposer][derived.epoch] = number + derived.steps - derived.entries;
        assertion = keccak256(
            abi.encodePacked(
                "rf.asser", parent, derived.batchHash, proposer, defender, uint64(block.timestamp)
            )
        );
        Assertion storage a = _assertions[assertion];
        // INVARIANT: an id has one stake.
        if (a.status != Status.None) revert AlreadyPosted(assertion);
        (a.proposer, a.postedAt, a.height) = (proposer, uint40(block.timestamp), height + 1);
        (a.status, a.bySequencer) = (Status.Pending, proposer == sequencer);
        (a.defender, a.stake) = (defender, uint88(due));
        a.derived = derived;
        (head, opened) = (height + 1, false);
        chain[height + 1] = assertion;
        emit AssertionPosted(assertion, parent, proposer, defender, height + 1, derived);
        VAULT.deposit{value: due}(address(this));
    }

    /// @notice Confirms the lowest assertion that is not, if nobody refuted it. Anyone may. The stake is the proposer's
    /// again, in the vault.
    function confirm(bytes32 assertion) external {
        bytes32 next = confirmed < head ? chain[confirmed + 1] : bytes32(0);
        // INVARIANT: parents first: what is final stands on what is final.
        if (assertion != next || next == 0) revert NotNext(next);
        Assertion storage a = _assertions[assertion];
        uint256 end = uint256(a.postedAt) + GAME.window();
        // INVARIANT: everybody had the whole window to challenge.
        if (block.timestamp < end) revert TooEarly(end);
        uint256 games = GAME.openGames(assertion) + STEP_GAME.openGames(assertion);
        // INVARIANT: no question is left open, in either game.
        if (games != 0) revert GamesOpen(games);
        a.status = Status.Confirmed;
        confirmed += 1;
        emit AssertionConfirmed(assertion);
        VAULT.pay(a.proposer, a.stake);
    }

    /// @inheritdoc IAssertions
    function reject(bytes32 assertion) external returns (uint256 stake) {
        // INVARIANT: only a game that its proposer lost rejects.
        if (msg.sender != address(GAME) && msg.sender != address(STEP_GAME)) revert NotGame();
        Assertion storage a = _assertions[assertion];
        // INVARIANT: an assertion is settled once, and what lost its place is judged no more.
        if (_status(assertion, a) != Status.Pending) revert NotPending(assertion);
        a.status = Status.Rejected;
        // A pending height is at least 1.
        head = a.height - 1;
        if (a.bySequencer) opened = true;
        else reopenedAt = uint64(block.timestamp);
        stake = a.stake;
        emit AssertionRejected(assertion, a.height);
        VAULT.pay(msg.sender, stake);
    }

    /// @notice Gives the stake of an assertion that lost its place back, once. Anyone may.
    function reclaim(bytes32 assertion) external {
        Assertion storage a = _assertions[assertion];
        // INVARIANT: a stake stays until its assertion is judged or cut off.
        if (_status(assertion, a) != Status.Void) revert NotVoid(assertion);
        uint256 stake = a.stake;
        // INVARIANT: it goes back once. (A stake is never 0: it pays a fee.)
        if (stake == 0) revert AlreadyReclaimed(assertion);
        a.stake = 0;
        emit Reclaimed(assertion, stake);
        VAULT.pay(a.proposer, stake);
    }

    /// @notice Takes the defender key's right to answer. It cannot be given to another.
    function revokeDefender(bytes32 assertion) external {
        Assertion storage a = _assertions[assertion];
        // INVARIANT: a stolen key cannot lock its owner out.
        if (msg.sender != a.proposer) revert NotProposer();
        a.revoked = true;
        emit DefenderRevoked(assertion);
    }

    /// @notice Names the next sequencer, from now on.
    // slither-disable-next-line missing-zero-check
    function handOver(address next) external {
        // INVARIANT: the place is given, not taken.
        if (msg.sender != sequencer) revert NotSequencer();
        emit HandedOver(sequencer, next);
        sequencer = next;
    }

    /// @notice May an account post on the head now.
    function mayPost(address account) public view returns (bool) {
        if (account == sequencer || opened) return true;
        return isLate() && block.timestamp > uint256(reopenedAt) + GRACE;
    }

    /// @notice Has the sequencer left an entry too long.
    function isLate() public view returns (bool) {
        uint64 made = INBOX.timeOf(_assertions[chain[head]].derived.cursor);
        return made != 0 && uint256(made) + FORCE_DELAY + GRACE < block.timestamp;
    }

    /// @inheritdoc IAssertions
    function assertionOf(bytes32 assertion)
        external
        view
        returns (Status status, uint40 postedAt, uint32 items, bytes32 itemsRoot)
    {
        Assertion storage a = _assertions[assertion];
        return (_status(assertion, a), a.postedAt, a.derived.items, a.derived.itemsRoot);
    }

    /// @inheritdoc IChain
    function tip() external view returns (bytes32 assertion, bytes32 stateRoot, uint64 cursor) {
        assertion = chain[head];
        Assertion storage a = _assertions[assertion];
        return (assertion, a.derived.stateRoot, a.derived.cursor);
    }

    /// @inheritdoc IChain
    function derivedOf(bytes32 assertion) external view returns (Derived memory) {
        return _assertions[assertion].derived;
    }

    /// @inheritdoc IChain
    function placeOf(bytes32 assertion) external view returns (uint40 postedAt, uint40 height) {
        Assertion storage a = _assertions[assertion];
        return (a.postedAt, a.height);
    }

    /// @inheritdoc IAssertions
    function proposerOf(bytes32 assertion) external view returns (address) {
        return _assertions[assertion].proposer;
    }

    /// @inheritdoc IAssertions
    function isDefender(bytes32 assertion, address account) external view returns (bool) {
        Assertion storage a = _assertions[assertion];
        return a.status != Status.None && a.defender == account && !a.revoked;
    }

    /// @inheritdoc IAssertions
    function defenderOf(bytes32 assertion) external view returns (address) {
        Assertion storage a = _assertions[assertion];
        return a.revoked ? a.proposer : a.defender;
    }

    /// @inheritdoc IAssertions
    function twinOf(address game) external view returns (address) {
        return game == address(GAME) ? address(STEP_GAME) : address(GAME);
    }

    /// @dev Where an assertion stands: what is pending but not on the chain is void.
    function _status(bytes32 assertion, Assertion storage a) private view returns (Status) {
        if (a.status != Status.Pending) return a.status;
        return a.height <= head && chain[a.height] == assertion ? Status.Pending : Status.Void;
    }
}
