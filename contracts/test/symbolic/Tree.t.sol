// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashing} from "src/libraries/Hashing.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice For all children of small openings.
contract TreeSymbolic {
    /// @notice An opening of three children in two levels: the fourth is pad.
    function check_openingRoot_three(bytes32 a, bytes32 b, bytes32 c) public pure {
        bytes32[] memory children = new bytes32[](3);
        (children[0], children[1], children[2]) = (a, b, c);
        bytes32 right = Hashing.nodeHash(c, Hashing.PAD);
        assert(Tree.openingRoot(children, 2) == Hashing.nodeHash(Hashing.nodeHash(a, b), right));
    }

    /// @notice One child in two levels: missing subtrees are pad at the level where they are missing.
    function check_openingRoot_one(bytes32 a) public pure {
        bytes32[] memory children = new bytes32[](1);
        children[0] = a;
        bytes32 left = Hashing.nodeHash(a, Hashing.PAD);
        assert(Tree.openingRoot(children, 2) == Hashing.nodeHash(left, Hashing.PAD));
    }

    /// @notice An opening leaves what was allocated after the children as it was.
    function check_openingRoot_memory(bytes32 a, bytes32 b, bytes32 kept) public pure {
        bytes32[] memory children = new bytes32[](2);
        (children[0], children[1]) = (a, b);
        bytes32[] memory next = new bytes32[](1);
        next[0] = kept;
        assert(Tree.openingRoot(children, 1) == Hashing.nodeHash(a, b));
        assert(next.length == 1 && next[0] == kept);
    }

    /// @notice Counts of a level, for every tree and level.
    function check_levelCount(uint64 leaves, uint8 level) public pure {
        if (leaves == 0 || level > 63) return;
        uint256 count = Tree.levelCount(leaves, level);
        assert((count - 1) << level < leaves && leaves <= count << level);
    }

    /// @notice The paths of all leaves of a tree of three, by either way of reading siblings.
    function check_paths_three(bytes32 a, bytes32 b, bytes32 c) public view {
        bytes32 left = Hashing.nodeHash(a, b);
        bytes32 right = Hashing.nodeHash(c, Hashing.PAD);
        bytes32 root = Hashing.nodeHash(left, right);
        assert(this.climb(a, 0, 3, 2, b, right) == root && this.read(a, 0, 3, b, right) == root);
        assert(this.climb(b, 1, 3, 2, a, right) == root && this.read(b, 1, 3, a, right) == root);
        assert(this.climbOne(c, 2, 3, 2, left) == root && this.read(c, 2, 3, left, 0) == root);
    }

    function climb(bytes32 node, uint256 index, uint256 count, uint256 levels, bytes32, bytes32)
        external
        pure
        returns (bytes32)
    {
        bytes32[] calldata siblings;
        assembly {
            siblings.offset := 132
            siblings.length := 2
        }
        return Tree.climb(node, index, count, levels, siblings);
    }

    function climbOne(bytes32 node, uint256 index, uint256 count, uint256 levels, bytes32)
        external
        pure
        returns (bytes32)
    {
        bytes32[] calldata siblings;
        assembly {
            siblings.offset := 132
            siblings.length := 1
        }
        return Tree.climb(node, index, count, levels, siblings);
    }

    function read(bytes32 node, uint256 index, uint256 count, bytes32, bytes32)
        external
        pure
        returns (bytes32 root)
    {
        (root,) = Tree.pathRootAt(node, index, count, 100, 164);
    }
}
