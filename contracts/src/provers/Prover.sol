// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Place, StepData} from "../Types.sol";
import {IProver} from "../interfaces/IProver.sol";
import {Layout} from "../libraries/Layout.sol";
import {Lists} from "../libraries/Lists.sol";
import {Program} from "../libraries/Program.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title What every family's prover does: check the step's data, then let the operation compute
/// @notice An element is `finish(combine(partial(a, b), ...))`; docs/protocol.md, section 4. It keeps no state: every
/// result is a function of hashes that are committed.
abstract contract Prover is IProver {
    /// @notice The operation is of another family.
    error UnknownOperation(uint256 code);
    /// @notice The element is not at the place.
    error WrongPlace();
    /// @notice A segment that the reduction does not have.
    error WrongSegment();
    /// @notice The reduction is too long for one step.
    error TooManyTerms(uint256 terms);
    /// @notice The reduction is short enough for one step.
    error TooFewTerms(uint256 terms);

    /// @inheritdoc IProver
    function step(
        bytes32 traceRoot,
        bytes32 itemHash,
        Place calldata place,
        int64 claimed,
        StepData calldata data
    ) external pure returns (int256 result) {
        Step memory x = load(traceRoot, itemHash, place, data);
        x.claimed = claimed;
        (uint256 a, uint256 b) = segmentOf(x, place);
        // INVARIANT: one transaction computes a bounded number of terms.
        if (b - a > Lists.mostTerms(x.node.code)) revert TooManyTerms(b - a);
        result = part(x, a, b);
        if (place.to == 0) result = finish(x, result);
        Reader.finish(x);
    }

    /// @inheritdoc IProver
    function combine(
        bytes32 traceRoot,
        bytes32 itemHash,
        Place calldata place,
        int64[] calldata entries,
        StepData calldata data
    ) external pure returns (int256 result, uint32 segment, uint32 end) {
        Step memory x = load(traceRoot, itemHash, place, data);
        (uint256 a, uint256 b) = segmentOf(x, place);
        // INVARIANT: what one step can show is never split, so there is one way to show it.
        if (b - a <= Lists.mostTerms(x.node.code)) revert TooFewTerms(b - a);
        result = Lists.fold(x.node.code, entries, b - a);
        if (place.to == 0) result = finish(x, result);
        Reader.finish(x);
        // A reduction has at most 2^27 terms.
        return (result, uint32(Lists.segment(x.node.code, b - a)), uint32(b));
    }

    /// @dev Checks all that does not depend on the operation.
    function load(bytes32 traceRoot, bytes32 itemHash, Place calldata place, StepData calldata data)
        private
        pure
        returns (Step memory x)
    {
        x.node = Program.load(itemHash, place.node, data.item, data.node);
        (x.index, x.t, x.e) = (place.node, data.position, data.element);
        (uint256 chunk, uint256 slot) = Layout.locate(x.node.own, x.t, x.e);
        // INVARIANT: position and element are those of the asked slot.
        if (chunk != place.chunk || slot != place.slot) revert WrongPlace();
        x.item = data.item;
        x.traceRoot = traceRoot;
        (x.nodes, x.constants) = (data.node.model.nodes, data.node.model.constants);
        x.constantsRoot = data.node.model.constantsRoot;
        bytes calldata witness = data.witness;
        uint256 start;
        assembly ("memory-safe") {
            start := witness.offset
        }
        (x.cursor, x.end) = (start, start + witness.length);
    }

    /// @dev The terms that a place asks for.
    function segmentOf(Step memory x, Place calldata place) private pure returns (uint256 a, uint256 b) {
        uint256 all = terms(x);
        if (place.to == 0 && place.from == 0) return (0, all);
        // INVARIANT: a segment is not empty and lies in the reduction.
        if (place.from >= place.to || place.to > all) revert WrongSegment();
        return (place.from, place.to);
    }

    /// @dev Terms of the reduction; 1 for an elementwise operation.
    function terms(Step memory x) internal pure virtual returns (uint256);

    /// @dev What the terms a ..< b come to; of an elementwise operation the element.
    function part(Step memory x, uint256 a, uint256 b) internal pure virtual returns (int256);

    /// @dev The element that the whole comes to.
    function finish(Step memory x, int256 total) internal pure virtual returns (int256);
}
