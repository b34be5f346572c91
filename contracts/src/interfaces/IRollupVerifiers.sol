// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepParts} from "../RollupTypes.sol";

/// @title Recomputes one step of the ledger. docs/rollup.md, 10.2
interface ILedgerVerifier {
    /// @notice Reverts unless the step leads from its pre state to its post state.
    /// @param parts What the step's leaf is the hash of.
    /// @param time The batch's.
    /// @param witness The state's fields, and the account with its path.
    function prove(StepParts calldata parts, uint64 time, bytes calldata witness) external view;
}

/// @title Says that an output ends where it should. docs/rollup.md, 10.3
interface IShapeVerifier {
    /// @notice Reverts unless there was nothing to ask, or the output rightly goes on or ends at a token.
    /// @param data F || D of the step.
    /// @param index The token that is asked about.
    /// @param witness Headers, interface, and the token.
    function prove(bytes calldata data, uint32 index, bytes calldata witness) external view;
}
