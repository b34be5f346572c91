// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashing} from "src/libraries/Hashing.sol";

/// @notice Trees as the specification words them, level by level.
library Trees {
    function parents(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            bytes32 right = 2 * i + 1 < level.length ? level[2 * i + 1] : Hashing.PAD;
            next[i] = keccak256(abi.encodePacked("rf.node_", level[2 * i], right));
        }
    }

    /// @notice Root of the tree of least depth.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) return Hashing.PAD;
        while (leaves.length > 1) leaves = parents(leaves);
        return leaves[0];
    }

    /// @notice Root of the tree of some depth, whose parent of two pads is pad.
    function deepRoot(bytes32[] memory leaves, uint256 depth) internal pure returns (bytes32) {
        if (leaves.length == 0) return Hashing.PAD;
        for (; depth > 0; --depth) {
            leaves = parents(leaves);
        }
        return leaves[0];
    }

    /// @notice Siblings in range, from the bottom; of the leaf after the last too.
    function path(bytes32[] memory leaves, uint256 index, uint256 depth)
        internal
        pure
        returns (bytes32[] memory siblings)
    {
        bytes32[] memory all = new bytes32[](depth);
        uint256 used;
        for (uint256 i = 0; i < depth; ++i) {
            if (index ^ 1 < leaves.length) all[used++] = leaves[index ^ 1];
            leaves = parents(leaves);
            index >>= 1;
        }
        siblings = new bytes32[](used);
        for (uint256 i = 0; i < used; ++i) {
            siblings[i] = all[i];
        }
    }

    /// @notice Leaf of a tensor.
    function chunkHash(uint256 i, bytes memory chunk) internal pure returns (bytes32) {
        return Hashing.chunkHash(i, chunk);
    }

    function depthOf(uint256 leaves) internal pure returns (uint256 d) {
        while (uint256(1) << d < leaves) ++d;
    }

    /// @notice Root of the tensor of some bytes.
    function tensorRoot(bytes memory data) internal pure returns (bytes32) {
        bytes32[] memory chunks = new bytes32[]((data.length + 511) / 512);
        for (uint256 i = 0; i < chunks.length; ++i) {
            chunks[i] = Hashing.chunkHash(i, slice(data, 512 * i, 512));
        }
        return root(chunks);
    }

    /// @notice At most `length` bytes from `from` on.
    function slice(bytes memory data, uint256 from, uint256 length) internal pure returns (bytes memory out) {
        if (from + length > data.length) length = data.length - from;
        out = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            out[i] = data[from + i];
        }
    }

    /// @notice Tokens, packed.
    function pack(uint256[] memory tokens, uint256 bits) internal pure returns (bytes memory out) {
        out = new bytes((tokens.length * bits + 7) / 8);
        // Bits that are not yet written, and how many.
        (uint256 rest, uint256 count, uint256 at) = (0, 0, 0);
        for (uint256 i = 0; i < tokens.length; ++i) {
            (rest, count) = ((rest << bits) | tokens[i], count + bits);
            while (count >= 8) {
                count -= 8;
                out[at++] = bytes1(uint8(rest >> count));
            }
        }
        if (count != 0) out[at] = bytes1(uint8(rest << (8 - count)));
    }
}
