// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Place, StepData} from "../Types.sol";

/// @title One family of operations. The functions are those of `IStepVerifier`, which forwards its calls unchanged.
interface IProver {
    /// @notice As `IStepVerifier.step`.
    function step(
        bytes32 traceRoot,
        bytes32 itemHash,
        Place calldata place,
        int64 claimed,
        StepData calldata data
    ) external view returns (int256 result);

    /// @notice As `IStepVerifier.combine`.
    function combine(
        bytes32 traceRoot,
        bytes32 itemHash,
        Place calldata place,
        int64[] calldata entries,
        StepData calldata data
    ) external view returns (int256 result, uint32 segment, uint32 end);
}
