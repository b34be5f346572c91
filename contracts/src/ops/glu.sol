// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";
import {Lut} from "./lut.sol";

/// @title glu: a gated linear unit
/// @notice y[i] = sat32(round_shift(sat32(round_shift(x[i] * T(x[i]), 23)) * u[i], shift)), T as in `lut`.
library Glu {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 v = Reader.element(x, 0, x.t, x.e);
        int256 u = Reader.element(x, 1, x.t, x.e);
        int256 gate = Numerics.product(v, Lut.tableValue(x, v));
        gate = Numerics.sat32(Numerics.roundShift(gate, 23));
        return Numerics.sat32(Numerics.roundShift(Numerics.product(gate, u), Reader.attribute(x, 1)));
    }
}
