// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Layout} from "../libraries/Layout.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title timemax: the largest over the visible positions
/// @notice y[g] = max over the visible s of e_s[g].
library TimeMax {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        (, uint256 seen) = Layout.visible(Reader.attribute(x, 0), x.t, x.node.own.positions);
        return seen;
    }

    /// @notice Largest of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        (uint256 first,) = Layout.visible(Reader.attribute(x, 0), x.t, x.node.own.positions);
        Values memory column = Reader.column(x, 0, x.e, first + a, b - a);
        Elements.requireMantissas(column);
        int256 most = type(int256).min;
        for (uint256 i = 0; i < column.count; i = Elements.step(i, 16)) {
            uint256 w = Elements.lanes16(column, i);
            uint256 rest = column.count - i;
            assembly ("memory-safe") {
                if gt(rest, 16) { rest := 16 }
                for {} rest { rest := sub(rest, 1) } {
                    let v := sar(240, w)
                    if sgt(v, most) { most := v }
                    w := shl(16, w)
                }
            }
        }
        // An i8 counted 256 times.
        return column.element == 0 ? most / 256 : most;
    }
}
