// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepProof} from "../RollupTypes.sol";
import {Item} from "../Types.sol";

/// A final result.
struct Result {
    bytes32 model;
    bytes32 outputRoot;
    uint32 outputLength;
    uint8 tokenBits;
}

/// @title Final results, for contracts
interface IResults {
    /// @notice Checks that an inference is final. Reverts if it is not.
    /// @return request Hash of the request.
    /// @return item Its header.
    function verifyInference(StepProof calldata proof)
        external
        view
        returns (bytes32 request, Item memory item);
    /// @notice Stores a final result under its request's hash, once.
    function record(StepProof calldata proof) external returns (bytes32 request);
    /// @notice A stored result. Reverts if there is none.
    function resultOf(bytes32 request) external view returns (Result memory);
    /// @notice Calls who asked on L1 back with the final output.
    /// @param output Packed tokens, or i32 elements, little-endian.
    function deliver(StepProof calldata proof, bytes calldata output) external returns (bool delivered);
}
