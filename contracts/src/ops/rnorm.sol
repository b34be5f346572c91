// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title rnorm: the reciprocal root of a mean square
/// @notice (r, h)[g]: total = s[g] + round_shift(eps, 2 e[g] + 16) within 1 ..= 2^62 - 1; t = (62 - bit_length(total)) & ~1;
/// q = isqrt(total * 2^t); r = divide(root, q); h = t / 2. So r * 2^(h - 55) = sqrt(elements) / sqrt(total).
library RNorm {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 s = Reader.element(x, 0, x.t, x.e / 2);
        int256 e = Reader.element(x, 1, x.t, x.e / 2);
        int256 eps = Numerics.roundShift(Reader.attribute(x, 1), 2 * e + 16);
        int256 total = Numerics.clamp(s + eps, 1, Numerics.WIDE - 1);
        // total has 1 to 62 bits, so t is 0 to 60 and total * 2^t has 61 or 62 bits.
        int256 t = (62 - Numerics.bitLength(total)) & ~int256(1);
        if (x.e % 2 == 1) return t / 2;
        return Numerics.divide(Reader.attribute(x, 2), Numerics.isqrt(total << uint256(t)));
    }
}
