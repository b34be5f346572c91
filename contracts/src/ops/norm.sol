// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title norm: a normalised row times its gain
/// @notice y[i] = sat32(sat32(round_shift(v * gain[i], gain_shift)) + bias[i]);
/// v = sat32(round_shift(m * r[g], shift - h[g])), m = mantissa of 24 bits of x[i] under e[g].
library Norm {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 n = Reader.element(x, 0, x.t, x.e);
        uint256 group = x.e / (Reader.width(x, 0) / Reader.countAttribute(x, 0));
        n = Numerics.mantissa(n, Reader.element(x, 1, x.t, group), 24);
        Values memory root = Reader.row(x, 2, x.t, 2 * group, 2);
        (int256 r, int256 h) = (Elements.at(root, 0), Elements.at(root, 1));
        n = Numerics.sat32(Numerics.roundShift(Numerics.product(n, r), Reader.attribute(x, 1) - h));
        int256 scaled = Numerics.product(n, perChannel(x, 0));
        int256 y = Numerics.sat32(Numerics.roundShift(scaled, Reader.attribute(x, 2)));
        return x.node.constants.length < 2 ? y : Numerics.sat32(y + perChannel(x, 1));
    }

    /// @dev Constant `k` for the element; one as wide as a group repeats.
    function perChannel(Step memory x, uint256 k) private pure returns (int256) {
        uint256 columns = Reader.nextColumns(x);
        // INVARIANT: a constant has columns.
        if (columns == 0) revert Reader.NoOperand();
        return Reader.constantElement(x, k, x.e % columns);
    }
}
