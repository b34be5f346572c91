// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title linear: a matrix times mantissas
/// @notice y[n] = sat32(sat32(round_shift(acc * multiplier[n], shift[n] + shift - e)) + bias[n]), acc = sum_k w[n][k] m[k].
library Linear {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0);
    }

    /// @notice Sum of the products of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        Values memory m = Reader.row(x, 0, x.t, a, b - a);
        // W (n, k) . m (k) -> y (n)
        Values memory w = Reader.constantValues(x, 0, x.e * terms(x) + a, b - a);
        return Elements.dot(w, m);
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        int256 e = Reader.element(x, 1, x.t, 0);
        int256 scaled = Numerics.product(Numerics.wide(total), Reader.constantElement(x, 1, x.e));
        int256 shift = Numerics.sum(Reader.constantElement(x, 2, x.e), Reader.attribute(x, 0));
        int256 y = Numerics.sat32(Numerics.roundShift(scaled, shift - e));
        if (x.node.constants.length < 4) return y;
        return Numerics.sat32(y + Reader.constantElement(x, 3, x.e));
    }
}
