// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Place} from "../Types.sol";
import {Clock} from "./Clock.sol";
import {Facts} from "./Facts.sol";
import {Layout} from "./Layout.sol";
import {Tree} from "./Tree.sol";

/// What a game asks. docs/protocol.md, 5.1.
enum Phase {
    /// There is no such game.
    None,
    /// The trace root of the item.
    Root,
    /// The children of an inner node.
    Open,
    /// The bytes of a chunk.
    Chunk,
    /// A proof of an element: a step, or a list of partial results.
    Element,
    /// The same for a segment of an element's reduction.
    Segment,
    /// That a published output equals its sample.
    Output,
    /// Nothing more.
    Over
}

/// What every move of a game changes: one word.
struct Cursor {
    /// What is asked.
    Phase phase;
    /// Is the asked hash within the tree of a node's chunks (and not in that of the nodes).
    bool inNode;
    /// Levels of the asked hash above the leaves of its tree.
    uint8 height;
    /// Index of the asked hash in its level, of the asked chunk, or of the asked output.
    uint48 index;
    /// Time of the ask.
    uint40 asked;
    /// Seconds left of the proposer's budget.
    uint32 proposerLeft;
    /// Seconds left of the challenger's budget.
    uint32 challengerLeft;
    /// What the challenger's moves cost, in gwei.
    uint40 metered;
    /// What the defender key's answers cost, in gwei.
    uint40 answered;
}

/// One challenger against one item.
struct Game {
    /// Who asks.
    address challenger;
    /// Index of the item.
    uint32 item;
    /// Leaves of the tree that the asked hash is in.
    uint56 leaves;
    /// Levels that one opening of that tree shows.
    uint8 levels;
    /// The assertion.
    bytes32 assertion;
    /// What every move changes.
    Cursor cursor;
    /// The asked hash.
    bytes32 hash;
    /// The node that the walk has reached.
    uint32 node;
    /// Its tensor, as `Layout.pack` packs it.
    uint144 shape;
    /// Chunk of the picked element.
    uint64 chunk;
    /// Slot of the picked element.
    uint32 slot;
    /// The picked segment, or 0 and 0.
    uint32 from;
    /// The picked segment's end.
    uint32 to;
    /// The picked value: of the element, or of its segment.
    int64 value;
}

/// What all games of an item share.
struct Claim {
    /// Hash of the item's header.
    bytes32 itemHash;
    /// Root of the proposer's trace, once it is posted.
    bytes32 traceRoot;
    /// When it was posted; 0 before.
    uint40 postedAt;
    /// Nodes of the item's program, once the root is posted.
    uint32 nodes;
    /// Tokens of the prompt.
    uint32 promptLength;
    /// Tokens or elements of the output.
    uint32 outputLength;
}

/// What all games of an assertion share.
struct Tally {
    /// Has a game rejected it.
    bool rejected;
    /// Games that are not over.
    uint32 open;
    /// Sum of `metered` over them, in gwei.
    uint64 live;
    /// What a rejection left for their metered gas, in wei.
    uint128 pool;
}

/// The list of partial results of a place.
struct List {
    /// Is there one.
    bool posted;
    /// Terms of a segment.
    uint32 segment;
    /// Term after the last.
    uint32 end;
    /// Of the entries.
    bytes32 digest;
}

/// All that the game stores.
struct State {
    mapping(bytes32 id => Game) games;
    mapping(bytes32 rootKey => Claim) claims;
    mapping(bytes32 assertion => Tally) tallies;
    mapping(bytes32 key => uint256 time) facts;
    mapping(bytes32 placeKey => List) lists;
}

/// @title What a game asks, and since when it is answered
library Games {
    /// @notice The key of the fact that a game's ask waits for.
    function askKey(Game storage game, Cursor memory cursor) internal view returns (bytes32) {
        Phase phase = cursor.phase;
        if (phase == Phase.Open) {
            (uint256 levels, uint256 count) = opening(game.leaves, game.levels, cursor);
            return Facts.openKey(game.assertion, levels, count, game.hash);
        }
        if (phase == Phase.Chunk) {
            // A node without positions has no chunk: asked for one, nothing answers.
            uint256 length = game.leaves == 0 ? 0 : Layout.chunkLength(game.shape, cursor.index);
            return Facts.chunkKey(game.assertion, cursor.index, length, game.hash);
        }
        if (phase == Phase.Root) return Facts.rootKey(game.assertion, game.item);
        if (phase == Phase.Output) return Facts.outputKey(game.assertion, game.item, cursor.index);
        return Facts.placeKey(game.assertion, game.item, placeOf(game));
    }

    /// @notice How the asked hash is opened: levels, and children in range.
    function opening(uint256 leaves, uint256 perOpening, Cursor memory cursor)
        internal
        pure
        returns (uint256 levels, uint256 count)
    {
        levels = perOpening < cursor.height ? perOpening : cursor.height;
        count = Tree.childrenInRange(leaves, cursor.height, cursor.index, levels);
    }

    /// @notice The picked element, or the picked segment of it.
    function placeOf(Game storage game) internal view returns (Place memory) {
        return Place({node: game.node, chunk: game.chunk, slot: game.slot, from: game.from, to: game.to});
    }

    /// @notice Is the picked place of this game that one.
    function isAt(Game storage game, Place calldata place) internal view returns (bool) {
        return game.node == place.node && game.chunk == place.chunk && game.slot == place.slot
            && game.from == place.from && game.to == place.to;
    }

    /// @notice Does the fact that answers this phase end the game, if it is no list.
    function asksProof(Phase phase) internal pure returns (bool) {
        return phase == Phase.Element || phase == Phase.Segment || phase == Phase.Output;
    }

    /// @notice The clock of a cursor.
    function clockOf(Cursor memory cursor) internal pure returns (Clock memory) {
        return Clock({
            asked: cursor.asked, proposerLeft: cursor.proposerLeft, challengerLeft: cursor.challengerLeft
        });
    }
}
