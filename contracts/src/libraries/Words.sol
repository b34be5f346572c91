// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Big-endian numbers in calldata
library Words {
    /// @notice The number of `size` bytes, 1 to 32, at an offset of calldata. The caller has checked that they are its
    /// own: beyond the end calldata is zeros.
    function read(uint256 at, uint256 size) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := shr(sub(256, shl(3, size)), calldataload(at))
        }
    }

    /// @notice The word at an offset of calldata, of which the same holds.
    function readHash(uint256 at) internal pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(at)
        }
    }

    /// @notice Where bytes begin in calldata.
    function start(bytes calldata data) internal pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := data.offset
        }
    }
}
