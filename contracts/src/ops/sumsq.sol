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
        // By e: shifted left, or half of 2^e added and shifted right.
        uint256 left = e > 0 ? 0 : uint256(-e);
        uint256 right = e > 0 ? uint256(e) : 0;
        int256 half = e > 0 ? int256(1) << (right - 1) : int256(0);
        uint256 count = row.count;
        for (uint256 i = 0; i < count; i = Elements.step(i, 8)) {
            total += eight(Elements.lanes32(row, i), left, right, half, limit);
        }
    }

    /// @dev Of eight lanes. An i32 shifted left by 62 has 94 bits, and squares have 46, so nothing wraps. One comparison
    /// finds a mantissa beyond either limit, m + limit being none of 0 ..= 2 limit; of a square the sign is no matter.
    /// Zeros behind the last element round to zero.
    function eight(uint256 w, uint256 left, uint256 right, int256 half, int256 limit)
        private
        pure
        returns (int256 total)
    {
        assembly ("memory-safe") {
            let span := shl(1, limit)
            let m := sar(right, add(shl(left, sar(224, w)), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(32, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(64, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(96, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(128, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(160, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(192, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
            m := sar(right, add(shl(left, sar(224, shl(224, w))), half))
            if gt(add(m, limit), span) { m := limit }
            total := add(total, mul(m, m))
        }
    }
}
