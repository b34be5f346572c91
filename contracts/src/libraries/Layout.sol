// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item} from "../Types.sol";

/// A node's tensor for one item: the committed shape, and the positions that the item gives it.
struct Tensor {
    /// Code of the element type: 0 i8, 1 i16, 2 i32, 3 i64, 4 u16.
    uint256 element;
    /// Bytes of an element.
    uint256 size;
    /// Has a row one element per visible position.
    bool visible;
    /// Elements of a row; if `visible`, its groups.
    uint256 width;
    /// Visible positions: 0 all, -1 causal, w > 0 the last w.
    int256 span;
    /// 0 rows, 1 columns.
    uint256 layout;
    /// First position with a row.
    uint256 first;
    /// Number of positions with a row.
    uint256 count;
    /// Positions of the whole item.
    uint256 positions;
}

/// @title Where an element of a trace lies
/// @notice Section 2 of docs/protocol.md: shapes, positions, and the two layouts of a node's tensor in chunks.
library Layout {
    /// @notice The most bytes of a chunk.
    uint256 internal constant CHUNK = 512;
    /// @notice The span that sees every position.
    int256 internal constant SPAN_ALL = 0;
    /// @notice The span that sees all positions so far.
    int256 internal constant SPAN_CAUSAL = -1;

    /// @notice A committed shape has a code that does not exist.
    error BadShape(bytes16 shape);
    /// @notice An item without a prompt or without an output has no positions.
    error EmptyItem();
    /// @notice A position, an element, a chunk or a slot that the tensor does not have.
    error OutOfShape();

    /// @notice Positions that are run: the prompt and all output tokens but the last; of a vector the prompt.
    function positions(Item calldata item) internal pure returns (uint256) {
        // INVARIANT: prompt and output have at least one element each, so every item has a last position.
        if (item.promptLength == 0 || item.outputLength == 0) revert EmptyItem();
        if (item.kind != 0) return item.promptLength;
        return uint256(item.promptLength) + item.outputLength - 1;
    }

    /// @notice The tensor of a shape for an item.
    /// @param shape u8 element, u8 kind, u32 width or groups, i64 span, u8 range, u8 layout.
    function tensor(bytes16 shape, Item calldata item) internal pure returns (Tensor memory x) {
        uint256 bits = uint128(shape);
        x.element = bits >> 120;
        uint256 kind = (bits >> 112) & 0xff;
        x.width = (bits >> 80) & 0xffffffff;
        x.span = int64(uint64(bits >> 16));
        x.layout = bits & 0xff;
        uint256 range = (bits >> 8) & 0xff;
        // INVARIANT: every code is one of those of the protocol, and columns have a fixed width.
        if (
            x.element > 4 || kind > 1 || x.layout > 1 || range > 3 || x.width == 0 || x.span < SPAN_CAUSAL
                || (kind == 1 && x.layout == 1)
        ) revert BadShape(shape);
        x.size = elementSize(x.element);
        x.visible = kind == 1;
        x.positions = positions(item);
        (x.first, x.count) = rangePositions(range, x.positions, item);
    }

    /// @notice First position and number of positions of a range: 0 all, 1 outputs, 2 sampled, 3 last.
    function rangePositions(uint256 range, uint256 n, Item calldata item)
        internal
        pure
        returns (uint256 first, uint256 count)
    {
        if (range == 0) return (0, n);
        if (range == 3) return (n - 1, 1);
        first = uint256(item.promptLength) - 1;
        count = range == 2 && item.temperature == 0 ? 0 : n - first;
    }

    /// @notice Bytes of an element type.
    function elementSize(uint256 element) internal pure returns (uint256) {
        return element == 0 ? 1 : element == 2 ? 4 : element == 3 ? 8 : 2;
    }

    /// @notice What position `t` of `n` sees.
    /// @return from First visible position.
    /// @return count Number of visible positions.
    function visible(int256 span, uint256 t, uint256 n) internal pure returns (uint256 from, uint256 count) {
        if (span == SPAN_ALL) return (0, n);
        count = t + 1;
        if (span > 0 && count > uint256(span)) {
            from = count - uint256(span);
            count = uint256(span);
        }
    }

    /// @notice Elements of the row at position `t`.
    function rowLength(Tensor memory x, uint256 t) internal pure returns (uint256) {
        if (!x.visible) return x.width;
        (, uint256 count) = visible(x.span, t, x.positions);
        return x.width * count;
    }

    /// @notice Elements of the rows at the positions first ..< t.
    function elementsBefore(Tensor memory x, uint256 t) internal pure returns (uint256) {
        if (!x.visible) return (t - x.first) * x.width;
        if (x.span == SPAN_ALL) return (t - x.first) * x.width * x.positions;
        return (visibleBefore(x.span, t) - visibleBefore(x.span, x.first)) * x.width;
    }

    /// @dev Sum of the visible positions of 0 ..< t, causal or within a window w: of min(w, u + 1).
    function visibleBefore(int256 span, uint256 t) private pure returns (uint256) {
        if (span == SPAN_CAUSAL || t <= uint256(span)) return t * (t + 1) / 2;
        uint256 w = uint256(span);
        return w * (w + 1) / 2 + (t - w) * w;
    }

    /// @notice Positions of one element in a chunk of columns.
    function blockLength(uint256 size) internal pure returns (uint256) {
        return CHUNK / size;
    }

    /// @notice Index of element `e` at position `t` in the tensor's order of rows.
    function flat(Tensor memory x, uint256 t, uint256 e) internal pure returns (uint256) {
        // INVARIANT: an address exists only for a position of the node's range and an element of its row.
        if (t < x.first || t - x.first >= x.count || e >= rowLength(x, t)) revert OutOfShape();
        return elementsBefore(x, t) + e;
    }

    /// @notice Where element `e` of position `t` is.
    function locate(Tensor memory x, uint256 t, uint256 e)
        internal
        pure
        returns (uint256 chunk, uint256 slot)
    {
        uint256 at = flat(x, t, e);
        if (x.layout == 0) {
            at *= x.size;
            return (at / CHUNK, (at % CHUNK) / x.size);
        }
        uint256 per = blockLength(x.size);
        uint256 p = t - x.first;
        return ((p / per) * x.width + e, p % per);
    }

    /// @notice Bytes of the whole tensor.
    function byteLength(Tensor memory x) internal pure returns (uint256) {
        return elementsBefore(x, x.first + x.count) * x.size;
    }

    /// @notice Chunks of the whole tensor; 0 without positions.
    function chunks(Tensor memory x) internal pure returns (uint256) {
        if (x.layout == 0) return (byteLength(x) + CHUNK - 1) / CHUNK;
        uint256 per = blockLength(x.size);
        return ((x.count + per - 1) / per) * x.width;
    }

    /// @notice What `chunkLength`, `slots` and `value` need of a tensor, in one word:
    /// u8 element, u8 layout, u32 width, u32 positions, u64 bytes, from the lowest bit.
    function pack(Tensor memory x) internal pure returns (uint256) {
        // No part overlaps: a layout has 8 bits, a width 32, an item less than 2^33 positions, of which a context of
        // 2^17 can be run; 2^27 elements a row and 2^17 rows of 8 bytes are less than 2^64 bytes.
        // INVARIANT: what would not fit its bits is refused, not cut off.
        uint256 length = byteLength(x);
        if (x.count >> 32 != 0 || length >> 64 != 0) revert OutOfShape();
        return x.element | (x.layout << 8) | (x.width << 16) | (x.count << 48) | (length << 80);
    }

    /// @notice Bytes of a chunk of a packed tensor.
    function chunkLength(uint256 shape, uint256 chunk) internal pure returns (uint256) {
        if ((shape >> 8) & 0xff == 0) {
            uint256 length = shape >> 80;
            uint256 start = chunk * CHUNK;
            // INVARIANT: only chunks of the tensor have a length.
            if (start >= length) revert OutOfShape();
            return length - start < CHUNK ? length - start : CHUNK;
        }
        uint256 size = elementSize(shape & 0xff);
        uint256 per = blockLength(size);
        uint256 count = (shape >> 48) & 0xffffffff;
        uint256 before = (chunk / ((shape >> 16) & 0xffffffff)) * per;
        // INVARIANT: only chunks of the tensor have a length.
        if (before >= count) revert OutOfShape();
        return (count - before < per ? count - before : per) * size;
    }

    /// @notice Elements of a chunk of a packed tensor.
    function slots(uint256 shape, uint256 chunk) internal pure returns (uint256) {
        return chunkLength(shape, chunk) / elementSize(shape & 0xff);
    }

    /// @notice An element of a chunk's bytes.
    function value(uint256 shape, bytes calldata chunk, uint256 slot) internal pure returns (int64) {
        uint256 element = shape & 0xff;
        uint256 size = elementSize(element);
        // INVARIANT: no byte outside of the chunk is read.
        if (slot >= chunk.length / size) revert OutOfShape();
        uint256 word;
        // slot < 2^256 / size, by the check.
        for (uint256 i = size; i > 0; --i) {
            word = (word << 8) | uint8(chunk[slot * size + i - 1]);
        }
        return int64(decode(element, word));
    }

    /// @notice The value of an element's bits, which stand lowest in `word`; bits above are ignored.
    function decode(uint256 element, uint256 word) internal pure returns (int256) {
        if (element == 4) return int256(word & 0xffff);
        uint256 size = elementSize(element);
        assembly ("memory-safe") {
            word := signextend(sub(size, 1), word)
        }
        return int256(word);
    }
}
