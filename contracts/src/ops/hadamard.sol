// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title hadamard: the Walsh-Hadamard transform of each block
/// @notice y[i] = sat32(round_shift(sum_j (-1)^popcount(i & j) x[j], shift)) within each block.
library Hadamard {
    /// @dev Bit i is the parity of the ones of i, 0 to 15.
    uint256 private constant PARITY = 0x6996;

    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.countAttribute(x, 0);
    }

    /// @notice Signed sum of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        uint256 i = x.e % terms(x);
        Values memory row = Reader.row(x, 0, x.t, x.e - i + a, b - a);
        Elements.requireI32(row);
        // INVARIANT: words begin at multiples of 8, as segments do, so that eight elements share the upper bits of j.
        if (a % 8 != 0) revert Numerics.OutOfDomain();
        int256 total;
        // At most 2^20 terms of 2^31; zeros behind the last element change nothing, whatever their sign.
        unchecked {
            for (uint256 k = 0; k < row.count; k += 8) {
                int256 eight = signed(Elements.lanes32(row, k), i);
                if (odd(i & (a + k))) total -= eight;
                else total += eight;
            }
        }
        return total;
    }

    /// @dev Is the number of ones odd: folded to 4 bits, then looked up. Below 2^32.
    function odd(uint256 ones) private pure returns (bool) {
        ones ^= ones >> 16;
        ones ^= ones >> 8;
        ones ^= ones >> 4;
        return (PARITY >> (ones & 15)) & 1 == 1;
    }

    /// @dev Sum of (-1)^popcount(i & j) v[j] over the lanes 0 ..< 8: each bit of j that i has turns a half's sign.
    function signed(uint256 v, uint256 i) private pure returns (int256 total) {
        assembly ("memory-safe") {
            let one := sub(1, shl(1, and(i, 1)))
            let two := sub(1, and(i, 2))
            let four := sub(1, shr(1, and(i, 4)))
            let a := add(sar(224, v), mul(one, sar(224, shl(32, v))))
            let b := add(sar(224, shl(64, v)), mul(one, sar(224, shl(96, v))))
            let c := add(sar(224, shl(128, v)), mul(one, sar(224, shl(160, v))))
            let d := add(sar(224, shl(192, v)), mul(one, sar(224, shl(224, v))))
            total := add(add(a, mul(two, b)), mul(four, add(c, mul(two, d))))
        }
    }

    /// @notice The element that the whole amounts to.
    function finish(Step memory x, int256 total) internal pure returns (int256) {
        return Numerics.sat32(Numerics.roundShift(total, Reader.attribute(x, 1)));
    }
}
