// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Place} from "../Types.sol";

/// @title Keys of facts
/// @notice Section 5.1 of docs/protocol.md. A fact is an answer: stored once per assertion with its time, shared by all
/// games of the assertion. A key holds everything that the fact's check read, so one key has one meaning for ever.
library Facts {
    /// @notice An item's trace root.
    function rootKey(bytes32 assertion, uint32 item) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.froot", assertion, item));
    }

    /// @notice The children of an inner node, some levels below it.
    /// @param levels How far below.
    /// @param count Children in range.
    /// @param hash The inner node.
    function openKey(bytes32 assertion, uint256 levels, uint256 count, bytes32 hash)
        internal
        pure
        returns (bytes32)
    {
        // At most 64 children, so both fit; `Tree.openingRoot` refuses others before a fact is stored.
        return keccak256(abi.encodePacked("rf.fopen", assertion, uint8(levels), uint8(count), hash));
    }

    /// @notice The bytes of a chunk.
    function chunkKey(bytes32 assertion, uint256 index, uint256 length, bytes32 hash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked("rf.fchnk", assertion, uint64(index), uint16(length), hash));
    }

    /// @notice A proven step or a list. The item's root and the place determine the value: the root and the lists on
    /// the way to a segment are final.
    function placeKey(bytes32 assertion, uint32 item, Place memory place) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                "rf.fstep", assertion, item, place.node, place.chunk, place.slot, place.from, place.to
            )
        );
    }

    /// @notice An output that equals its sample.
    function outputKey(bytes32 assertion, uint32 item, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.foutp", assertion, item, uint64(index)));
    }

    /// @notice Digest of a list of partial results.
    /// @param entries One i64 each, big-endian.
    function listDigest(bytes calldata entries) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.list_", entries));
    }
}
