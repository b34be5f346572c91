// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Layout} from "../libraries/Layout.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title exp2w: weights of scores
/// @notice w[h][s] = T[(d >> 8) & 4095] >> min(31, d >> 20), d = max[h] - score[h][s];
/// T[i] = 2^31 2^(-i/4096) less one unit.
library Exp2W {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        (, uint256 seen) = Layout.visible(x.node.own.span, x.t, x.node.own.positions);
        int256 score = Reader.element(x, 0, x.t, x.e);
        int256 d = Numerics.difference(Reader.element(x, 1, x.t, x.e / seen), score);
        return weight(entry(x, d), d);
    }

    /// @notice T[(d >> 8) & 4095]; T is constant 0.
    function entry(Step memory x, int256 d) internal pure returns (int256) {
        return Reader.constantElement(x, 0, uint256(d >> 8) & 4095);
    }

    /// @notice 2^-d as a weight of 31 bits, d in units of 2^-20, from the entry of the table.
    function weight(int256 top, int256 d) internal pure returns (int256) {
        // INVARIANT: the maximum is that of the same row, so no distance is negative.
        if (d < 0) revert Numerics.OutOfDomain();
        return top >> uint256(Numerics.clamp(d >> 20, 0, 31));
    }
}
