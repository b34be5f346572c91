// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashing} from "./Hashing.sol";

/// @title Published bytes: packed tokens and vectors
/// @notice Section 2.1 of docs/protocol.md: token i occupies bits i*b ..= i*b+b-1, most significant bit first. All
/// offsets are of calldata; the caller has checked that the bytes are its own.
library Packed {
    /// @notice Bytes that hold `count` numbers of `bits` bits: at most 2^32 of at most 2^8.
    function byteLength(uint256 count, uint256 bits) internal pure returns (uint256) {
        return (count * bits + 7) / 8;
    }

    /// @notice Are the unused bits of the last byte zero.
    function isTight(uint256 at, uint256 count, uint256 bits) internal pure returns (bool tight) {
        uint256 length = byteLength(count, bits);
        uint256 loose = 8 * length - count * bits;
        if (loose == 0) return true;
        assembly ("memory-safe") {
            // The last byte, brought to the end of the word.
            let last := shr(248, calldataload(sub(add(at, length), 1)))
            tight := iszero(and(last, sub(shl(loose, 1), 1)))
        }
    }

    /// @notice Is every one of `count` packed tokens below `vocabulary`, which is at least 1 and has `bits` bits.
    /// @dev Eight tokens are `bits` bytes, so words of a multiple of eight tokens begin at bytes. In a word the tokens at
    /// even places, then those at odd ones, are lanes of 2 * bits: adding 2^bits - vocabulary to each carries into the
    /// upper half of its own lane if the token is too large. Zeros, which fill the last word, never are.
    function areBelow(uint256 at, uint256 count, uint256 bits, uint256 vocabulary)
        internal
        pure
        returns (bool below)
    {
        uint256 full = uint256(1) << bits;
        if (full == vocabulary) return true;
        assembly ("memory-safe") {
            // Tokens of a word, their bytes, and a one at the bottom of every lane.
            let per := shl(3, div(32, bits))
            let size := shr(3, mul(per, bits))
            let ones := div(shr(sub(256, mul(per, bits)), not(0)), sub(shl(shl(1, bits), 1), 1))
            let mask := mul(ones, sub(full, 1))
            let add_ := mul(ones, sub(full, vocabulary))
            let carries := shl(bits, ones)
            let down := sub(256, shl(3, size))
            let bad := 0
            for {} gt(count, 0) {} {
                let word := shr(down, calldataload(at))
                switch lt(count, per)
                case 0 { count := sub(count, per) }
                default {
                    // The tokens behind the last one are cut off.
                    let cut := mul(sub(per, count), bits)
                    word := shl(cut, shr(cut, word))
                    count := 0
                }
                bad := or(bad, add(and(word, mask), add_))
                bad := or(bad, add(and(shr(bits, word), mask), add_))
                // The lower halves are of no interest.
                bad := and(bad, carries)
                at := add(at, size)
            }
            below := iszero(bad)
        }
    }

    /// @notice Root of the tensor of `length` bytes, at least 1: chunks of 512 bytes.
    /// @dev Everything is in memory that is free and stays so: a chunk behind its 16-byte head, then the hashes.
    function root(uint256 at, uint256 length) internal pure returns (bytes32 digest) {
        (bytes8 chunkTag, bytes8 nodeTag, bytes32 pad) = ("rf.chunk", "rf.node_", Hashing.PAD);
        assembly ("memory-safe") {
            let p := mload(0x40)
            let leaves := add(p, 544)
            let to := leaves
            // The head's number is u48 index and u16 length: calldata have less than 2^48 chunks.
            for { let i := 0 } gt(length, 0) { i := add(i, 1) } {
                let size := 512
                if lt(length, size) { size := length }
                mstore(p, or(chunkTag, shl(128, or(shl(16, i), size))))
                calldatacopy(add(p, 16), at, size)
                mstore(to, keccak256(p, add(16, size)))
                to := add(to, 32)
                at := add(at, size)
                length := sub(length, size)
            }
            mstore(p, nodeTag)
            // Parents are written over children that have been read.
            for {} gt(sub(to, leaves), 32) {} {
                let end := to
                to := leaves
                for { let from := leaves } lt(from, end) { from := add(from, 64) } {
                    mstore(add(p, 8), mload(from))
                    switch lt(add(from, 32), end)
                    case 0 { mstore(add(p, 40), pad) }
                    default { mstore(add(p, 40), mload(add(from, 32))) }
                    mstore(to, keccak256(p, 72))
                    to := add(to, 32)
                }
            }
            digest := mload(leaves)
        }
    }
}
