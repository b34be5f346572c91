// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Reader, Step} from "../libraries/Reader.sol";
import {Exp2W} from "./exp2w.sol";

/// @title weigh: weights within top-k
/// @notice w[i] = 2^-d[i] as in `exp2w` where d[i] <= limit, else 0; limit = (upper << 14) | (lower << 3) | 7.
library Weigh {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 d = Reader.element(x, 0, x.t, x.e);
        int256 upper = Reader.element(x, 1, x.t, 0);
        int256 most = limit(upper, Reader.element(x, 2, x.t, 0));
        // The entry is opened wherever the limit is, so that what is read follows from the distance alone.
        int256 entry = Exp2W.entry(x, d);
        return d <= most ? Exp2W.weight(entry, d) : int256(0);
    }

    /// @notice The largest distance of a lower bin.
    function limit(int256 upper, int256 lower) internal pure returns (int256) {
        return ((upper & 2047) << 14) | ((lower & 2047) << 3) | 7;
    }
}
