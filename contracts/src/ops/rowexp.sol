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
        return magnitude(row);
    }

    /// @dev Greatest magnitude; the zeros behind the last element change nothing.
    function magnitude(Values memory row) private pure returns (int256 most) {
        uint256 count = row.count;
        for (uint256 i = 0; i < count; i = Elements.step(i, 8)) {
            uint256 w = Elements.lanes32(row, i);
            // v or -v - 1 by the sign, and the 1 taken away again: at most 2^31.
            assembly ("memory-safe") {
                let v := sar(224, w)
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(32, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(64, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(96, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(128, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(160, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(192, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
                v := sar(224, shl(224, w))
                v := sub(xor(v, sar(255, v)), sar(255, v))
                if gt(v, most) { most := v }
            }
        }
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        return Numerics.bitLength(total) - (Reader.attribute(x, 0) - 1);
    }
}
