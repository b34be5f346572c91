// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title rowsum: the sum of a row
/// @notice s = sum of x.
library RowSum {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0);
    }

    /// @notice Sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        return Elements.sum32(Reader.row(x, 0, x.t, a, b - a));
    }
}
