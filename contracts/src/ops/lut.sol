// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title lut: a function by table
/// @notice y[i] = sat32(round_shift(T(x[i]), shift)).
/// T(v) has 23 fractional bits: u = round_shift(v, in_shift) + 16 * 2^20 within 0 ..= 2^25 - 1 (so v in [-16, 16));
/// i = u >> 13; T = table[i][0] + round_shift(table[i][1] * (u & 8191), 13).
library Lut {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 v = tableValue(x, Reader.element(x, 0, x.t, x.e));
        return Numerics.sat32(Numerics.roundShift(v, Reader.attribute(x, 1)));
    }

    /// @notice T(v), the table being constant 0 and in_shift attribute 0.
    function tableValue(Step memory x, int256 v) internal pure returns (int256) {
        int256 u = Numerics.roundShift(v, Reader.attribute(x, 0)) + (16 << 20);
        u = Numerics.clamp(u, 0, (32 << 20) - 1);
        Values memory entry = Reader.constantValues(x, 0, 2 * (uint256(u) >> 13), 2);
        int256 rise = Numerics.product(Elements.at(entry, 1), u & 8191);
        return Numerics.sum(Elements.at(entry, 0), Numerics.roundShift(rise, 13));
    }
}
