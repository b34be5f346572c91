// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title cumsum: cumulative sums
/// @notice y[i] = x[0] + ... + x[i] = y[i-1] + x[i].
library CumSum {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 v = Reader.element(x, 0, x.t, x.e);
        return x.e == 0 ? Numerics.wide(v) : Numerics.sum(v, Reader.self(x, x.t, x.e - 1));
    }
}
