// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title rope: rotation of pairs by the position
/// @notice With (c, s) the position's angle of pair i, cosine and sine of 29 fractional bits,
/// y[i] = sat32(round_shift(x[i] c - x[i+p] s, 29)), y[i+p] = sat32(round_shift(x[i] s + x[i+p] c, 29)) in each head;
/// p is the number of pairs; elements from 2 p on pass unchanged. The angle is the sum of an upper and a lower one:
/// c = round_shift(ch cl - sh sl, 29), s = round_shift(ch sl + sh cl, 29), rows position >> 8 and position & 255.
library Rope {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        uint256 j = x.e % Reader.countAttribute(x, 0);
        // A row of the upper constant is p cosines, then p sines.
        uint256 pairs = Reader.nextColumns(x) / 2;
        if (j >= 2 * pairs) {
            Reader.constantElement(x, 0, (x.t >> 8) * 2 * pairs);
            return Reader.element(x, 0, x.t, x.e);
        }
        uint256 i = j % pairs;
        Values memory high = Reader.constantValues(x, 0, (x.t >> 8) * 2 * pairs + i, pairs + 1);
        Values memory low = Reader.constantValues(x, 1, (x.t & 255) * 2 * pairs + i, pairs + 1);
        Values memory pair = Reader.row(x, 0, x.t, x.e - j + i, pairs + 1);
        (int256 c, int256 s) = ends(low, pairs);
        (int256 upperC, int256 upperS) = ends(high, pairs);
        (c, s) = turn(c, s, upperC, upperS);
        (int256 a, int256 b) = ends(pair, pairs);
        (a, b) = turn(a, b, c, s);
        return Numerics.sat32(j < pairs ? a : b);
    }

    /// @dev First and last of p + 1 elements.
    function ends(Values memory v, uint256 pairs) private pure returns (int256, int256) {
        return (Elements.at(v, 0), Elements.at(v, pairs));
    }

    /// @dev (a + bi)(c + di), each part rounded by 29 bits.
    function turn(int256 a, int256 b, int256 c, int256 d)
        private
        pure
        returns (int256 real, int256 imaginary)
    {
        real = Numerics.difference(Numerics.product(a, c), Numerics.product(b, d));
        imaginary = Numerics.sum(Numerics.product(a, d), Numerics.product(b, c));
        return (Numerics.roundShift(real, 29), Numerics.roundShift(imaginary, 29));
    }
}
