// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashing} from "./Hashing.sol";

/// @title Positional trees: openings, paths, range proofs
/// @notice Sections 3 and 5.1 of docs/protocol.md. A tree is binary and has the least depth over its leaves; a missing
/// child is `PAD` at the level where it is missing and is never sent, so what is sent follows from the counts alone.
library Tree {
    /// @notice A leaf or a range that the tree does not have.
    error OutOfTree();
    /// @notice Too many or too few children or siblings.
    error WrongCount(uint256 sent, uint256 due);
    /// @notice The witness ends within a proof.
    error ShortWitness();

    /// @notice The least d with 2^d >= leaves.
    function depth(uint256 leaves) internal pure returns (uint256 d) {
        // INVARIANT: the shift below ends: no tree has 2^64 leaves.
        if (leaves >> 64 != 0) revert OutOfTree();
        while (uint256(1) << d < leaves) ++d;
    }

    /// @notice Levels that one opening of a tree of this height shows; the last opening shows what is left.
    function openingLevels(uint256 height) internal pure returns (uint256) {
        if (height == 0) return 0;
        uint256 openings = (height + 5) / 6;
        return (height + openings - 1) / openings;
    }

    /// @notice Nodes of the level that is `level` above the leaves.
    function levelCount(uint256 leaves, uint256 level) internal pure returns (uint256) {
        // INVARIANT: neither the shift nor the sum leaves a word.
        if (leaves >> 64 != 0 || level > 64) revert OutOfTree();
        return (leaves + (uint256(1) << level) - 1) >> level;
    }

    /// @notice Children in range when a node is opened by some levels.
    /// @param leaves Leaves of the whole tree.
    /// @param height Level of the node above the leaves.
    /// @param index Index of the node in its level.
    /// @param levels How far below the node the children are.
    function childrenInRange(uint256 leaves, uint256 height, uint256 index, uint256 levels)
        internal
        pure
        returns (uint256)
    {
        // INVARIANT: the node exists, and so do the levels below it.
        if (levels > height || index >= levelCount(leaves, height)) revert OutOfTree();
        uint256 first = index << levels;
        uint256 rest = levelCount(leaves, height - levels) - first;
        return rest < uint256(1) << levels ? rest : uint256(1) << levels;
    }

    /// @notice The node that is `levels` above some children: those in range, in order.
    function openingRoot(bytes32[] memory children, uint256 levels) internal pure returns (bytes32) {
        uint256 count = children.length;
        // INVARIANT: there is a child, and no more than the levels hold.
        if (count == 0 || levels > 64 || count > uint256(1) << levels) revert OutOfTree();
        for (uint256 level = 0; level < levels; ++level) {
            uint256 parents = (count + 1) / 2;
            for (uint256 i = 0; i < parents; ++i) {
                bytes32 right = 2 * i + 1 < count ? children[2 * i + 1] : Hashing.PAD;
                children[i] = Hashing.nodeHash(children[2 * i], right);
            }
            count = parents;
        }
        return children[0];
    }

    /// @notice The node that is `levels` above a node.
    /// @param node The hash to start from.
    /// @param index Its index in its level.
    /// @param count Nodes of its level.
    /// @param levels How far up.
    /// @param siblings From the bottom, those in range only.
    function climb(bytes32 node, uint256 index, uint256 count, uint256 levels, bytes32[] calldata siblings)
        internal
        pure
        returns (bytes32)
    {
        // INVARIANT: the node is one of its level.
        if (index >= count) revert OutOfTree();
        uint256 used;
        for (uint256 level = 0; level < levels; ++level) {
            bytes32 sibling = Hashing.PAD;
            if (index ^ 1 < count) {
                // INVARIANT: a sibling in range is sent.
                if (used == siblings.length) revert WrongCount(siblings.length, used + 1);
                sibling = siblings[used++];
            }
            node = index & 1 == 1 ? Hashing.nodeHash(sibling, node) : Hashing.nodeHash(node, sibling);
            index >>= 1;
            count = (count + 1) >> 1;
        }
        // INVARIANT: nothing else is sent.
        if (used != siblings.length) revert WrongCount(siblings.length, used);
        return node;
    }

    /// @notice Root of the tree that has this leaf. `climb` says what the siblings are.
    function pathRoot(bytes32 leaf, uint256 index, uint256 leaves, bytes32[] calldata siblings)
        internal
        pure
        returns (bytes32)
    {
        return climb(leaf, index, leaves, depth(leaves), siblings);
    }

    /// @notice Root of the tree that has these neighbouring leaves, the siblings being read from calldata.
    /// @param level Hashes of the leaves lo ..< hi; overwritten.
    /// @param lo Index of the first.
    /// @param leaves Leaves of the tree.
    /// @param cursor Offset of the proof in calldata: at each level, from the bottom, the left sibling if lo is odd,
    /// then the right one if hi is odd and below the level's count.
    /// @param end The first offset that must not be read.
    /// @return root Of the tree.
    /// @return next The offset after the proof.
    function rangeRoot(bytes32[] memory level, uint256 lo, uint256 leaves, uint256 cursor, uint256 end)
        internal
        pure
        returns (bytes32 root, uint256 next)
    {
        uint256 hi = lo + level.length;
        // INVARIANT: the range is not empty and lies in the tree.
        if (level.length == 0 || hi > leaves) revert OutOfTree();
        for (; leaves > 1; leaves = (leaves + 1) >> 1) {
            uint256 made;
            uint256 taken;
            if (lo & 1 == 1) {
                bytes32 left;
                (left, cursor) = hashAt(cursor, end);
                level[0] = Hashing.nodeHash(left, level[0]);
                (made, taken) = (1, 1);
            }
            // What is made is never ahead of what is taken, so no hash is overwritten before it is used.
            for (uint256 width = hi - lo; taken < width; taken += 2) {
                bytes32 right = Hashing.PAD;
                if (taken + 1 < width) right = level[taken + 1];
                else if (hi < leaves) (right, cursor) = hashAt(cursor, end);
                level[made++] = Hashing.nodeHash(level[taken], right);
            }
            lo >>= 1;
            hi = (hi + 1) >> 1;
        }
        return (level[0], cursor);
    }

    /// @dev The hash at a cursor.
    function hashAt(uint256 cursor, uint256 end) private pure returns (bytes32 hash, uint256 next) {
        // INVARIANT: no byte outside of the witness is read. (A cursor is an offset in calldata: the sum is small.)
        next = cursor + 32;
        if (next > end) revert ShortWitness();
        assembly ("memory-safe") {
            hash := calldataload(cursor)
        }
    }
}
