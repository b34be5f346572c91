// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title quantise: mantissas of a row
/// @notice m[i] = round_shift(x[i], e[g]) within +-(2^(bits-1) - 1), g the group of i.
library Quantise {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 v = Reader.element(x, 0, x.t, x.e);
        uint256 group = x.e / (Reader.width(x, 0) / Reader.countAttribute(x, 1));
        return Numerics.mantissa(v, Reader.element(x, 1, x.t, group), Reader.attribute(x, 0));
    }
}
