// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {TraceBuilder} from "../support/TraceBuilder.sol";
import {Test} from "forge-std/Test.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice Gives the library calldata and a call that can revert.
contract TreeCaller {
    /// @notice `Tree.pathRoot`.
    function pathRoot(bytes32 leaf, uint256 index, uint256 leaves, bytes32[] calldata siblings)
        external
        pure
        returns (bytes32)
    {
        return Tree.pathRoot(leaf, index, leaves, siblings);
    }

    /// @notice `Tree.climb`.
    function climb(bytes32 node, uint256 index, uint256 count, uint256 levels, bytes32[] calldata siblings)
        external
        pure
        returns (bytes32)
    {
        return Tree.climb(node, index, count, levels, siblings);
    }

    /// @notice `Tree.openingRoot`.
    function openingRoot(bytes32[] memory children, uint256 levels) external pure returns (bytes32) {
        return Tree.openingRoot(children, levels);
    }

    /// @notice `Tree.rangeRoot` of a whole proof; what it leaves.
    function rangeRoot(bytes32[] memory level, uint256 lo, uint256 leaves, bytes calldata proof)
        external
        pure
        returns (bytes32 root, uint256 left)
    {
        uint256 start;
        assembly ("memory-safe") {
            start := proof.offset
        }
        uint256 next;
        (root, next) = Tree.rangeRoot(level, lo, leaves, start, start + proof.length);
        left = start + proof.length - next;
    }
}

/// @notice Trees against a plain level-by-level definition.
contract TreeTest is Test, TraceBuilder {
    TreeCaller internal caller = new TreeCaller();

    function _hashes(uint256 n) internal pure returns (bytes32[] memory out) {
        out = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            out[i] = keccak256(abi.encode(i));
        }
    }

    function _part(bytes32[] memory all, uint256 lo, uint256 hi)
        internal
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](hi - lo);
        for (uint256 i = lo; i < hi; ++i) {
            out[i - lo] = all[i];
        }
    }

    function _words(bytes memory b) internal pure returns (bytes32[] memory out) {
        out = new bytes32[](b.length / 32);
        for (uint256 i = 0; i < out.length; ++i) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(b, 32), mul(i, 32)))
            }
            out[i] = word;
        }
    }

    /// @notice Depths around the powers of two; levels of an opening.
    function test_depth_and_openingLevels() public pure {
        uint256[2][9] memory depths = [
            [uint256(0), 0],
            [uint256(1), 0],
            [uint256(2), 1],
            [uint256(3), 2],
            [uint256(4), 2],
            [uint256(5), 3],
            [uint256(1 << 20), 20],
            [uint256((1 << 20) + 1), 21],
            [uint256(1 << 63), 63]
        ];
        for (uint256 i = 0; i < depths.length; ++i) {
            assertEq(Tree.depth(depths[i][0]), depths[i][1]);
        }
        uint256[2][8] memory levels = [
            [uint256(0), 0],
            [uint256(1), 1],
            [uint256(6), 6],
            [uint256(7), 4],
            [uint256(12), 6],
            [uint256(13), 5],
            [uint256(19), 5],
            [uint256(20), 5]
        ];
        for (uint256 i = 0; i < levels.length; ++i) {
            assertEq(Tree.openingLevels(levels[i][0]), levels[i][1]);
        }
    }

    /// @notice Every range of every small tree has its proof, and uses all of it.
    function test_rangeRoot_allSmallTrees() public view {
        for (uint256 n = 1; n <= 17; ++n) {
            bytes32[] memory all = _hashes(n);
            bytes32 root = _root(all);
            for (uint256 lo = 0; lo < n; ++lo) {
                for (uint256 hi = lo + 1; hi <= n; ++hi) {
                    (bytes32 got, uint256 left) =
                        caller.rangeRoot(_part(all, lo, hi), lo, n, _proof(all, lo, hi));
                    assertEq(got, root);
                    assertEq(left, 0);
                }
            }
        }
    }

    /// @notice Every path of every small tree.
    function test_pathRoot_allSmallTrees() public view {
        for (uint256 n = 1; n <= 33; ++n) {
            bytes32[] memory all = _hashes(n);
            bytes32 root = _root(all);
            for (uint256 i = 0; i < n; ++i) {
                assertEq(caller.pathRoot(all[i], i, n, _words(_proof(all, i, i + 1))), root);
            }
        }
    }

    /// @notice A tree is opened from the root down to its leaves; children that exist, and no others, are asked for.
    function testFuzz_openings_reachTheLeaves(uint256 n, uint256 pick) public view {
        n = bound(n, 2, 300);
        bytes32[] memory all = _hashes(n);
        bytes32 hash = _root(all);
        uint256 height = Tree.depth(n);
        uint256 index;
        uint256 step = Tree.openingLevels(height);
        while (height > 0) {
            uint256 levels = step < height ? step : height;
            bytes32[] memory level = all;
            for (uint256 i = 0; i < height - levels; ++i) {
                level = _above(level);
            }
            uint256 count = Tree.childrenInRange(n, height, index, levels);
            uint256 first = index << levels;
            bytes32[] memory children = _part(level, first, first + count);
            assertEq(caller.openingRoot(children, levels), hash);
            uint256 child = uint256(keccak256(abi.encode(pick, height))) % count;
            // The path within the opening alone: the siblings of the last `levels` levels.
            bytes32[] memory path = _words(_proof(level, first + child, first + child + 1));
            uint256 used;
            for (uint256 k = 0; k < levels; ++k) {
                if (((first + child) >> k) ^ 1 < Tree.levelCount(level.length, k)) ++used;
            }
            bytes32 up =
                caller.climb(level[first + child], first + child, level.length, levels, _part(path, 0, used));
            assertEq(up, hash);
            (hash, index) = (level[first + child], first + child);
            height -= levels;
        }
        assertEq(hash, all[index]);
    }

    /// @notice Too short, too long, out of range.
    function test_proofs_notCanonical_revert() public {
        bytes32[] memory all = _hashes(5);
        bytes32[] memory path = _words(_proof(all, 1, 2));
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, 2, 3));
        caller.pathRoot(all[1], 1, 5, _part(path, 0, 2));
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, 3, 1));
        caller.pathRoot(all[4], 4, 5, path);
        vm.expectRevert(Tree.OutOfTree.selector);
        caller.pathRoot(all[4], 5, 5, path);
        vm.expectRevert(Tree.OutOfTree.selector);
        caller.rangeRoot(all, 1, 5, "");
        vm.expectRevert(Tree.OutOfTree.selector);
        caller.rangeRoot(new bytes32[](0), 1, 5, "");
        vm.expectRevert(Tree.ShortWitness.selector);
        caller.rangeRoot(_part(all, 1, 2), 1, 5, new bytes(95));
        vm.expectRevert(Tree.OutOfTree.selector);
        caller.openingRoot(all, 2);
        vm.expectRevert(Tree.OutOfTree.selector);
        caller.openingRoot(new bytes32[](0), 2);
    }
}
