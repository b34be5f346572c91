// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title clamp: a row within limits
/// @notice y[i] = min(max(x[i], low), high).
library Clamp {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        (int256 low, int256 high) = (Reader.attribute(x, 0), Reader.attribute(x, 1));
        // INVARIANT: there is a value within the limits.
        if (low > high) revert Numerics.OutOfDomain();
        return Numerics.clamp(Reader.element(x, 0, x.t, x.e), low, high);
    }
}
