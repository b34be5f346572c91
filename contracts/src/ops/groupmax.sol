// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title groupmax: the largest of each group of a row
/// @notice y[g] = max of x over group g.
library GroupMax {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0) / Reader.countAttribute(x, 0);
    }

    /// @notice Largest of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        return Elements.max32(Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a));
    }
}
