// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Layout} from "../libraries/Layout.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title wsum: the sum of a group of weights
/// @notice y[h] = sum_s w[h][s].
library WSum {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Layout.rowLength(x.node.tensors[0], x.t) / x.node.own.width;
    }

    /// @notice Sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        return Elements.sum32(Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a));
    }
}
