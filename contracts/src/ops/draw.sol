// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Reader, Step} from "../libraries/Reader.sol";

/// @title draw: a number below the whole mass
/// @notice u = uint256(keccak256(seed, uint256(position))) mod max(mass, 1), mass the last cumulative sum.
library Draw {
    /// @notice The element.
    function value(Step memory x) internal pure returns (int256) {
        int256 mass = Reader.element(x, 0, x.t, Reader.width(x, 0) - 1);
        uint256 number = uint256(keccak256(abi.encode(x.item.seed, x.t)));
        return int256(number % (mass < 1 ? 1 : uint256(mass)));
    }
}
