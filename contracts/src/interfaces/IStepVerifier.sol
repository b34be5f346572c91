// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, NodeProof, Place, StepData} from "../Types.sol";

/// @title What a game asks of the machine's twin. Everything is pure in what is committed.
/// @notice Reverts on whatever is not canonical; an honest trace always has data that does not revert.
interface IStepVerifier {
    /// @notice Recomputes an element, or a segment of its reduction, from committed inputs.
    /// @param traceRoot Root of the trace that the inputs are opened under.
    /// @param itemHash Hash of the item's header.
    /// @param place The element; `from` and `to` are 0 for the whole of it, which must have at most S terms.
    /// @param claimed The value picked in the trace (only `crossing` addresses its inputs by it).
    /// @param data Header, record and openings.
    /// @return result The right value: the claim is proven if it equals `claimed`.
    function step(
        bytes32 traceRoot,
        bytes32 itemHash,
        Place calldata place,
        int64 claimed,
        StepData calldata data
    ) external view returns (int256 result);

    /// @notice Combines a list of partial results, and finishes it if the place is a whole element.
    /// @param traceRoot Root of the trace that the inputs are opened under.
    /// @param itemHash Hash of the item's header.
    /// @param place The element or the segment; it must have more than S terms.
    /// @param entries One partial result for each segment, in order; their number follows from the place.
    /// @param data Header, record and the openings of finish's reads alone.
    /// @return result The value that the entries amount to: it must equal the picked one.
    /// @return segment Terms of each segment but the last.
    /// @return end Term after the last.
    function combine(
        bytes32 traceRoot,
        bytes32 itemHash,
        Place calldata place,
        int64[] calldata entries,
        StepData calldata data
    ) external view returns (int256 result, uint32 segment, uint32 end);

    /// @notice The shape of a node's tensor for an item.
    /// @return chunks Leaves of the node's tree; 0 if the node has no position.
    /// @return shape What `Layout.chunkLength` and `Layout.value` need, packed.
    function tensor(bytes32 itemHash, uint32 node, Item calldata item, NodeProof calldata proof)
        external
        view
        returns (uint64 chunks, uint256 shape);

    /// @notice Checks that output `index` of an item, as published, equals its sample node's (or its vector's) value.
    /// @param traceRoot Root of the trace.
    /// @param itemHash Hash of the item's header.
    /// @param index Output token, or element of the output vector.
    /// @param data Header, the output node's record; witness: the interface's encoding (u32 length first), the opening
    /// of the value in the trace, the opening of the published output.
    /// @return equal Are they equal.
    function output(bytes32 traceRoot, bytes32 itemHash, uint32 index, StepData calldata data)
        external
        view
        returns (bool equal);
}
