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
        int256 most = type(int256).min;
        // INVARIANT: an index has 20 bits, so entries order by element first.
        if (b > 1 << 20) revert Numerics.OutOfDomain();
        // Entries have 52 bits.
        unchecked {
            int256 last = (1 << 20) - 1 - int256(a);
            for (uint256 i = 0; i < row.count; i += 8) {
                int256 w = int256(Elements.lanes32(row, i));
                uint256 lanes = row.count - i < 8 ? row.count - i : 8;
                for (uint256 lane = 0; lane < lanes; ++lane) {
                    int256 entry = ((w >> 224) << 20) + last;
                    if (entry > most) most = entry;
                    --last;
                    w <<= 32;
                }
            }
        }
        return most;
    }

    /// @notice The index of the largest entry.
    function finish(int256 total) internal pure returns (int256) {
        return (1 << 20) - 1 - (total & ((1 << 20) - 1));
    }
}
