// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ARGMAX, GROUPMAX, HIST, MIX, POOL, ROWEXP, ROWMAX, TIMEMAX} from "./Opcodes.sol";

/// @title Long reductions in segments
/// @notice Section 4 of docs/protocol.md: a reduction of more terms than a step has is a list of partial results of at
/// most 128 entries, each of a segment of S * 128^k terms, and a long segment again.
library Lists {
    /// @notice The most entries of a list.
    uint256 internal constant ENTRIES = 128;

    /// @notice A list has not the entries that its terms give it.
    error WrongCount(uint256 sent, uint256 due);

    /// @notice The most terms of one step, S.
    function mostTerms(uint256 code) internal pure returns (uint256) {
        return code == MIX ? 512 : code == HIST || code == POOL ? 1024 : 2048;
    }

    /// @notice Terms of each segment but the last: S * 128^k, k the least that gives at most 128 segments.
    function segment(uint256 code, uint256 terms) internal pure returns (uint256 length) {
        length = mostTerms(code);
        while (terms > ENTRIES * length) length *= ENTRIES;
    }

    /// @notice What the entries of `terms` terms amount to: their sum, or the largest.
    function fold(uint256 code, int64[] calldata entries, uint256 terms)
        internal
        pure
        returns (int256 total)
    {
        uint256 length = segment(code, terms);
        uint256 due = (terms + length - 1) / length;
        // INVARIANT: there is one entry for each segment.
        if (entries.length != due) revert WrongCount(entries.length, due);
        bool largest =
            code == ROWEXP || code == ROWMAX || code == TIMEMAX || code == ARGMAX || code == GROUPMAX;
        if (largest) total = type(int64).min;
        for (uint256 i = 0; i < due; ++i) {
            // 128 numbers of 64 bits cannot leave 256.
            if (!largest) total += entries[i];
            else if (entries[i] > total) total = entries[i];
        }
    }
}
