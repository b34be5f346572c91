// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title gather: elements where a map says
/// @notice y[i] = x[map[i]], of the own row or of all rows one after the other; the filling where there is nothing.
library Gather {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 entry = Reader.constantElement(x, 0, x.e);
        if (entry == -1) return Reader.attribute(x, 1);
        // INVARIANT: -1 is the only entry that names no element.
        if (entry < 0) revert Numerics.OutOfDomain();
        uint256 width = Reader.width(x, 0);
        uint256 row = uint256(entry) / width;
        // A map without positions can name the own row alone.
        (uint256 first, uint256 rows) =
            Reader.attribute(x, 0) == 1 ? (0, x.node.own.positions) : (x.t, uint256(1));
        if (row >= rows) return Reader.attribute(x, 1);
        return Reader.element(x, 0, first + row, uint256(entry) % width);
    }
}
