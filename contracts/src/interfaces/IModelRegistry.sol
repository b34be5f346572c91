// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelTerms} from "../RollupTypes.sol";

/// @title The registry of models, as its readers see it
interface IModelRegistry {
    /// @notice A model at a time. Reverts if it is not announced, or that price is not the one in force then.
    function termsAt(bytes32 model, uint32 version, uint256 time) external view returns (ModelTerms memory);
    /// @notice A model now, for requests on L1. Reverts if it is not on the public list, or has no price.
    function quote(bytes32 model) external view returns (ModelTerms memory);
    /// @notice How long a price is known before it is in force.
    function PRICE_DELAY() external view returns (uint64);
    /// @notice How long a change of the public list is known before it is in force.
    function LIST_DELAY() external view returns (uint64);
}
