// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Layout} from "../libraries/Layout.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title score: scaled products of a query with the visible keys
/// @notice y[h][s] = sat32(round_shift((q[h] . k_s[g]) * multiplier, shift - qe[h] - ke_s[g])) for every visible s,
/// g = h / (heads / kv_heads).
library Score {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0) / Reader.countAttribute(x, 0);
    }

    /// @notice Sum of the products of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        (uint256 h, uint256 g, uint256 s) = place(x);
        uint256 d = terms(x);
        Values memory q = Reader.row(x, 0, x.t, h * d + a, b - a);
        return Elements.dot(q, Reader.row(x, 2, s, g * d + a, b - a));
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        (uint256 h, uint256 g, uint256 s) = place(x);
        int256 shift = Reader.attribute(x, 4) - Reader.element(x, 1, x.t, h);
        shift -= Reader.element(x, 3, s, g);
        int256 scaled = Numerics.product(Numerics.wide(total), Reader.attribute(x, 3));
        return Numerics.sat32(Numerics.roundShift(scaled, shift));
    }

    /// @notice The key head that query head `h` reads; heads and kv_heads are the first two attributes.
    function keyHead(Step memory x, uint256 h) internal pure returns (uint256) {
        return h / (Reader.countAttribute(x, 0) / Reader.countAttribute(x, 1));
    }

    /// @dev Head, key head and key position of the element.
    function place(Step memory x) private pure returns (uint256 h, uint256 g, uint256 s) {
        (uint256 first, uint256 seen) = Layout.visible(x.node.own.span, x.t, x.node.own.positions);
        h = x.e / seen;
        g = keyHead(x, h);
        s = first + x.e % seen;
    }
}
