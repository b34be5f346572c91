// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title embed: a row of a table
/// @notice y[j] = sat32(round_shift(w[i][j] * multiplier[i], shift[i] + shift)), i the token or the position.
library Embed {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        uint256 i = Reader.attribute(x, 0) == 0 ? Reader.token(x, x.t) : x.t;
        int256 weight = Reader.constantElement(x, 0, i * x.node.own.width + x.e);
        int256 multiplier = Reader.constantElement(x, 1, i);
        int256 shift = Numerics.sum(Reader.constantElement(x, 2, i), Reader.attribute(x, 1));
        return Numerics.sat32(Numerics.roundShift(Numerics.product(weight, multiplier), shift));
    }
}
