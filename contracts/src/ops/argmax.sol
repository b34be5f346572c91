// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title argmax: where a row is largest
/// @notice The lowest i with x[i] = max x. An entry of a list is x[i] * 2^20 + (2^20 - 1 - i): the largest entry has the largest
/// element, and of equal ones the lowest index.
library Argmax {
    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0);
    }

    /// @notice Largest entry of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        Values memory row = Reader.row(x, 0, x.t, a, b - a);
        Elements.requireI32(row);
        // INVARIANT: an index has 20 bits, so entries order by element first.
        if (b > 1 << 20) revert Numerics.OutOfDomain();
        (int256 most, uint256 index) = largest(row);
        return (most << 20) + (1 << 20) - 1 - int256(a + index);
    }

    /// @dev The largest element and the first index that has it. Lanes after the last are the least, and never first.
    function largest(Values memory row) private pure returns (int256 most, uint256 index) {
        uint256 count = row.count;
        most = type(int64).min;
        for (uint256 i = 0; i < count; i = Elements.step(i, 8)) {
            uint256 w = Elements.lanes32OrLeast(row, i);
            assembly ("memory-safe") {
                let v := sar(224, w)
                if sgt(v, most) {
                    most := v
                    index := i
                }
                v := sar(224, shl(32, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 1)
                }
                v := sar(224, shl(64, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 2)
                }
                v := sar(224, shl(96, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 3)
                }
                v := sar(224, shl(128, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 4)
                }
                v := sar(224, shl(160, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 5)
                }
                v := sar(224, shl(192, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 6)
                }
                v := sar(224, shl(224, w))
                if sgt(v, most) {
                    most := v
                    index := add(i, 7)
                }
            }
        }
    }

    /// @notice The index of the largest entry.
    function finish(int256 total) internal pure returns (int256) {
        return (1 << 20) - 1 - (total & ((1 << 20) - 1));
    }
}
