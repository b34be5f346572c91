// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title pool: the mean over all positions
/// @notice y[i] = sat32(divide(sum over all positions of x[i], positions)).
library Pool {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return x.node.own.positions;
    }

    /// @notice Sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        return Elements.sum32(Reader.column(x, 0, x.e, a, b - a));
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        return Numerics.sat32(Numerics.divide(total, int256(x.node.own.positions)));
    }
}
