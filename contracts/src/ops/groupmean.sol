// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title groupmean: the mean of each group of a row
/// @notice y[g] = sat32(divide(sum of x over group g, elements of a group)).
library GroupMean {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0) / Reader.countAttribute(x, 0);
    }

    /// @notice Sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        return Elements.sum32(Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a));
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        return Numerics.sat32(Numerics.divide(total, int256(terms(x))));
    }
}
