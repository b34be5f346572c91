// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title hist: counts or masses by bin of distance
/// @notice 2,048 bins. Upper bin of d: d >> 14; lower bin: (d >> 3) & 2047. Level 0 adds every entry to its upper bin; level 1
/// adds the entries of one upper bin to their lower bin. An entry adds 1, or its weight.
/// Inputs: distances; weights if `mass`; the upper bin if `level` is 1.
library Hist {
    /// @dev 1 in each lane of 32 bits.
    uint256 private constant LANES = 0x0000000100000001000000010000000100000001000000010000000100000001;

    /// @notice Terms of the reduction.
    function terms(Step memory x) internal pure returns (uint256) {
        return Reader.width(x, 0);
    }

    /// @notice Count or mass of bin e of terms a ..< b.
    function part(Step memory x, uint256 a, uint256 b) internal pure returns (int256) {
        Values memory d = Reader.row(x, 0, x.t, a, b - a);
        Elements.requireI32(d);
        Values memory weights;
        if (Reader.attribute(x, 1) == 1) {
            weights = Reader.row(x, 1, x.t, a, b - a);
            Elements.requireI32(weights);
        }
        if (Reader.attribute(x, 0) == 0) return tally(d, weights, 14, int256(x.e));
        int256 upper = Reader.element(x, x.node.inputs.length - 1, x.t, 0);
        // The lower bin of the upper bin: 22 bits of the distance.
        return tally(d, weights, 3, (upper << 11) + int256(x.e));
    }

    /// @dev Adds 1 or the weight of each entry with d >> shift = bin.
    function tally(Values memory d, Values memory weights, uint256 shift, int256 bin)
        private
        pure
        returns (int256 total)
    {
        bool mass = weights.count > 0;
        uint256 count = d.count;
        uint256 seen;
        for (uint256 i = 0; i < count; i = Elements.step(i, 8)) {
            uint256 w = Elements.lanes32(d, i);
            seen |= w;
            total += eight(w, mass ? Elements.lanes32(weights, i) : ones(count - i), 224 + shift, bin);
        }
        // INVARIANT: at level 0 every distance has a bin: no lane has a bit above the lowest 25.
        if (shift == 14 && seen & (LANES * 0xfe000000) != 0) revert Numerics.OutOfDomain();
    }

    /// @dev 1 in each of the first lanes, of which there are `rest`.
    function ones(uint256 rest) private pure returns (uint256) {
        return rest < 8 ? LANES & ~(type(uint256).max >> (32 * rest)) : LANES;
    }

    /// @dev Sum of the lanes of m where those of w, shifted, are the bin; m is 0 in lanes after the last.
    function eight(uint256 w, uint256 m, uint256 right, int256 bin) private pure returns (int256 total) {
        assembly ("memory-safe") {
            total := mul(eq(sar(right, w), bin), sar(224, m))
            total := add(total, mul(eq(sar(right, shl(32, w)), bin), sar(224, shl(32, m))))
            total := add(total, mul(eq(sar(right, shl(64, w)), bin), sar(224, shl(64, m))))
            total := add(total, mul(eq(sar(right, shl(96, w)), bin), sar(224, shl(96, m))))
            total := add(total, mul(eq(sar(right, shl(128, w)), bin), sar(224, shl(128, m))))
            total := add(total, mul(eq(sar(right, shl(160, w)), bin), sar(224, shl(160, m))))
            total := add(total, mul(eq(sar(right, shl(192, w)), bin), sar(224, shl(192, m))))
            total := add(total, mul(eq(sar(right, shl(224, w)), bin), sar(224, shl(224, m))))
        }
    }
}
