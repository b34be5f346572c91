// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title rowexp: the exponent of each group of a row
/// @notice e[g] = bit_length(max |x|) - (bits - 1) over the elements of group g.
library RowExp {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0) / Reader.countAttribute(x, 1);
    }

    /// @notice Greatest magnitude of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        Values memory row = Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a);
        Elements.requireI32(row);
        int256 most;
        // Magnitudes of i32 are at most 2^31; the zeros behind the last element change nothing.
        unchecked {
            for (uint256 i = 0; i < row.count; i += 8) {
                int256 w = int256(Elements.lanes32(row, i));
                for (uint256 lane = 0; lane < 8; ++lane) {
                    int256 v = w >> 224;
                    if (v < 0) v = -v;
                    if (v > most) most = v;
                    w <<= 32;
                }
            }
        }
        return most;
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        return Numerics.bitLength(total) - (Reader.attribute(x, 0) - 1);
    }
}
