// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title sumsq: the sum of squares of a group
/// @notice s[g] = sum of m^2 over group g, m = mantissa of 24 bits of x under e[g].
library SumSq {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0) / Reader.countAttribute(x, 0);
    }

    /// @notice Sum of the squares of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        Values memory row = Reader.row(x, 0, x.t, x.e * terms(x) + a, b - a);
        Elements.requireI32(row);
        return squares(row, Reader.element(x, 1, x.t, x.e));
    }

    /// @dev Mantissas as `Numerics.mantissa(v, e, 24)` has them, the shift being checked once.
    function squares(Values memory row, int256 e) private pure returns (int256 total) {
        // INVARIANT: no shift is longer than 62.
        if (e > Numerics.SHIFT_MAX || e < -Numerics.SHIFT_MAX) revert Numerics.OutOfDomain();
        int256 limit = Numerics.mantissaLimit(24);
        // An i32 shifted left by 62 has 94 bits; half of 2^62 added to one has 62; squares have 46 bits, and there are
        // at most 2^20. Zeros behind the last element round to zero.
        unchecked {
            uint256 left = e > 0 ? 0 : uint256(-e);
            uint256 right = e > 0 ? uint256(e) : 0;
            int256 half = e > 0 ? int256(1) << (right - 1) : int256(0);
            for (uint256 i = 0; i < row.count; i += 8) {
                int256 w = int256(Elements.lanes32(row, i));
                for (uint256 lane = 0; lane < 8; ++lane) {
                    int256 m = (((w >> 224) << left) + half) >> right;
                    if (m > limit) m = limit;
                    else if (m < -limit) m = -limit;
                    total += m * m;
                    w <<= 32;
                }
            }
        }
    }
}
