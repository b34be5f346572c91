// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Layout} from "../libraries/Layout.sol";
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
        return Elements.max32(Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a));
    }
}
