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
        (bytes8 tag, bytes32 pad) = ("rf.node_", Hashing.PAD);
        // `Hashing.nodeHash` with its buffer kept: an opening of 32 children has 31 of them. Parents are written over
        // children that have been read.
        assembly ("memory-safe") {
            let first := add(children, 32)
            let p := mload(0x40)
            mstore(p, tag)
            for {} levels { levels := sub(levels, 1) } {
                let end := add(first, shl(5, count))
                let to := first
                for { let from := first } lt(from, end) { from := add(from, 64) } {
                    mstore(add(p, 8), mload(from))
                    switch lt(add(from, 32), end)
                    case 0 { mstore(add(p, 40), pad) }
                    default { mstore(add(p, 40), mload(add(from, 32))) }
                    mstore(to, keccak256(p, 72))
                    to := add(to, 32)
                }
                count := shr(1, add(count, 1))
            }
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
        // INVARIANT: the node is one of its level, and the count of a level above has a meaning.
        if (index >= count || count >> 64 != 0 || levels > 64) revert OutOfTree();
        uint256 used;
        uint256 sent = siblings.length;
        (bytes8 tag, bytes32 pad) = ("rf.node_", Hashing.PAD);
        // As in `pathRootAt`.
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, tag)
            for {} levels { levels := sub(levels, 1) } {
                let sibling := pad
                if lt(xor(index, 1), count) {
                    sibling := calldataload(add(siblings.offset, shl(5, used)))
                    used := add(used, 1)
                }
                let right := shl(5, and(index, 1))
                mstore(add(add(p, 8), right), node)
                mstore(sub(add(p, 40), right), sibling)
                node := keccak256(p, 72)
                index := shr(1, index)
                count := shr(1, add(count, 1))
            }
        }
        // INVARIANT: all siblings in range are sent, and nothing else.
        if (used != sent) revert WrongCount(sent, used);
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
        // Until the range is one node; what is above it is a path.
        for (; hi - lo > 1; leaves = (leaves + 1) >> 1) {
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
        return pathRootAt(level[0], lo, leaves, cursor, end);
    }

    /// @notice Root of the tree that has this node, the siblings being read from calldata.
    /// @param node The hash to start from.
    /// @param index Its index in its level.
    /// @param count Nodes of its level.
    /// @param cursor Offset of the siblings in calldata: from the bottom, those in range only.
    /// @param end The first offset that must not be read.
    /// @return root Of the tree.
    /// @return next The offset after the siblings.
    function pathRootAt(bytes32 node, uint256 index, uint256 count, uint256 cursor, uint256 end)
        internal
        pure
        returns (bytes32 root, uint256 next)
    {
        // INVARIANT: the node is one of its level, and halving the level ends.
        if (index >= count || count >> 64 != 0) revert OutOfTree();
        (bytes8 tag, bytes32 pad) = ("rf.node_", Hashing.PAD);
        // `Hashing.nodeHash` with its buffer kept: a step has some hundred of them. The node goes to the right if its
        // index is odd. A level is never below 1, and a tree has less than 65: a cursor cannot wrap.
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, tag)
            for {} gt(count, 1) { count := shr(1, add(count, 1)) } {
                let sibling := pad
                if lt(xor(index, 1), count) {
                    sibling := calldataload(cursor)
                    cursor := add(cursor, 32)
                }
                let right := shl(5, and(index, 1))
                mstore(add(add(p, 8), right), node)
                mstore(sub(add(p, 40), right), sibling)
                node := keccak256(p, 72)
                index := shr(1, index)
            }
        }
        // INVARIANT: no byte outside of the witness is used.
        if (cursor > end) revert ShortWitness();
        return (node, cursor);
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
