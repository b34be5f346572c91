// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Layout} from "../libraries/Layout.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";
import {Score} from "./score.sol";

/// @title mix: the mean of the visible values under the weights
/// @notice For head h with key head g and element j:
/// acc = sum_s (w[h][s] >> (top[g] - e_s[g] within 0 ..= 31)) * v_s[g][j];
/// L = bit_length(total[h]); a = floor(acc / 2^(L-16)); n = round_shift(total[h], L - 31); r = floor(2^61 / n);
/// y = sat32(round_shift(a * r, shift - top[g])). a * r * 2^-46 is acc / total with 31 bits.
library Mix {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        (, uint256 seen) = Layout.visible(x.node.tensors[0].span, x.t, x.node.tensors[0].positions);
        return seen;
    }

    /// @notice Sum of the weighted values of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        (uint256 h, uint256 g, uint256 j) = place(x);
        Values memory w = Reader.row(x, 0, x.t, h * terms(x) + a, b - a);
        int256 top = Reader.element(x, 4, x.t, g);
        Values memory e = seenBy(x, 3, g, a, b);
        Values memory v = seenBy(x, 2, g * headWidth(x) + j, a, b);
        return wide64(weighted(w, e, v, top));
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        (uint256 h, uint256 g,) = place(x);
        int256 whole = Reader.element(x, 1, x.t, h);
        int256 top = Reader.element(x, 4, x.t, g);
        return Numerics.sat32(
            Numerics.roundShift(mean(wide64(total), whole), Numerics.difference(Reader.attribute(x, 2), top))
        );
    }

    /// @dev Element `e` of input `k` at the visible positions a ..< b.
    function seenBy(Step memory x, uint256 k, uint256 e, uint256 a, uint256 b)
        private
        pure
        returns (Values memory)
    {
        (uint256 first,) = Layout.visible(x.node.tensors[0].span, x.t, x.node.tensors[0].positions);
        return Reader.column(x, k, e, first + a, b - a);
    }

    /// @dev acc / whole with 46 fractional bits.
    function mean(int256 acc, int256 whole) private pure returns (int256) {
        // INVARIANT: the likeliest position weighs at least 2^30, and 2^17 positions weigh less than 2^48.
        if (whole < 1 << 30 || whole >> 48 != 0) revert Numerics.OutOfDomain();
        int256 length = Numerics.bitLength(whole);
        int256 n = Numerics.roundShift(whole, length - 31);
        return Numerics.product(acc >> uint256(length - 16), (1 << 61) / n);
    }

    /// @dev Sum of (w >> (top - e within 0 ..= 31)) * v.
    function weighted(Values memory w, Values memory e, Values memory v, int256 top)
        private
        pure
        returns (int256 total)
    {
        Elements.requireI32(w);
        Elements.requireMantissas(v);
        // INVARIANT: a lane of 16 bits has an exponent as its high byte, and their maximum is one of them.
        if (e.element != 0 || top > type(int8).max || top < type(int8).min) revert Elements.WrongType();
        uint256 count = w.count;
        for (uint256 i = 0; i < count; i = Elements.step(i, 16)) {
            // The second half may begin up to 7 elements behind the last: within the 64 bytes of zeros there.
            uint256 second = Elements.lanes32(w, Elements.step(i, 8));
            total += sixteen(
                Elements.lanes32(w, i), second, shifts(Elements.lanes16(e, i), top), Elements.lanes16(v, i)
            );
        }
        // An i8 value counted 256 times: every product is a multiple, so the shift loses nothing.
        return v.element == 0 ? total >> 8 : total;
    }

    /// @dev top - e, and 0 where that is below 0, of the sixteen exponents that are the high bytes of their lanes. In the
    /// low bytes; the high ones are 0.
    function shifts(uint256 e, int256 top) private pure returns (uint256 right) {
        assembly ("memory-safe") {
            let ones := 0x0001000100010001000100010001000100010001000100010001000100010001
            // Both counted from -128, so 0 ..= 255, and 256 is added: no lane borrows, and bit 8 says top >= e.
            let biased := xor(shr(8, e), mul(ones, 0x80))
            right := sub(mul(ones, add(384, top)), biased)
            right := and(right, mul(and(shr(8, right), ones), 0xff))
        }
    }

    /// @dev Of sixteen lanes: of 32 bits a weight (eight in `w`, eight in `x`), of 16 bits a shift and a value. Products
    /// have 47 bits; zeros behind the last element add nothing. A shift of 31 and more leaves the sign alone, as 31 does.
    function sixteen(uint256 w, uint256 x, uint256 right, uint256 v) private pure returns (int256 total) {
        assembly ("memory-safe") {
            total := add(total, mul(sar(byte(1, right), sar(224, w)), sar(240, v)))
            total := add(total, mul(sar(byte(3, right), sar(224, shl(32, w))), sar(240, shl(16, v))))
            total := add(total, mul(sar(byte(5, right), sar(224, shl(64, w))), sar(240, shl(32, v))))
            total := add(total, mul(sar(byte(7, right), sar(224, shl(96, w))), sar(240, shl(48, v))))
            total := add(total, mul(sar(byte(9, right), sar(224, shl(128, w))), sar(240, shl(64, v))))
            total := add(total, mul(sar(byte(11, right), sar(224, shl(160, w))), sar(240, shl(80, v))))
            total := add(total, mul(sar(byte(13, right), sar(224, shl(192, w))), sar(240, shl(96, v))))
            total := add(total, mul(sar(byte(15, right), sar(224, shl(224, w))), sar(240, shl(112, v))))
            total := add(total, mul(sar(byte(17, right), sar(224, x)), sar(240, shl(128, v))))
            total := add(total, mul(sar(byte(19, right), sar(224, shl(32, x))), sar(240, shl(144, v))))
            total := add(total, mul(sar(byte(21, right), sar(224, shl(64, x))), sar(240, shl(160, v))))
            total := add(total, mul(sar(byte(23, right), sar(224, shl(96, x))), sar(240, shl(176, v))))
            total := add(total, mul(sar(byte(25, right), sar(224, shl(128, x))), sar(240, shl(192, v))))
            total := add(total, mul(sar(byte(27, right), sar(224, shl(160, x))), sar(240, shl(208, v))))
            total := add(total, mul(sar(byte(29, right), sar(224, shl(192, x))), sar(240, shl(224, v))))
            total := add(total, mul(sar(byte(31, right), sar(224, shl(224, x))), sar(240, shl(240, v))))
        }
    }

    /// @dev An accumulator of 64 bits.
    function wide64(int256 acc) private pure returns (int256) {
        // INVARIANT: 2^17 positions of 31 and 15 bits stay below 2^63.
        if (acc > type(int64).max || acc < type(int64).min) revert Numerics.OutOfDomain();
        return acc;
    }

    /// @dev Head, key head and element within the head.
    function place(Step memory x) private pure returns (uint256 h, uint256 g, uint256 j) {
        uint256 width = headWidth(x);
        h = x.e / width;
        g = Score.keyHead(x, h);
        j = x.e % width;
    }

    /// @dev Elements of a head of the result, and of a key head of the values.
    function headWidth(Step memory x) private pure returns (uint256) {
        return x.node.own.width / Reader.countAttribute(x, 0);
    }
}
