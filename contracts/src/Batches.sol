// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived, ModelTerms, RollupConfig} from "./RollupTypes.sol";
import {Batch, BatchReader} from "./batch/BatchReader.sol";
import {IChain} from "./interfaces/IChain.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Hashing} from "./libraries/Hashing.sol";
import {Tree} from "./libraries/Tree.sol";
import {Words} from "./libraries/Words.sol";

/// @title Batches in calldata: the source of the chain of assertions
/// @notice Section 8 of docs/rollup.md. Parses a whole batch, derives what is stored of it, and stores nothing itself.
contract Batches is BatchReader {
    /// @dev Bytes of a head without its table, and of a line of that.
    uint256 private constant HEAD_BYTES = 64;
    uint256 private constant MODEL_BYTES = 36;
    uint256 private constant MAX_STEPS = 65_535;

    /// @notice Models and prices.
    IModelRegistry public immutable REGISTRY;
    /// @notice The queue.
    IInbox public immutable INBOX;
    /// @notice The chain that it appends to.
    IChain public immutable ASSERTIONS;

    uint256 private immutable SLACK;
    uint256 private immutable FORCE_DELAY;
    uint256 private immutable FORCED_ENTRIES;

    /// @notice The posted data, where they are not the calldata of a plain account's transaction.
    event BatchData(bytes32 indexed assertion, bytes data);

    /// @notice The data end within the head.
    error ShortHead();
    /// @notice The format is another one.
    error BadVersion(uint256 version);
    /// @notice The batch's time must be now or little later.
    error BadTime(uint256 time);
    /// @notice The parent is not the head: build on the head.
    error NotHead(bytes32 head);
    /// @notice A batch goes on where its parent ended, up to what the inbox has.
    error BadCursor(uint256 from, uint256 to);
    /// @notice The inbox holds other entries.
    error WrongInbox();
    /// @notice The entries in the batch are not those of the inbox.
    error WrongEntries();
    /// @notice A batch has 1 to 65,535 steps.
    error BadStepCount(uint256 steps);
    /// @notice The table's models must ascend.
    error BadTable(uint256 index);
    /// @notice Nothing follows the last step.
    error LeftoverBytes(uint256 count);
    /// @notice This entry is overdue: take as many as must be, and no signed item, or all that are overdue.
    error Overdue(uint256 entry);

    /// @notice Fixes the partners; parameters are the inbox's.
    constructor(IModelRegistry registry, IInbox inbox, IChain assertions)
        BatchReader(inbox.DOMAIN(), address(inbox), inbox.config().expire)
    {
        (REGISTRY, INBOX, ASSERTIONS) = (registry, inbox, assertions);
        RollupConfig memory c = inbox.config();
        (SLACK, FORCE_DELAY, FORCED_ENTRIES) = (c.slack, c.forceDelay, c.forcedEntries);
    }

    /// @notice Posts a batch. The sent money is the stake.
    /// @param parent The head, which the batch is built on.
    /// @param defender Who may answer besides the sender; the sender itself if nobody else.
    /// @param data The batch.
    function post(bytes32 parent, address defender, bytes calldata data)
        external
        payable
        returns (bytes32 assertion)
    {
        Derived memory derived = _derive(parent, data);
        // The assertions call the vault, which calls nobody.
        // slither-disable-next-line reentrancy-events
        assertion = ASSERTIONS.append{value: msg.value}(parent, msg.sender, defender, derived);
        // INVARIANT: a watcher of an ordinary RPC sees all data: as a transaction's calldata, or in the log.
        // slither-disable-next-line tx-origin
        if (msg.sender != tx.origin || msg.sender.code.length != 0) emit BatchData(assertion, data);
    }

    /// @notice What posting would derive now, for whoever wants to know before paying.
    function derive(bytes32 parent, bytes calldata data) external view returns (Derived memory) {
        return _derive(parent, data);
    }

    /// @dev All of section 8.
    function _derive(bytes32 parent, bytes calldata data) private view returns (Derived memory d) {
        Batch memory b;
        b.at = Words.start(data);
        b.end = b.at + data.length;
        uint256 signed = _readHead(b, d, parent);
        uint256 headBytes = b.at - Words.start(data);
        uint256 entries = d.entries;
        for (uint256 i = 0; i < entries; ++i) {
            _readEntry(b);
        }
        // INVARIANT: what is taken from the inbox is what is in it: named by its hash, which the head binds.
        if (b.accumulator != Words.readHash(Words.start(data) + 29)) revert WrongEntries();
        for (uint256 i = 0; i < signed; ++i) {
            _readSigned(b);
        }
        // INVARIANT: a batch has one encoding; nothing follows it.
        if (b.at != b.end) revert LeftoverBytes(b.end - b.at);
        // Both are at most the steps.
        (d.stateRoot, d.items) = (b.root, uint16(b.items));
        d.stepsRoot = Tree.openingRoot(b.leaves, Tree.depth(b.leaves.length));
        d.itemsRoot = _itemsRoot(b);
        d.batchHash = keccak256(abi.encodePacked("rf.batch", data[:headBytes], d.stepsRoot));
    }

    /// @dev Reads the head and its table.
    /// @return signed Number of signed items.
    function _readHead(Batch memory b, Derived memory d, bytes32 parent)
        private
        view
        returns (uint256 signed)
    {
        uint256 at = b.at;
        if (b.end - at < HEAD_BYTES) revert ShortHead();
        uint256 version = Words.read(at, 1);
        if (version != 1) revert BadVersion(version);
        b.time = Words.read(at + 1, 8);
        // INVARIANT: what is timed in the ledger is judged at a time near the block's, never before it.
        if (b.time < block.timestamp || b.time > block.timestamp + SLACK) revert BadTime(b.time);
        d.time = uint48(b.time);
        (d.epoch, d.firstNumber) = (uint32(Words.read(at + 9, 4)), uint64(Words.read(at + 13, 8)));
        d.cursor = uint64(Words.read(at + 21, 8));
        signed = Words.read(at + 62, 2);
        uint256 steps = signed + _enterInbox(b, d, parent, Words.readHash(at + 29));
        // INVARIANT: a batch does something, and an index of a step has 16 bits.
        if (steps == 0 || steps > MAX_STEPS) revert BadStepCount(steps);
        (d.steps, d.entries) = (uint16(steps), uint16(steps - signed));
        _checkOverdue(b.time, d.cursor, d.entries, signed);
        (b.leaves, b.itemHashes) = (new bytes32[](steps), new bytes32[](steps));
        b.at = at + HEAD_BYTES;
        _readTable(b, Words.read(at + 61, 1));
    }

    /// @dev The head's place in the inbox: goes on from the parent's, up to entries that exist.
    /// @return entries How many entries follow.
    function _enterInbox(Batch memory b, Derived memory d, bytes32 parent, bytes32 inboxHash)
        private
        view
        returns (uint256 entries)
    {
        (bytes32 head, bytes32 root, uint64 from) = ASSERTIONS.tip();
        // INVARIANT: a batch in another history is no batch.
        if (parent != head) revert NotHead(head);
        uint64 to = d.cursor;
        if (to < from || to > INBOX.count()) revert BadCursor(from, to);
        // INVARIANT: the inbox is the one that the batch was made for.
        if (INBOX.accumulator(to) != inboxHash) revert WrongInbox();
        (b.root, b.entry, b.accumulator) = (root, from, INBOX.accumulator(from));
        return to - from;
    }

    /// @dev An entry that is left overdue costs the proposer its signed items, and K entries.
    function _checkOverdue(uint256 time, uint64 next, uint256 entries, uint256 signed) private view {
        uint256 made = INBOX.timeOf(next);
        if (made == 0 || made + FORCE_DELAY > time) return;
        // INVARIANT: the inbox moves on, whatever else is waiting.
        if (entries < FORCED_ENTRIES || signed != 0) revert Overdue(next);
    }

    /// @dev Reads the table of models.
    function _readTable(Batch memory b, uint256 count) private view {
        if (count * MODEL_BYTES > b.end - b.at) revert ShortHead();
        (b.models, b.terms) = (new bytes32[](count), new ModelTerms[](count));
        bytes32 before;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 model = Words.readHash(b.at);
            // INVARIANT: a table has one order, and no model twice.
            if (i != 0 && model <= before) revert BadTable(i);
            b.models[i] = model;
            // At most 255, of a contract that calls nobody.
            // slither-disable-next-line calls-loop
            b.terms[i] = REGISTRY.termsAt(model, uint32(Words.read(b.at + 32, 4)), b.time);
            before = model;
            b.at += MODEL_BYTES;
        }
    }

    /// @dev Root over the items' hashes; pad if there is none.
    function _itemsRoot(Batch memory b) private pure returns (bytes32) {
        (bytes32[] memory hashes, uint256 count) = (b.itemHashes, b.items);
        if (count == 0) return Hashing.PAD;
        // The array was made for as many as there could be.
        assembly ("memory-safe") {
            mstore(hashes, count)
        }
        return Tree.openingRoot(hashes, Tree.depth(count));
    }
}
