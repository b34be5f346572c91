// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title distance: how far below the likeliest
/// @notice d[i] = round_shift((max - x[i]) * inverse, shift) within 0 ..= 2^25 - 1, in 2^-20 doublings;
/// inverse = divide(round(log2(e) 2^32), temperature): log2(e) / T with 16 fractional bits.
library Distance {
    /// @dev round(log2(e) * 2^32)
    int256 private constant LOG2_E = 6_196_328_019;

    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 temperature = int256(uint256(x.item.temperature));
        // INVARIANT: a sampled request's temperature is 0.01 to 100.
        if (temperature < 656 || temperature > 6_553_600) revert Numerics.OutOfDomain();
        int256 inverse = Numerics.divide(LOG2_E, temperature);
        int256 v = Reader.element(x, 0, x.t, x.e);
        int256 below = Numerics.difference(Reader.element(x, 1, x.t, 0), v);
        int256 d = Numerics.roundShift(Numerics.product(below, inverse), Reader.attribute(x, 0));
        return Numerics.clamp(d, 0, (1 << 25) - 1);
    }
}
