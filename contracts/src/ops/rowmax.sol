// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Layout} from "../libraries/Layout.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title rowmax: the largest of a group
/// @notice y[g] = max of x over group g: a group of scores, or the whole of a row of fixed width.
library RowMax {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Layout.rowLength(x.node.tensors[0], x.t) / x.node.own.width;
    }

    /// @notice Largest of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        Values memory row = Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a);
        Elements.requireI32(row);
        int256 most = Numerics.I32_MIN;
        // Nothing is added but indices below the count.
        unchecked {
            for (uint256 i = 0; i < row.count; i += 8) {
                int256 w = int256(Elements.lanes32(row, i));
                uint256 lanes = row.count - i < 8 ? row.count - i : 8;
                for (uint256 lane = 0; lane < lanes; ++lane) {
                    if (w >> 224 > most) most = w >> 224;
                    w <<= 32;
                }
            }
        }
        return most;
    }
}
