// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";
import {Lut} from "./lut.sol";

/// @title act: an activation
/// @notice y[i] = sat32(round_shift(x[i] * T(x[i]), shift)), T as in `lut`.
library Act {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 v = Reader.element(x, 0, x.t, x.e);
        int256 scaled = Numerics.product(v, Lut.tableValue(x, v));
        return Numerics.sat32(Numerics.roundShift(scaled, Reader.attribute(x, 1)));
    }
}
