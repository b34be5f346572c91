// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Domain-tagged hashes of chunks and trees
/// @notice Section 6 of docs/specification.md: every hash is keccak256 of an 8-byte tag and what follows, so that
/// no hash of one kind is ever one of another. The twin of `bisection::tree`.
/// @dev The functions hash at the free memory pointer without moving it: they allocate nothing.
library Hashing {
    /// @notice The most bytes that a chunk has.
    uint256 internal constant CHUNK = 512;

    /// @notice A missing child of a node: keccak256("rf.pad__"). No leaf equals the hash of a tag alone.
    bytes32 internal constant PAD = keccak256("rf.pad__");

    /// @dev Tag of a chunk's hash.
    bytes8 private constant CHUNK_TAG = "rf.chunk";
    /// @dev Tag of an inner node's hash.
    bytes8 private constant NODE_TAG = "rf.node_";

    /// @notice A chunk has more than 512 bytes.
    error ChunkTooLong(uint256 length);
    /// @notice The index of a chunk has more than 48 bits.
    error ChunkIndexTooLarge(uint256 index);

    /// @notice Hash of a chunk in calldata: keccak256("rf.chunk", u48 index, u16 length, bytes), big-endian.
    /// @param index Which chunk of its tensor, below 2^48.
    /// @param data At most 512 bytes.
    /// @return digest The leaf, bound to its index and its length.
    function chunkHashCalldata(uint256 index, bytes calldata data) internal pure returns (bytes32 digest) {
        bytes32 head = _chunkHead(index, data.length);
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, head)
            calldatacopy(add(p, 16), data.offset, data.length)
            digest := keccak256(p, add(16, data.length))
        }
    }

    /// @notice Hash of a chunk in memory; `chunkHashCalldata` says of what.
    /// @param index Which chunk of its tensor, below 2^48.
    /// @param data At most 512 bytes.
    /// @return digest The leaf, bound to its index and its length.
    function chunkHash(uint256 index, bytes memory data) internal pure returns (bytes32 digest) {
        bytes32 head = _chunkHead(index, data.length);
        assembly ("memory-safe") {
            let p := mload(0x40)
            let length := mload(data)
            mstore(p, head)
            mcopy(add(p, 16), add(data, 32), length)
            digest := keccak256(p, add(16, length))
        }
    }

    /// @notice Hash of an inner node: keccak256("rf.node_", left, right). Positional: the two are never sorted.
    /// @param left The child with the lower indices.
    /// @param right The child with the higher indices, or `PAD`.
    /// @return digest The node.
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32 digest) {
        bytes8 tag = NODE_TAG;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, tag)
            mstore(add(p, 8), left)
            mstore(add(p, 40), right)
            digest := keccak256(p, 72)
        }
    }

    /// @dev The 16 bytes before a chunk's own: tag, index, length. Refuses what does not fit them.
    function _chunkHead(uint256 index, uint256 length) private pure returns (bytes32) {
        if (length > CHUNK) revert ChunkTooLong(length);
        if (index >> 48 != 0) revert ChunkIndexTooLarge(index);
        return bytes32(CHUNK_TAG) | bytes32((index << 16 | length) << 128);
    }
}
