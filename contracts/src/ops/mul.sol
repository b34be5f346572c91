// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title mul: a product of two rows
/// @notice y[i] = sat32(round_shift(a[i] * b[i], shift)).
library Mul {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 a = Reader.element(x, 0, x.t, x.e);
        int256 scaled = Numerics.product(a, Reader.element(x, 1, x.t, x.e));
        return Numerics.sat32(Numerics.roundShift(scaled, Reader.attribute(x, 0)));
    }
}
