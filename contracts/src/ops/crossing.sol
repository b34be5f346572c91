// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Elements, Values} from "../libraries/Elements.sol";
import {Numerics} from "../libraries/Numerics.sol";
import {Reader, Step} from "../libraries/Reader.sol";

/// @title crossing: the first cumulative sum that reaches a target
/// @notice The lowest i with c[i] >= target, the last i if there is none; c = input 0, cumulative sums.
/// | target | is | further inputs |
/// | 0 TopK | min(k, entries), all entries if k = 0 | |
/// | 1 TopKRest | TopK less the entries in lower upper bins | upper c, upper bin |
/// | 2 TopP | the least whole number >= top_p / 2^16 of the mass | |
/// | 3 TopPRest | TopP less the mass in lower upper bins | upper c, upper bin |
/// | 4 Draw | draw + 1 | draw |
library Crossing {
    /// @notice The picked value is no index of a sum.
    error NoIndex();

    /// @notice The picked value if it is right, else -1. Sums ascend, so its own sum and the one before decide.
    function value(Step memory x) internal pure returns (int256) {
        int256 target = aim(x);
        uint256 last = Reader.width(x, 0) - 1;
        // INVARIANT: the picked index is one of the sums'.
        if (x.claimed < 0 || x.claimed > int256(last)) revert NoIndex();
        uint256 i = uint256(x.claimed);
        int256 before = target - 1;
        int256 own;
        if (i == 0) {
            own = Reader.element(x, 0, x.t, 0);
        } else {
            Values memory pair = Reader.row(x, 0, x.t, i - 1, 2);
            (before, own) = (Elements.at(pair, 0), Elements.at(pair, 1));
        }
        // Right if no earlier sum reaches the target, and this one does, or none. A wrong one amounts to no index.
        return before < target && (own >= target || i == last) ? x.claimed : int256(-1);
    }

    /// @dev What the sums must reach.
    function aim(Step memory x) private pure returns (int256) {
        int256 kind = Reader.attribute(x, 0);
        if (kind == 4) return Numerics.sum(Reader.element(x, 1, x.t, 0), 1);
        // INVARIANT: a target is one of the five.
        if (kind < 0 || kind > 3) revert Numerics.OutOfDomain();
        // Of the upper sums if only the rest is looked for.
        uint256 k = uint256(kind) & 1;
        int256 whole = Reader.element(x, k, x.t, Reader.width(x, k) - 1);
        int256 target = kind < 2 ? topK(x, whole) : topP(x, whole);
        if (k == 0) return target;
        int256 bin = Reader.element(x, 2, x.t, 0);
        // INVARIANT: a bin is not negative; Layout refuses one beyond the last.
        if (bin < 0) revert Numerics.OutOfDomain();
        if (bin > 0) target = Numerics.difference(target, Reader.element(x, 1, x.t, uint256(bin) - 1));
        return target;
    }

    /// @dev min(k, entries), all entries if k = 0.
    function topK(Step memory x, int256 entries) private pure returns (int256) {
        int256 k = int256(uint256(x.item.topK));
        return k == 0 || k > entries ? entries : k;
    }

    /// @dev ceil(mass * p / 2^16), in parts that stay within 2^62.
    function topP(Step memory x, int256 mass) private pure returns (int256) {
        int256 p = int256(uint256(x.item.topP));
        int256 low = Numerics.product(mass & 65_535, p);
        int256 high = Numerics.product(mass >> 16, p);
        return Numerics.sum(high, Numerics.sum(low, 65_535) >> 16);
    }
}
