// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title linear: a matrix times each group of mantissas
/// @notice y[p][n] = sat32(sat32(round_shift(acc * multiplier[n], shift[n] + shift - e[p])) + bias[n]),
/// acc = sum_k w[n][k] m[p][k].
library Linear {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        // A group for each exponent.
        return Reader.width(x, 0) / Reader.width(x, 1);
    }

    /// @dev Group and channel of the element.
    function cell(Step memory x) private pure returns (uint256 p, uint256 n) {
        uint256 channels = x.node.own.width / Reader.width(x, 1);
        return (x.e / channels, x.e % channels);
    }

    /// @notice Sum of the products of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        (uint256 p, uint256 n) = cell(x);
        uint256 all = terms(x);
        Values memory m = Reader.row(x, 0, x.t, p * all + a, b - a);
        // W (n, k) . m (p, k) -> y (p, n)
        Values memory w = Reader.constantValues(x, 0, n * all + a, b - a);
        return Elements.dot(w, m);
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        (uint256 p, uint256 n) = cell(x);
        int256 e = Reader.element(x, 1, x.t, p);
        int256 scaled = Numerics.product(Numerics.wide(total), Reader.constantElement(x, 1, n));
        int256 shift = Numerics.sum(Reader.constantElement(x, 2, n), Reader.attribute(x, 0));
        int256 y = Numerics.sat32(Numerics.roundShift(scaled, shift - e));
        if (x.node.constants.length < 4) return y;
        return Numerics.sat32(y + Reader.constantElement(x, 3, n));
    }
}
