// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, NodeProof, Place} from "../Types.sol";
import {Status} from "../interfaces/IAssertions.sol";
import {Facts} from "../libraries/Facts.sol";
import {Claim, Cursor, Game, Games, List, Phase, Tally} from "../libraries/Games.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Layout} from "../libraries/Layout.sol";
import {Program} from "../libraries/Program.sol";
import {Tree} from "../libraries/Tree.sol";
import {Closing} from "./Closing.sol";

/// @title What a challenger asks
/// @notice Every pick names what it answers, so one that a reorganisation moved to another history reverts.
abstract contract Picks is Closing {
    using Games for Cursor;

    /// @dev Bytes of calldata of each move besides what has a variable length.
    uint256 private constant CHALLENGE_BYTES = 260;
    uint256 private constant PICK_BYTES = 100;
    uint256 private constant PICK_NODE_BYTES = 420;

    /// @notice A game was opened.
    event Challenged(
        bytes32 indexed id,
        bytes32 indexed assertion,
        address indexed challenger,
        uint32 item,
        uint64 counter,
        uint256 bond
    );
    /// @notice A child or a chunk's hash was picked: the game asks to open it.
    event Picked(bytes32 indexed id, bytes32 hash, bool inNode, uint8 height, uint48 index);
    /// @notice A node was picked: the game asks to open its tensor's root.
    event NodePicked(bytes32 indexed id, uint32 node, bytes32 hash, uint64 chunks);
    /// @notice An element, or a segment of it, was picked: the game asks for a proof of its value.
    event PlacePicked(bytes32 indexed id, Place place, int64 value);
    /// @notice An output was picked: the game asks for a proof that it equals its sample.
    event OutputPicked(bytes32 indexed id, uint256 index);

    /// @notice The window is over: the assertion can no longer be challenged.
    error WindowOver(uint256 end);
    /// @notice The header or its path is not that of this item of the assertion.
    error WrongItem();
    /// @notice The bond must be exactly this.
    error WrongBond(uint256 due);
    /// @notice The challenger has opened this game before: take the next counter for another.
    error GameExists(bytes32 id);
    /// @notice The child's hash does not lie under the asked one.
    error WrongChild();
    /// @notice The child is a node's root: use `pickNode`.
    error ChildIsNode();
    /// @notice The child is not a node's root: use `pick`.
    error ChildIsNotNode();
    /// @notice The node has no positions, and its root says so: there is nothing to ask.
    error NodeWithoutPositions(uint32 node);
    /// @notice The node has more chunks than a game can address: its model should not have been announced.
    error NodeTooLarge(uint64 chunks);
    /// @notice The bytes do not hash to the asked chunk.
    error WrongChunk();
    /// @notice The entries do not hash to the named digest.
    error WrongEntries();
    /// @notice The item has fewer outputs, the list fewer segments, than that.
    error OutOfRange(uint256 index, uint256 count);

    /// @notice The id of a game.
    /// @param counter Chosen by the challenger; each names one game on the item.
    function gameId(bytes32 assertion, uint32 item, address challenger, uint64 counter)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked("rf.game_", assertion, item, challenger, counter));
    }

    /// @notice The bond for an item.
    function bondOf(Item calldata item) public view returns (uint256) {
        return _bond(uint256(item.promptLength) + item.outputLength);
    }

    /// @notice Opens a game against an item; the sent money is the bond. It asks for the trace root.
    /// @param header The item's header, and its path under the assertion's items.
    /// @return id The game.
    function challenge(
        bytes32 assertion,
        uint32 item,
        uint64 counter,
        Item calldata header,
        bytes32[] calldata path
    ) external payable returns (bytes32 id) {
        uint256 gasBefore = gasleft();
        uint256 end = _checkItem(assertion, item, header, path);
        uint256 bond = bondOf(header);
        // INVARIANT: every game holds one bond, known from its item.
        if (msg.value != bond) revert WrongBond(bond);
        id = gameId(assertion, item, msg.sender, counter);
        Game storage game = state.games[id];
        // INVARIANT: no game is opened twice, over or not.
        if (game.cursor.phase != Phase.None) revert GameExists(id);

        (game.challenger, game.item, game.assertion) = (msg.sender, item, assertion);
        Cursor memory cursor;
        cursor.phase = Phase.Root;
        cursor.asked = uint40(block.timestamp);
        cursor.proposerLeft = PROPOSER_BUDGET;
        cursor.challengerLeft = uint32(end - block.timestamp);
        state.tallies[assertion].open += 1;
        // The vault calls nobody, and the move is metered with it.
        // slither-disable-next-line reentrancy-eth,reentrancy-events
        VAULT.deposit{value: bond}(address(this));
        emit Challenged(id, assertion, msg.sender, item, counter, bond);
        _moved(game, cursor, gasBefore, CHALLENGE_BYTES + 32 * path.length);
    }

    /// @notice Asks to open a child of the asked hash, or a chunk.
    /// @param hash The hash that the game asks about; after the root's answer the root.
    /// @param child Which child of the opening.
    /// @param childHash Its hash.
    /// @param siblings From the child up to the hash, those in range only.
    function pick(bytes32 id, bytes32 hash, uint256 child, bytes32 childHash, bytes32[] calldata siblings)
        external
    {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _challengersTurn(id);
        _descend(game, cursor, hash, child, childHash, siblings);
        if (cursor.height == 0) {
            // INVARIANT: below a node's root its shape is known.
            if (!cursor.inNode) revert ChildIsNode();
            cursor.phase = Phase.Chunk;
        } else {
            cursor.phase = Phase.Open;
        }
        emit Picked(id, childHash, cursor.inNode, cursor.height, cursor.index);
        _moved(game, cursor, gasBefore, PICK_BYTES + 32 * siblings.length);
    }

    /// @notice Asks to open a node's tensor, whose root is a child of the asked hash.
    /// @dev A node without positions whose root is not that of no leaves is asked for a chunk of no bytes, which nothing
    /// answers. (Otherwise a proposer could hide a difference there that can be seen but not asked about.)
    /// @param header The item's header.
    /// @param proof The node's record; its model header.
    function pickNode(
        bytes32 id,
        bytes32 hash,
        uint256 child,
        bytes32 childHash,
        bytes32[] calldata siblings,
        Item calldata header,
        NodeProof calldata proof
    ) external {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _challengersTurn(id);
        _descend(game, cursor, hash, child, childHash, siblings);
        // INVARIANT: only a leaf of the tree over the nodes is a node's root.
        if (cursor.inNode || cursor.height != 0) revert ChildIsNotNode();
        uint64 chunks = _enterNode(game, cursor, header, proof);
        // INVARIANT: an impossible question costs the honest side nothing: its empty tensors have the root of no leaves.
        if (chunks == 0 && childHash == Hashing.PAD) revert NodeWithoutPositions(game.node);
        emit NodePicked(id, game.node, childHash, chunks);
        uint256 payload = PICK_NODE_BYTES + 32 * (siblings.length + proof.path.length) + proof.record.length;
        _moved(game, cursor, gasBefore, payload);
    }

    /// @notice Asks for a proof of an element of the opened chunk.
    /// @param hash The asked chunk's hash.
    /// @param slot Which element.
    /// @param data The chunk's bytes.
    function pickElement(bytes32 id, bytes32 hash, uint32 slot, bytes calldata data) external {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _challengersTurn(id);
        if (cursor.phase != Phase.Chunk) revert WrongPhase(cursor.phase);
        // INVARIANT: a pick answers the hash that it names.
        if (game.hash != hash) revert NotAsked();
        // INVARIANT: the value is the committed one.
        if (Hashing.chunkHashCalldata(cursor.index, data) != hash) revert WrongChunk();
        int64 value = Layout.value(game.shape, data, slot);
        (game.chunk, game.slot, game.from, game.to, game.value) = (cursor.index, slot, 0, 0, value);
        cursor.phase = Phase.Element;
        emit PlacePicked(id, Games.placeOf(game), value);
        _moved(game, cursor, gasBefore, PICK_BYTES + data.length);
    }

    /// @notice Asks for a proof of one segment of the posted list.
    /// @param digest The list's digest.
    /// @param entries The list: i64, big-endian.
    /// @param segment Which entry.
    function pickSegment(bytes32 id, bytes32 digest, bytes calldata entries, uint32 segment) external {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _challengersTurn(id);
        if (cursor.phase != Phase.Element && cursor.phase != Phase.Segment) revert WrongPhase(cursor.phase);
        List memory list = state.lists[Facts.placeKey(game.assertion, game.item, Games.placeOf(game))];
        // INVARIANT: a pick answers the list that it names.
        if (!list.posted || list.digest != digest) revert NotAsked();
        // INVARIANT: the value is the posted one.
        if (Facts.listDigest(entries) != digest) revert WrongEntries();
        if (segment >= entries.length / 8) revert OutOfRange(segment, entries.length / 8);
        uint256 from = game.from + uint256(segment) * list.segment;
        uint256 to = from + list.segment < list.end ? from + list.segment : list.end;
        int64 value = int64(uint64(bytes8(entries[8 * uint256(segment):])));
        (game.from, game.to, game.value) = (uint32(from), uint32(to), value);
        cursor.phase = Phase.Segment;
        emit PlacePicked(id, Games.placeOf(game), value);
        _moved(game, cursor, gasBefore, PICK_BYTES + entries.length);
    }

    /// @notice Asks for a proof that an output equals its sample. Only as the first move, for a challenger whose own
    /// trace has the very same root.
    /// @param root The trace root.
    /// @param index Which token, or which element of the vector.
    function pickOutput(bytes32 id, bytes32 root, uint32 index) external {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _challengersTurn(id);
        if (cursor.phase != Phase.Root) revert WrongPhase(cursor.phase);
        Claim storage claimed = state.claims[Facts.rootKey(game.assertion, game.item)];
        // INVARIANT: a pick answers the root that it names.
        if (claimed.traceRoot != root) revert NotAsked();
        // INVARIANT: an impossible question costs the honest side nothing.
        if (index >= claimed.outputLength) revert OutOfRange(index, claimed.outputLength);
        cursor.phase = Phase.Output;
        cursor.index = index;
        emit OutputPicked(id, index);
        _moved(game, cursor, gasBefore, PICK_BYTES);
    }

    /// @dev Checks that the item is one of a pending assertion, and remembers what its games need.
    /// @return end When the window ends.
    function _checkItem(bytes32 assertion, uint32 item, Item calldata header, bytes32[] calldata path)
        private
        returns (uint256 end)
    {
        (Status status, uint40 postedAt, uint32 items, bytes32 itemsRoot) = ASSERTIONS.assertionOf(assertion);
        // INVARIANT: a settled assertion is never disputed again.
        if (status != Status.Pending) revert NotPending(assertion);
        end = uint256(postedAt) + WINDOW;
        // INVARIANT: no game is opened once the assertion could be confirmed.
        if (block.timestamp >= end) revert WindowOver(end);
        bytes32 hash = Program.itemHash(header);
        // INVARIANT: the header is the one that the contract made from the posted data.
        if (Tree.pathRoot(hash, item, items, path) != itemsRoot) revert WrongItem();
        Claim storage claimed = state.claims[Facts.rootKey(assertion, item)];
        if (claimed.outputLength != 0) return end;
        claimed.itemHash = hash;
        claimed.promptLength = header.promptLength;
        claimed.outputLength = header.outputLength;
    }

    /// @dev Moves the cursor to a child of the asked hash: height and index, and the tree if it is the first.
    function _descend(
        Game storage game,
        Cursor memory cursor,
        bytes32 hash,
        uint256 child,
        bytes32 childHash,
        bytes32[] calldata siblings
    ) private {
        (uint256 leaves, uint256 perOpening, bytes32 asked) = (game.leaves, game.levels, game.hash);
        if (cursor.phase == Phase.Root) {
            Claim storage claimed = state.claims[Facts.rootKey(game.assertion, game.item)];
            (leaves, asked) = (claimed.nodes, claimed.traceRoot);
            perOpening = _enterTree(game, cursor, leaves);
        } else if (cursor.phase != Phase.Open) {
            revert WrongPhase(cursor.phase);
        }
        // INVARIANT: a pick answers the hash that it names.
        if (asked != hash) revert NotAsked();
        (uint256 levels, uint256 count) = Games.opening(leaves, perOpening, cursor);
        // INVARIANT: the child covers something: an impossible question costs the honest side nothing.
        if (child >= count) revert OutOfRange(child, count);
        uint256 index = (uint256(cursor.index) << levels) + child;
        uint256 level = cursor.height - levels;
        // INVARIANT: the child is the committed one.
        if (Tree.climb(childHash, index, Tree.levelCount(leaves, level), levels, siblings) != hash) {
            revert WrongChild();
        }
        (cursor.height, cursor.index) = (uint8(level), uint48(index));
        game.hash = childHash;
    }

    /// @dev From a node's root into the tree of its chunks; a tree of one leaf is that leaf.
    function _enterNode(
        Game storage game,
        Cursor memory cursor,
        Item calldata header,
        NodeProof calldata proof
    ) private returns (uint64 chunks) {
        bytes32 itemHash = state.claims[Facts.rootKey(game.assertion, game.item)].itemHash;
        uint32 node = uint32(cursor.index);
        uint256 shape;
        (chunks, shape) = VERIFIER.tensor(itemHash, node, header, proof);
        // INVARIANT: no chunk's index is cut off.
        if (chunks >> 48 != 0 || shape >> 144 != 0) revert NodeTooLarge(chunks);
        (game.node, game.shape) = (node, uint144(shape));
        cursor.inNode = true;
        cursor.index = 0;
        _enterTree(game, cursor, chunks);
        cursor.phase = cursor.height == 0 ? Phase.Chunk : Phase.Open;
    }

    /// @dev Begins a tree at its root.
    function _enterTree(Game storage game, Cursor memory cursor, uint256 leaves)
        private
        returns (uint256 levels)
    {
        cursor.height = uint8(Tree.depth(leaves));
        levels = Tree.openingLevels(cursor.height);
        (game.leaves, game.levels) = (uint56(leaves), uint8(levels));
    }
}
