// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title rescale: a row times a number
/// @notice y[i] = sat32(round_shift(x[i] * multiplier, shift)).
library Rescale {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 scaled = Numerics.product(Reader.element(x, 0, x.t, x.e), Reader.attribute(x, 0));
        return Numerics.sat32(Numerics.roundShift(scaled, Reader.attribute(x, 1)));
    }
}
