// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, ModelHeader, Place, StepData} from "../Types.sol";
import {Turn} from "../libraries/Clock.sol";
import {Facts} from "../libraries/Facts.sol";
import {Claim, Cursor, Game, Games, List, Phase} from "../libraries/Games.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Program} from "../libraries/Program.sol";
import {Tree} from "../libraries/Tree.sol";
import {Closing} from "./Closing.sol";

/// @title What answers an ask
/// @notice An answer is a fact of its assertion, whichever game asked; giving it again changes nothing. All but the
/// root and the lists are pure in what is committed, so anyone may give them. The last parameter names the game whose
/// ask is answered, for the defender key's gas; it may be any word.
abstract contract Answers is Closing {
    /// @dev Bytes of calldata of each answer besides what has a variable length.
    uint256 private constant OPEN_BYTES = 140;
    uint256 private constant ROOT_BYTES = 500;
    uint256 private constant PROVE_BYTES = 560;

    /// @notice An item's trace root, with the first opening of the tree over the nodes.
    event RootPosted(
        bytes32 indexed assertion, uint32 indexed item, bytes32 root, uint32 nodes, bytes32[] children
    );
    /// @notice The hashes below an inner node.
    event Opened(bytes32 indexed assertion, bytes32 indexed hash, uint256 levels, bytes32[] children);
    /// @notice The bytes of a chunk.
    event ChunkOpened(bytes32 indexed assertion, bytes32 indexed hash, uint48 index, bytes data);
    /// @notice The partial results of a place.
    event ListPosted(
        bytes32 indexed assertion,
        uint32 indexed item,
        Place place,
        uint32 segment,
        uint32 end,
        bytes32 digest,
        bytes entries
    );
    /// @notice A place's value follows from what the trace commits to.
    event Proven(bytes32 indexed assertion, uint32 indexed item, Place place);
    /// @notice A published output equals its sample.
    event OutputProven(bytes32 indexed assertion, uint32 indexed item, uint32 index);

    /// @notice Only the assertion's proposer or its defender key can say that.
    error NotDefender(bytes32 assertion);
    /// @notice Nobody has challenged this item: there is nothing to answer.
    error NotChallenged(bytes32 assertion, uint32 item);
    /// @notice The item's root is posted already, and another: the first is final.
    error RootIsFinal(bytes32 root);
    /// @notice The place's list is posted already, and another: the first is final.
    error ListIsFinal(bytes32 digest);
    /// @notice The header is not the challenged item's.
    error WrongHeader();
    /// @notice The model's header is not the item's.
    error WrongModelHeader();
    /// @notice The children do not hash to what they are to open.
    error WrongChildren(bytes32 root, bytes32 sent);
    /// @notice The bytes do not hash to what they are to open.
    error WrongBytes(bytes32 hash, bytes32 sent);
    /// @notice No chunk is empty.
    error EmptyChunk();
    /// @notice A list's entries have 8 bytes each.
    error BrokenEntries(uint256 length);
    /// @notice The list amounts to another value than the picked one.
    error ListDoesNotCombine(int256 result, int64 picked);
    /// @notice Another value than the picked one follows from what is committed.
    error NotProven(int256 result, int64 picked);
    /// @notice The published output is not its sample.
    error OutputDiffers(uint32 index);

    /// @notice Posts an item's trace root. For proposer and defender key; the first is final.
    /// @param root Of the trace.
    /// @param header The item's header.
    /// @param model Its model's.
    /// @param children The first opening of the tree over the nodes; the root itself if there is one node.
    /// @param game Whose ask this answers.
    function postRoot(
        bytes32 assertion,
        uint32 item,
        bytes32 root,
        Item calldata header,
        ModelHeader calldata model,
        bytes32[] calldata children,
        bytes32 game
    ) external {
        uint256 gasBefore = gasleft();
        _onlySide(assertion);
        bytes32 key = Facts.rootKey(assertion, item);
        Claim storage claimed = state.claims[key];
        // INVARIANT: a root is an answer to a game.
        if (claimed.outputLength == 0) revert NotChallenged(assertion, item);
        if (claimed.postedAt != 0) {
            // INVARIANT: the first root is final.
            if (claimed.traceRoot != root) revert RootIsFinal(claimed.traceRoot);
            return;
        }
        // INVARIANT: the number of nodes is the program's.
        if (Program.itemHash(header) != claimed.itemHash) revert WrongHeader();
        if (Program.modelId(model) != header.modelId) revert WrongModelHeader();
        _checkRootOpening(root, model.nodes, children);
        (claimed.traceRoot, claimed.postedAt, claimed.nodes) = (root, uint40(block.timestamp), model.nodes);
        emit RootPosted(assertion, item, root, model.nodes, children);
        _credit(game, key, gasBefore, ROOT_BYTES + 32 * children.length);
    }

    /// @notice Opens an inner node of any tree.
    /// @param hash The node.
    /// @param levels How far below it the children are.
    /// @param children Those in range, in order.
    /// @param game Whose ask this answers.
    function open(bytes32 assertion, bytes32 hash, uint8 levels, bytes32[] calldata children, bytes32 game)
        external
    {
        uint256 gasBefore = gasleft();
        // INVARIANT: no game asks for more, and no key's numbers are cut off.
        if (levels > 6) revert Tree.OutOfTree();
        bytes32 key = Facts.openKey(assertion, levels, children.length, hash);
        if (state.facts[key] != 0) return;
        bytes32 sent = Tree.openingRoot(children, levels);
        // INVARIANT: the children are the committed ones; missing ones are pad.
        if (sent != hash) revert WrongChildren(hash, sent);
        state.facts[key] = block.timestamp;
        emit Opened(assertion, hash, levels, children);
        _credit(game, key, gasBefore, OPEN_BYTES + 32 * children.length);
    }

    /// @notice Opens a chunk.
    /// @param hash The chunk's.
    /// @param index Of the chunk in its tensor.
    /// @param data Its bytes.
    /// @param game Whose ask this answers.
    function openChunk(bytes32 assertion, bytes32 hash, uint48 index, bytes calldata data, bytes32 game)
        external
    {
        uint256 gasBefore = gasleft();
        bytes32 key = Facts.chunkKey(assertion, index, data.length, hash);
        if (state.facts[key] != 0) return;
        // INVARIANT: what is asked of a node without positions has no answer.
        if (data.length == 0) revert EmptyChunk();
        bytes32 sent = Hashing.chunkHashCalldata(index, data);
        // INVARIANT: the bytes are the committed ones, of this index and this length.
        if (sent != hash) revert WrongBytes(hash, sent);
        state.facts[key] = block.timestamp;
        emit ChunkOpened(assertion, hash, index, data);
        _credit(game, key, gasBefore, OPEN_BYTES + data.length);
    }

    /// @notice Posts the partial results of the place that a game asks about. For proposer and defender key; the first
    /// list of a place is final.
    /// @param id The game.
    /// @param place What it asks about.
    /// @param entries One i64 for each segment, big-endian.
    /// @param data Header, record, and the openings of finish's reads.
    function postList(bytes32 id, Place calldata place, bytes calldata entries, StepData calldata data)
        external
    {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _asked(id, place);
        if (cursor.phase == Phase.Over) return;
        bytes32 assertion = game.assertion;
        _onlySide(assertion);
        bytes32 key = Facts.placeKey(assertion, game.item, place);
        bytes32 digest = Facts.listDigest(entries);
        List storage list = state.lists[key];
        if (list.posted) {
            // INVARIANT: the first list is final.
            if (list.digest != digest) revert ListIsFinal(list.digest);
            return;
        }
        _checkList(game, place, entries, data, list);
        list.posted = true;
        list.digest = digest;
        state.facts[key] = block.timestamp;
        emit ListPosted(assertion, game.item, place, list.segment, list.end, digest, entries);
        _credit(id, key, gasBefore, _stepBytes(data) + entries.length);
    }

    /// @notice Proves the value that a game asks about, and closes the game.
    /// @param id The game.
    /// @param place What it asks about.
    /// @param data Header, record and openings; not read if the place is proven already.
    function prove(bytes32 id, Place calldata place, StepData calldata data) external {
        uint256 gasBefore = gasleft();
        (Game storage game, Cursor memory cursor) = _asked(id, place);
        if (cursor.phase == Phase.Over) return;
        (bytes32 assertion, uint32 item) = (game.assertion, game.item);
        bytes32 key = Facts.placeKey(assertion, item, place);
        if (state.facts[key] == 0) {
            Claim storage claimed = state.claims[Facts.rootKey(assertion, item)];
            int64 picked = game.value;
            int256 result = VERIFIER.step(claimed.traceRoot, claimed.itemHash, place, picked, data);
            // INVARIANT: only the right value is proven.
            if (result != picked) revert NotProven(result, picked);
            state.facts[key] = block.timestamp;
            emit Proven(assertion, item, place);
            _credit(id, key, gasBefore, _stepBytes(data));
        }
        _closeIfEnded(id);
    }

    /// @notice Proves that a published output equals its sample, and closes the named game if it asks that.
    /// @param index Which output.
    /// @param data Header, the output node's record, and the openings.
    /// @param game Whose ask this answers.
    function proveOutput(bytes32 assertion, uint32 item, uint32 index, StepData calldata data, bytes32 game)
        external
    {
        uint256 gasBefore = gasleft();
        bytes32 key = Facts.outputKey(assertion, item, index);
        if (state.facts[key] == 0) {
            Claim storage claimed = state.claims[Facts.rootKey(assertion, item)];
            // INVARIANT: a sample is one of a posted trace.
            if (claimed.postedAt == 0) revert NotChallenged(assertion, item);
            // INVARIANT: only an output that equals its sample is proven.
            if (!VERIFIER.output(claimed.traceRoot, claimed.itemHash, index, data)) {
                revert OutputDiffers(index);
            }
            state.facts[key] = block.timestamp;
            emit OutputProven(assertion, item, index);
            _credit(game, key, gasBefore, _stepBytes(data));
        }
        Cursor memory cursor = state.games[game].cursor;
        if (cursor.phase != Phase.Output) return;
        if (Games.askKey(state.games[game], cursor) == key) _closeIfEnded(game);
    }

    /// @dev The game, if it asks about that place or is over.
    function _asked(bytes32 id, Place calldata place)
        private
        view
        returns (Game storage game, Cursor memory cursor)
    {
        game = state.games[id];
        cursor = game.cursor;
        if (cursor.phase == Phase.None) revert UnknownGame(id);
        // INVARIANT: an answer is to the place that it names.
        if (!Games.isAt(game, place)) revert NotAsked();
        if (cursor.phase == Phase.Over) return (game, cursor);
        if (cursor.phase != Phase.Element && cursor.phase != Phase.Segment) revert WrongPhase(cursor.phase);
        if (state.tallies[game.assertion].rejected) revert AssertionRejected(game.assertion);
        (Turn turn,,) = _replay(game, cursor);
        // INVARIANT: a late answer changes nothing. (Through another game the fact may still come.)
        if (turn == Turn.ProposerLate) revert ProposerIsLate();
    }

    /// @dev The list amounts to the picked value; remembers how it cuts the terms.
    function _checkList(
        Game storage game,
        Place calldata place,
        bytes calldata entries,
        StepData calldata data,
        List storage list
    ) private {
        if (entries.length % 8 != 0) revert BrokenEntries(entries.length);
        int64[] memory values = new int64[](entries.length / 8);
        assembly ("memory-safe") {
            let to := add(values, 32)
            for { let from := 0 } lt(from, entries.length) { from := add(from, 8) } {
                mstore(to, sar(192, calldataload(add(entries.offset, from))))
                to := add(to, 32)
            }
        }
        Claim storage claimed = state.claims[Facts.rootKey(game.assertion, game.item)];
        (int256 result, uint32 segment, uint32 end) =
            VERIFIER.combine(claimed.traceRoot, claimed.itemHash, place, values, data);
        // INVARIANT: a list explains the picked value, so a wrong value leaves a wrong entry in it.
        if (result != game.value) revert ListDoesNotCombine(result, game.value);
        (list.segment, list.end) = (segment, end);
    }

    /// @dev The first opening of the tree over the nodes hashes to the root.
    function _checkRootOpening(bytes32 root, uint256 nodes, bytes32[] calldata children) private pure {
        uint256 height = Tree.depth(nodes);
        uint256 levels = Tree.openingLevels(height);
        uint256 count = Tree.childrenInRange(nodes, height, 0, levels);
        // INVARIANT: all children in range are sent, and no other.
        if (children.length != count) revert Tree.WrongCount(children.length, count);
        bytes32 sent = Tree.openingRoot(children, levels);
        // INVARIANT: the children are the root's.
        if (sent != root) revert WrongChildren(root, sent);
    }

    /// @dev Root and lists are not determined by what is committed: they are the proposer's own words.
    function _onlySide(bytes32 assertion) private view {
        // INVARIANT: no stranger's garbage becomes an answer that nobody can go on from.
        if (msg.sender == ASSERTIONS.proposerOf(assertion)) return;
        if (!ASSERTIONS.isDefender(assertion, msg.sender)) revert NotDefender(assertion);
    }

    /// @dev Closes a game whose ask is proven in time. A late proof changes nothing.
    function _closeIfEnded(bytes32 id) private {
        (Game storage game, Cursor memory cursor) = _live(id);
        (,, bool ended) = _replay(game, cursor);
        if (ended) _challengerLoses(id, game, cursor);
    }

    /// @dev Bytes of calldata that a step had to carry.
    function _stepBytes(StepData calldata data) private pure returns (uint256) {
        return PROVE_BYTES + data.witness.length + data.node.record.length + 32 * data.node.path.length;
    }
}
