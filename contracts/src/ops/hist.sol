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
        int256 seen;
        // At most 2^20 weights of 31 bits.
        unchecked {
            for (uint256 i = 0; i < d.count; i += 8) {
                int256 w = int256(Elements.lanes32(d, i));
                int256 m = mass ? int256(Elements.lanes32(weights, i)) : int256(0);
                uint256 lanes = d.count - i < 8 ? d.count - i : 8;
                for (uint256 lane = 0; lane < lanes; ++lane) {
                    seen |= w >> 224;
                    if ((w >> 224) >> shift == bin) total += mass ? m >> 224 : int256(1);
                    w <<= 32;
                    m <<= 32;
                }
            }
        }
        // INVARIANT: at level 0 every distance has a bin: it is 0 to 2^25 - 1.
        if (shift == 14 && seen >> 25 != 0) revert Numerics.OutOfDomain();
    }
}
