// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepParts} from "../RollupTypes.sol";
import {Tree} from "./Tree.sol";
import {Words} from "./Words.sol";

/// @title Steps of a batch: what their leaves are hashes of
/// @notice Sections 8.2 and 8.3 of docs/rollup.md. The first byte of F || D is the op and fixes the length.
library Steps {
    uint256 internal constant DEPOSIT = 0;
    uint256 internal constant FORCED = 1;
    uint256 internal constant L1_REQUEST = 2;
    uint256 internal constant INFERENCE = 3;
    uint256 internal constant WITHDRAWAL = 4;
    uint256 internal constant DELEGATION = 5;

    /// @notice Bytes of F of each op.
    uint256 internal constant MONEY_BYTES = 49;
    uint256 internal constant L1_BYTES = 169;
    uint256 internal constant INFERENCE_BYTES = 115;
    uint256 internal constant WITHDRAWAL_BYTES = 121;
    uint256 internal constant DELEGATION_BYTES = 169;

    /// @notice Flags of an inference.
    uint256 internal constant SAMPLED = 1;
    uint256 internal constant SEEDED = 2;
    uint256 internal constant DELEGATED = 4;

    /// @notice The bytes are no step's.
    error BadStep();
    /// @notice The step is not the one at this index of the assertion.
    error WrongStep();
    /// @notice The step is of another kind.
    error WrongKind(uint256 op);

    /// @notice Bytes of F || D of an op; 0 if there is no such op.
    function lengthOf(uint256 code) internal pure returns (uint256) {
        if (code == INFERENCE) return 227;
        if (code == DEPOSIT) return 49;
        if (code == FORCED) return 65;
        if (code == L1_REQUEST) return 237;
        if (code == WITHDRAWAL) return 153;
        return code == DELEGATION ? 201 : 0;
    }

    /// @notice The op of a step, whose bytes have its length: what is read of them is theirs.
    function opOf(bytes calldata data) internal pure returns (uint256 code) {
        if (data.length == 0) revert BadStep();
        code = uint8(data[0]);
        // INVARIANT: the op fixes the length.
        if (data.length != lengthOf(code)) revert BadStep();
    }

    /// @notice Checks that a step is posted, at its index, in an assertion.
    function check(
        StepParts calldata parts,
        uint256 step,
        uint256 steps,
        bytes32 root,
        bytes32[] calldata path
    ) internal pure {
        bytes32 leaf = keccak256(
            abi.encodePacked("rf.step_", uint32(step), parts.pre, parts.post, parts.data)
        );
        // INVARIANT: the step is the posted one, at its own index. (An index is below the leaves: 16 bits.)
        if (Tree.pathRoot(leaf, step, steps, path) != root) revert WrongStep();
    }

    /// @notice Leaf of a step that posting reads, whose F is in calldata and whose D is in memory.
    /// @param at Offset of F in calldata.
    /// @param size Its bytes.
    /// @param derived D: at most 160 bytes.
    function leafOf(
        uint256 step,
        bytes32 pre,
        bytes32 post,
        uint256 at,
        uint256 size,
        bytes32[5] memory derived,
        uint256 derivedSize
    ) internal pure returns (bytes32 leaf) {
        bytes8 tag = "rf.step_";
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, or(tag, shl(160, step)))
            mstore(add(p, 12), pre)
            mstore(add(p, 44), post)
            calldatacopy(add(p, 76), at, size)
            mcopy(add(add(p, 76), size), derived, derivedSize)
            leaf := keccak256(p, add(add(76, size), derivedSize))
        }
    }

    /// @notice Hash of inbox entry `index`, whose F is in calldata.
    function entryHash(uint256 index, uint256 at, uint256 size) internal pure returns (bytes32 hash) {
        bytes8 tag = "rf.entry";
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, or(tag, shl(128, index)))
            calldatacopy(add(p, 16), at, size)
            hash := keccak256(p, add(16, size))
        }
    }

    /// @notice The inbox's accumulator after an entry.
    function accumulate(bytes32 before, bytes32 entry) internal pure returns (bytes32 hash) {
        bytes8 tag = "rf.inbox";
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, tag)
            mstore(add(p, 8), before)
            mstore(add(p, 40), entry)
            hash := keccak256(p, 72)
        }
    }

    /// @notice Request hash of a step that has one.
    function requestOf(bytes calldata data) internal pure returns (bytes32) {
        uint256 code = opOf(data);
        uint256 at = Words.start(data);
        if (code == L1_REQUEST) return Words.readHash(at + L1_BYTES);
        if (code == INFERENCE) return Words.readHash(at + INFERENCE_BYTES);
        if (code == WITHDRAWAL) return Words.readHash(at + WITHDRAWAL_BYTES);
        if (code == DELEGATION) return Words.readHash(at + DELEGATION_BYTES);
        revert WrongKind(code);
    }

    /// @notice Hash of the header of a step's item; 0 if it has none.
    function itemHashOf(bytes calldata data) internal pure returns (bytes32) {
        uint256 code = opOf(data);
        uint256 at = Words.start(data);
        if (code == L1_REQUEST) return Words.readHash(at + L1_BYTES + 32);
        if (code == INFERENCE) return Words.readHash(at + INFERENCE_BYTES + 32);
        return 0;
    }
}
