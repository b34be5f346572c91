// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements} from "../libraries/Elements.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title blocksum: sums of blocks
/// @notice y[b] = sum of x over block b; the last block may be shorter.
library BlockSum {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        uint256 size = Reader.countAttribute(x, 0);
        uint256 rest = Reader.width(x, 0) - x.e * size;
        return rest < size ? rest : size;
    }

    /// @notice Sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        return Elements.sum32(Reader.row(x, 0, x.t, x.e * Reader.countAttribute(x, 0) + a, b - a));
    }
}
