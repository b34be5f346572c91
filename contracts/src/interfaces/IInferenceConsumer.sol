// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title What asks for an inference on L1 and wants to be called back
interface IInferenceConsumer {
    /// @notice Gives a final result. Only believe it from `Results`. Whatever happens here, nothing else waits for it.
    /// @param request Hash of the request.
    /// @param model Which model.
    /// @param outputLength Tokens, or elements of the vector.
    /// @param output Packed tokens, or i32 elements, little-endian.
    function onInference(bytes32 request, bytes32 model, uint32 outputLength, bytes calldata output) external;
}

/// @title ERC-165
interface IERC165 {
    /// @notice Does this contract have an interface.
    function supportsInterface(bytes4 interfaceId) external view returns (bool);
}
