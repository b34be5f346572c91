// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title centre: a row less its mean
/// @notice y[i] = sat32(x[i] - divide(s, n)), n the width of the row.
library Centre {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 v = Reader.element(x, 0, x.t, x.e);
        int256 mean = Numerics.divide(Reader.element(x, 1, x.t, 0), int256(Reader.width(x, 0)));
        return Numerics.sat32(Numerics.difference(v, mean));
    }
}
