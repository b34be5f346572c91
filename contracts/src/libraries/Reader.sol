// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item} from "../Types.sol";
import {Elements, Values} from "./Elements.sol";
import {Hashing} from "./Hashing.sol";
import {Layout, Tensor} from "./Layout.sol";
import {Node} from "./Program.sol";
import {Tree} from "./Tree.sol";

/// One step: an element of the trace, what it is computed from, and how far the witness is read.
struct Step {
    /// The node.
    Node node;
    /// Its index.
    uint256 index;
    /// Position of the element.
    uint256 t;
    /// Index of the element in its row.
    uint256 e;
    /// The picked value, by which `crossing` alone addresses what it reads.
    int256 claimed;
    /// The item.
    Item item;
    /// Root of the trace.
    bytes32 traceRoot;
    /// Nodes of the program.
    uint256 nodes;
    /// Root of the model's constants.
    bytes32 constantsRoot;
    /// Constants of the model.
    uint256 constants;
    /// Offset in calldata of the next opening.
    uint256 cursor;
    /// The offset after the witness.
    uint256 end;
}

/// @title The reads of a step
/// @notice Section 3 of docs/protocol.md. A witness is the concatenation of the openings in the order of the reads. What
/// a read returns lies under the root that it belongs to; lengths, counts and places follow from program and item.
library Reader {
    /// @notice The witness ends before the step has read all.
    error ShortWitness();
    /// @notice Bytes are left when the step has read all.
    error LeftoverBytes(uint256 count);
    /// @notice What was opened is not under its root.
    error NotCommitted();
    /// @notice The node has no such input or constant.
    error NoOperand();

    /// @dev Bytes of a constant's encoding: type, rows, columns, low, high.
    uint256 private constant CONSTANT_HEAD = 25;

    /// @notice Attribute `i`.
    function attribute(Step memory x, uint256 i) internal pure returns (int256) {
        return x.node.attributes[i];
    }

    /// @notice Attribute `i` where it counts something.
    function countAttribute(Step memory x, uint256 i) internal pure returns (uint256) {
        int256 count = x.node.attributes[i];
        // INVARIANT: groups, heads and blocks are never empty.
        if (count < 1) revert NoOperand();
        return uint256(count);
    }

    /// @notice Width of input `k`; its groups if it has one element per visible position.
    function width(Step memory x, uint256 k) internal pure returns (uint256) {
        return x.node.tensors[k].width;
    }

    /// @notice Elements from ..< from + count of input `k` at position `t`.
    function row(Step memory x, uint256 k, uint256 t, uint256 from, uint256 count)
        internal
        pure
        returns (Values memory out)
    {
        if (k >= x.node.inputs.length) revert NoOperand();
        return nodeRow(x, x.node.inputs[k], x.node.tensors[k], t, from, count);
    }

    /// @notice Element `e` of input `k` at position `t`.
    function element(Step memory x, uint256 k, uint256 t, uint256 e) internal pure returns (int256) {
        return Elements.at(row(x, k, t, e, 1), 0);
    }

    /// @notice Element `e` of the node itself at position `t`.
    function self(Step memory x, uint256 t, uint256 e) internal pure returns (int256) {
        return Elements.at(nodeRow(x, x.index, x.node.own, t, e, 1), 0);
    }

    /// @notice Element `e` of input `k` at positions from ..< from + count.
    function column(Step memory x, uint256 k, uint256 e, uint256 from, uint256 count)
        internal
        pure
        returns (Values memory out)
    {
        if (k >= x.node.inputs.length) revert NoOperand();
        Tensor memory s = x.node.tensors[k];
        out = Elements.allocate(s.element, s.size, count);
        uint256 done;
        while (done < count) {
            (uint256 chunk, uint256 slot) = Layout.locate(s, from + done, e);
            uint256 n = 1;
            if (s.layout == 1) {
                // The rest of the block, or what is still asked of it.
                n = Layout.blockLength(s.size) - slot;
                if (n > count - done) n = count - done;
            }
            uint256 start = openNode(x, x.node.inputs[k], s, chunk, chunk + 1);
            // INVARIANT: the block has all the positions that are asked of it.
            if ((slot + n) * s.size > Layout.chunkLength(Layout.pack(s), chunk)) revert Layout.OutOfShape();
            copy(out, done, start + slot * s.size, n);
            done += n;
        }
    }

    /// @notice Elements from ..< from + count of constant `k`, row after row.
    function constantValues(Step memory x, uint256 k, uint256 from, uint256 count)
        internal
        pure
        returns (Values memory out)
    {
        bytes32 leaf;
        (out, leaf) = openConstant(x, k, from, count);
        climb(x, leaf, x.node.constants[k], x.constants, x.constantsRoot);
    }

    /// @notice Element `i` of constant `k`.
    function constantElement(Step memory x, uint256 k, uint256 i) internal pure returns (int256) {
        return Elements.at(constantValues(x, k, i, 1), 0);
    }

    /// @notice Columns of the constant that is opened next; `constantValues` then proves it.
    function nextColumns(Step memory x) internal pure returns (uint256) {
        return uint32(word(x, CONSTANT_HEAD) >> 184);
    }

    /// @notice The token at position `t`.
    function token(Step memory x, uint256 t) internal pure returns (uint256) {
        uint256 prompt = x.item.promptLength;
        if (t < prompt) return packed(x, x.item.promptRoot, prompt, t);
        return packed(x, x.item.outputRoot, x.item.outputLength, t - prompt);
    }

    /// @notice Token `i` of `count` packed ones.
    function packed(Step memory x, bytes32 root, uint256 count, uint256 i) internal pure returns (uint256) {
        // INVARIANT: only published tokens are read.
        if (i >= count) revert Layout.OutOfShape();
        uint256 bits = x.item.tokenBits;
        uint256 first = (i * bits) / 8;
        uint256 last = (i * bits + bits - 1) / 8;
        uint256 start = openPublished(x, root, (count * bits + 7) / 8, first, last + 1);
        uint256 w;
        assembly ("memory-safe") {
            w := calldataload(start)
        }
        // A token has at most 32 bits and begins in the first byte: it ends within the word.
        return (w << ((i * bits) % 8)) >> (256 - bits);
    }

    /// @notice Element `i` of `count` published i32.
    function publishedElement(Step memory x, bytes32 root, uint256 count, uint256 i)
        internal
        pure
        returns (int256)
    {
        // INVARIANT: only published elements are read.
        if (i >= count) revert Layout.OutOfShape();
        Values memory out = Elements.allocate(2, 4, 1);
        copy(out, 0, openPublished(x, root, count * 4, i * 4, i * 4 + 4), 1);
        return Elements.at(out, 0);
    }

    /// @notice Refuses a witness with more than what was read.
    function finish(Step memory x) internal pure {
        // INVARIANT: a step has one witness; nothing is appended to it.
        if (x.cursor != x.end) revert LeftoverBytes(x.end - x.cursor);
    }

    /// @dev Elements of a row of any node. In rows they are neighbours and one opening; in columns one each.
    function nodeRow(Step memory x, uint256 node, Tensor memory s, uint256 t, uint256 from, uint256 count)
        private
        pure
        returns (Values memory out)
    {
        // INVARIANT: a read has elements, and all of them are of one row.
        if (count == 0 || from + count > Layout.rowLength(s, t)) revert Layout.OutOfShape();
        out = Elements.allocate(s.element, s.size, count);
        if (s.layout == 0) {
            uint256 first = Layout.flat(s, t, from) * s.size;
            uint256 last = first + count * s.size - 1;
            uint256 lo = first / Layout.CHUNK;
            uint256 start = openNode(x, node, s, lo, last / Layout.CHUNK + 1);
            copy(out, 0, start + first - lo * Layout.CHUNK, count);
        } else {
            for (uint256 i = 0; i < count; ++i) {
                (uint256 chunk, uint256 slot) = Layout.locate(s, t, from + i);
                copy(out, i, openNode(x, node, s, chunk, chunk + 1) + slot * s.size, 1);
            }
        }
    }

    /// @dev Opens chunks lo ..< hi of a node's tensor under the trace's root.
    /// @return start Offset in calldata of their bytes.
    function openNode(Step memory x, uint256 node, Tensor memory s, uint256 lo, uint256 hi)
        private
        pure
        returns (uint256 start)
    {
        uint256 length;
        if (s.layout == 0) {
            uint256 whole = Layout.byteLength(s);
            length = (whole < hi * Layout.CHUNK ? whole : hi * Layout.CHUNK) - lo * Layout.CHUNK;
        } else {
            length = Layout.chunkLength(Layout.pack(s), lo);
        }
        bytes32 root;
        (start, root) = openChunks(x, lo, hi, Layout.chunks(s), length);
        climb(x, root, node, x.nodes, x.traceRoot);
    }

    /// @dev Opens what holds bytes first ..< last of published bytes.
    /// @return Offset in calldata of byte `first`.
    function openPublished(Step memory x, bytes32 root, uint256 length, uint256 first, uint256 last)
        private
        pure
        returns (uint256)
    {
        uint256 lo = first / Layout.CHUNK;
        (uint256 start, bytes32 opened) = openFlat(x, lo, last, length);
        // INVARIANT: the bytes are the published ones.
        if (opened != root) revert NotCommitted();
        return start + first - lo * Layout.CHUNK;
    }

    /// @dev Opens elements of a constant.
    /// @return out The elements.
    /// @return leaf Leaf of the constant in the model's tree.
    function openConstant(Step memory x, uint256 k, uint256 from, uint256 count)
        private
        pure
        returns (Values memory out, bytes32 leaf)
    {
        if (k >= x.node.constants.length) revert NoOperand();
        uint256 head = word(x, CONSTANT_HEAD);
        x.cursor += CONSTANT_HEAD;
        uint256 code = head >> 248;
        // u32 rows, u32 columns: the product has 64 bits.
        uint256 length = uint256(uint32(head >> 216)) * uint32(head >> 184);
        // INVARIANT: a read has elements, and all of them are the constant's.
        if (code > 4 || count == 0 || from + count > length) revert Layout.OutOfShape();
        uint256 size = Layout.elementSize(code);
        // INVARIANT: no memory for more than the witness holds: the encoding is proven only afterwards.
        if (count * size > x.end - x.cursor) revert ShortWitness();
        out = Elements.allocate(code, size, count);
        uint256 lo = (from * size) / Layout.CHUNK;
        (uint256 start, bytes32 root) = openFlat(x, lo, (from + count) * size, length * size);
        copy(out, 0, start + from * size - lo * Layout.CHUNK, count);
        leaf = keccak256(
            abi.encodePacked("rf.const", uint64(x.node.constants[k]), bytes25(bytes32(head)), root)
        );
    }

    /// @dev Opens the chunks from `lo` to that which holds the byte before `last`, of a tensor of `length` bytes.
    function openFlat(Step memory x, uint256 lo, uint256 last, uint256 length)
        private
        pure
        returns (uint256 start, bytes32 root)
    {
        uint256 hi = (last + Layout.CHUNK - 1) / Layout.CHUNK;
        uint256 stop = length < hi * Layout.CHUNK ? length : hi * Layout.CHUNK;
        uint256 chunks = (length + Layout.CHUNK - 1) / Layout.CHUNK;
        return openChunks(x, lo, hi, chunks, stop - lo * Layout.CHUNK);
    }

    /// @dev Reads the bytes of chunks lo ..< hi and their range proof.
    /// @return start Offset in calldata of the bytes.
    /// @return root Of the tensor of `chunks` chunks that they belong to.
    function openChunks(Step memory x, uint256 lo, uint256 hi, uint256 chunks, uint256 length)
        private
        pure
        returns (uint256 start, bytes32 root)
    {
        start = x.cursor;
        // INVARIANT: no byte outside of the witness is read. Lengths are below 2^65, so the sum does not wrap.
        if (length > x.end - start) revert ShortWitness();
        bytes32[] memory level = new bytes32[](hi - lo);
        uint256 at = start;
        uint256 stop = start + length;
        for (uint256 i = 0; i < level.length; ++i) {
            uint256 size = stop - at < Layout.CHUNK ? stop - at : Layout.CHUNK;
            bytes calldata chunk;
            assembly ("memory-safe") {
                chunk.offset := at
                chunk.length := size
            }
            level[i] = Hashing.chunkHashCalldata(lo + i, chunk);
            at += size;
        }
        (root, x.cursor) = Tree.rangeRoot(level, lo, chunks, stop, x.end);
    }

    /// @dev Reads the path of a leaf and checks that it leads to a root.
    function climb(Step memory x, bytes32 leaf, uint256 index, uint256 leaves, bytes32 root) private pure {
        bytes32 reached;
        (reached, x.cursor) = Tree.pathRootAt(leaf, index, leaves, x.cursor, x.end);
        // INVARIANT: what was opened is what the root commits to, at its own index.
        if (reached != root) revert NotCommitted();
    }

    /// @dev The word at the cursor, of which `size` bytes are the witness's.
    function word(Step memory x, uint256 size) private pure returns (uint256 w) {
        uint256 at = x.cursor;
        // INVARIANT: no byte outside of the witness is used.
        if (size > x.end - at) revert ShortWitness();
        assembly ("memory-safe") {
            w := calldataload(at)
        }
    }

    /// @dev Copies `count` elements from calldata to elements i ..< i + count.
    function copy(Values memory out, uint256 i, uint256 from, uint256 count) private pure {
        uint256 size = out.size;
        // INVARIANT: the room holds what is copied.
        if (i + count > out.count) revert Layout.OutOfShape();
        uint256 start = out.start;
        assembly ("memory-safe") {
            calldatacopy(add(start, mul(i, size)), from, mul(count, size))
        }
    }
}
