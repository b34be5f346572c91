// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title pick: the drawn entry
/// @notice The lowest i in block b with c[b-1] + y[first of b] + ... + y[i] >= draw + 1, the block's last if there is none.
/// Inputs: kept weights y, cumulative block sums c, block b, draw.
library Pick {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        uint256 size = Reader.countAttribute(x, 0);
        int256 b = Reader.element(x, 2, x.t, 0);
        // INVARIANT: a block is not negative; Layout refuses one beyond the last.
        if (b < 0) revert Numerics.OutOfDomain();
        uint256 first = uint256(b) * size;
        int256 acc = b == 0 ? int256(0) : Reader.element(x, 1, x.t, uint256(b) - 1);
        int256 target = Numerics.sum(Reader.element(x, 3, x.t, 0), 1);
        uint256 rest = Reader.width(x, 0) - first;
        Values memory kept = Reader.row(x, 0, x.t, first, rest < size ? rest : size);
        for (uint256 i = 0; i < kept.count; ++i) {
            acc = Numerics.sum(acc, Elements.at(kept, i));
            if (acc >= target) return int256(first + i);
        }
        return int256(first + kept.count - 1);
    }
}
