// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";
import {Weigh} from "./weigh.sol";

/// @title keep: weights within top-p and min-p
/// @notice y[i] = w[i] where d[i] <= limit (as in `weigh`) and w[i] * 2^16 >= min_p * (2^31 - 1), else 0.
library Keep {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 d = Reader.element(x, 0, x.t, x.e);
        int256 w = Reader.element(x, 1, x.t, x.e);
        int256 upper = Reader.element(x, 2, x.t, 0);
        int256 most = Weigh.limit(upper, Reader.element(x, 3, x.t, 0));
        int256 least = Numerics.product(int256(uint256(x.item.minP)), Numerics.I32_MAX);
        return d <= most && Numerics.product(w, 65_536) >= least ? w : int256(0);
    }
}
