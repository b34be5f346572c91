// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title hadamard: the Walsh-Hadamard transform of each block
/// @notice y[i] = sat32(round_shift(sum_j (-1)^popcount(i & j) x[j], shift)) within each block.
library Hadamard {
    /// @dev Bit i is the parity of the ones of i, 0 to 15.
    uint256 private constant PARITY = 0x6996;

    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.countAttribute(x, 0);
    }

    /// @notice Signed sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        uint256 i = x.e % terms(x);
        Values memory row = Reader.row(x, 0, x.t, x.e - i + a, b - a);
        Elements.requireI32(row);
        int256 total;
        // At most 2^20 terms of 2^31; zeros behind the last element change nothing, whatever their sign.
        unchecked {
            for (uint256 k = 0; k < row.count; k += 8) {
                int256 w = int256(Elements.lanes32(row, k));
                for (uint256 lane = 0; lane < 8; ++lane) {
                    // The parity of the ones: folded to 4 bits, then looked up.
                    uint256 ones = i & (a + k + lane);
                    ones ^= ones >> 16;
                    ones ^= ones >> 8;
                    ones ^= ones >> 4;
                    if ((PARITY >> (ones & 15)) & 1 == 0) total += w >> 224;
                    else total -= w >> 224;
                    w <<= 32;
                }
            }
        }
        return total;
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        return Numerics.sat32(Numerics.roundShift(total, Reader.attribute(x, 1)));
    }
}
