// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, ModelHeader, NodeProof, Place, StepData} from "src/Types.sol";

/// @notice A small model with a trace, and the openings of its values: protocol sections 2 and 3 written out once more,
/// plainly and with nothing of the contracts' libraries.
contract TraceBuilder {
    struct TestNode {
        bytes encoding;
        bytes16 shape;
        uint32[] inputs;
        uint256 size;
        bool columns;
        uint256 first;
        int64[][] rows;
        bytes[] chunks;
    }

    struct TestConstant {
        bytes head;
        bytes data;
    }

    bytes32 internal constant PAD = keccak256("rf.pad__");

    Item internal item;
    TestNode[] internal nodes;
    TestConstant[] internal constants;
    /// Leaves of the trees over nodes, constants and records, made by `_seal`.
    bytes32[] internal nodeRoots;
    bytes32[] internal constantLeaves;
    bytes32[] internal recordLeaves;
    /// The node whose step is made, and its openings so far.
    uint256 internal current;
    bytes internal witness;

    // --- the model ---

    function _item(uint32 prompt, uint32 output) internal {
        item.tokenBits = 10;
        item.promptLength = prompt;
        item.outputLength = output;
        item.topP = 65_536;
        item.seed = keccak256("seed");
    }

    /// @dev A node of the range All with the given fixed width, or groups per visible position.
    function _node(
        uint8 code,
        uint32[] memory inputs,
        uint32[] memory constants_,
        int64[] memory attributes,
        bytes16 shape
    ) internal returns (uint32 index) {
        index = uint32(nodes.length);
        TestNode storage node = nodes.push();
        bytes memory b = abi.encodePacked(code, uint8(uint128(shape) >> 8), uint8(inputs.length));
        for (uint256 i = 0; i < inputs.length; ++i) {
            b = bytes.concat(b, bytes4(inputs[i]));
        }
        b = bytes.concat(b, bytes1(uint8(constants_.length)));
        for (uint256 i = 0; i < constants_.length; ++i) {
            b = bytes.concat(b, bytes4(constants_[i]));
        }
        b = bytes.concat(b, bytes1(uint8(attributes.length)));
        for (uint256 i = 0; i < attributes.length; ++i) {
            b = bytes.concat(b, bytes8(uint64(attributes[i])));
        }
        node.encoding = b;
        node.shape = shape;
        node.inputs = inputs;
        node.size = _size(uint8(shape[0]));
        node.columns = uint8(shape[15]) == 1;
    }

    function _shape(uint8 element, uint8 kind, uint32 width, int64 span, uint8 range, uint8 layout)
        internal
        pure
        returns (bytes16)
    {
        return bytes16(abi.encodePacked(element, kind, width, span, range, layout));
    }

    /// @dev A node that only holds rows; its operation is of no interest.
    function _given(bytes16 shape, int64[][] memory rows) internal returns (uint32 index) {
        index = _node(10, new uint32[](0), new uint32[](0), new int64[](0), shape);
        _rows(index, rows);
    }

    function _rows(uint32 index, int64[][] memory rows) internal {
        for (uint256 i = 0; i < rows.length; ++i) {
            nodes[index].rows.push(rows[i]);
        }
    }

    function _constant(uint8 element, uint32 rows, uint32 columns, int64[] memory values)
        internal
        returns (uint32 index)
    {
        index = uint32(constants.length);
        bytes memory data = new bytes(values.length * _size(element));
        for (uint256 i = 0; i < values.length; ++i) {
            _put(data, i, values[i], _size(element));
        }
        bytes memory head = abi.encodePacked(element, rows, columns, type(int64).min, type(int64).max);
        constants.push(TestConstant(head, data));
    }

    // --- tensors ---

    function _seal() internal {
        for (uint256 k = 0; k < nodes.length; ++k) {
            TestNode storage node = nodes[k];
            bytes[] memory chunks = node.columns ? _columnChunks(node) : _split(_flatBytes(node));
            delete node.chunks;
            for (uint256 i = 0; i < chunks.length; ++i) {
                node.chunks.push(chunks[i]);
            }
        }
        (nodeRoots, constantLeaves, recordLeaves) = (_nodeRoots(), _constantLeaves(), _recordLeaves());
        ModelHeader memory model = _model();
        item.modelId = keccak256(
            abi.encodePacked(
                "rf.model",
                model.nodes,
                model.constants,
                model.nodesRoot,
                model.constantsRoot,
                model.interfaceHash
            )
        );
    }

    function _flatBytes(TestNode storage node) internal view returns (bytes memory data) {
        int64[][] memory rows = node.rows;
        uint256 size = node.size;
        uint256 count;
        for (uint256 t = 0; t < rows.length; ++t) {
            count += rows[t].length;
        }
        data = new bytes(count * size);
        count = 0;
        for (uint256 t = 0; t < rows.length; ++t) {
            for (uint256 e = 0; e < rows[t].length; ++e) {
                _put(data, count++, rows[t][e], size);
            }
        }
    }

    function _columnChunks(TestNode storage node) internal view returns (bytes[] memory chunks) {
        int64[][] memory rows = node.rows;
        uint256 per = 512 / node.size;
        uint256 width = rows[0].length;
        chunks = new bytes[](((rows.length + per - 1) / per) * width);
        for (uint256 c = 0; c < chunks.length; ++c) {
            uint256 first = (c / width) * per;
            uint256 count = rows.length - first < per ? rows.length - first : per;
            chunks[c] = new bytes(count * node.size);
            for (uint256 i = 0; i < count; ++i) {
                _put(chunks[c], i, rows[first + i][c % width], node.size);
            }
        }
    }

    function _split(bytes memory data) internal pure returns (bytes[] memory chunks) {
        chunks = new bytes[]((data.length + 511) / 512);
        for (uint256 i = 0; i < chunks.length; ++i) {
            uint256 end = data.length < (i + 1) * 512 ? data.length : (i + 1) * 512;
            bytes memory chunk = new bytes(end - i * 512);
            for (uint256 j = 0; j < chunk.length; ++j) {
                chunk[j] = data[i * 512 + j];
            }
            chunks[i] = chunk;
        }
    }

    function _put(bytes memory out, uint256 index, int64 value, uint256 size) internal pure {
        for (uint256 i = 0; i < size; ++i) {
            out[index * size + i] = bytes1(uint8(uint64(value >> (8 * i))));
        }
    }

    function _size(uint8 element) internal pure returns (uint256) {
        return [1, 2, 4, 8, 2][element];
    }

    // --- trees ---

    function _leaves(bytes[] memory chunks) internal pure returns (bytes32[] memory out) {
        out = new bytes32[](chunks.length);
        for (uint256 i = 0; i < out.length; ++i) {
            out[i] = keccak256(abi.encodePacked("rf.chunk", uint64(i * 65_536 + chunks[i].length), chunks[i]));
        }
    }

    function _above(bytes32[] memory level) internal pure returns (bytes32[] memory out) {
        out = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < out.length; ++i) {
            bytes32 right = 2 * i + 1 < level.length ? level[2 * i + 1] : PAD;
            out[i] = keccak256(abi.encodePacked("rf.node_", level[2 * i], right));
        }
    }

    function _root(bytes32[] memory level) internal pure returns (bytes32) {
        if (level.length == 0) return PAD;
        while (level.length > 1) {
            level = _above(level);
        }
        return level[0];
    }

    /// @dev The range proof of lo ..< hi.
    function _proof(bytes32[] memory level, uint256 lo, uint256 hi)
        internal
        pure
        returns (bytes memory proof)
    {
        while (level.length > 1) {
            if (lo % 2 == 1) proof = bytes.concat(proof, level[lo - 1]);
            if (hi % 2 == 1 && hi < level.length) proof = bytes.concat(proof, level[hi]);
            (lo, hi) = (lo / 2, (hi + 1) / 2);
            level = _above(level);
        }
    }

    function _nodeRoots() internal view returns (bytes32[] memory roots) {
        roots = new bytes32[](nodes.length);
        for (uint256 i = 0; i < roots.length; ++i) {
            roots[i] = _root(_leaves(nodes[i].chunks));
        }
    }

    function _constantLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](constants.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            bytes32 root = _root(_leaves(_split(constants[i].data)));
            leaves[i] = keccak256(abi.encodePacked("rf.const", uint64(i), constants[i].head, root));
        }
    }

    function _record(uint256 index) internal view returns (bytes memory record) {
        record = bytes.concat(nodes[index].encoding, nodes[index].shape);
        for (uint256 i = 0; i < nodes[index].inputs.length; ++i) {
            record = bytes.concat(record, nodes[nodes[index].inputs[i]].shape);
        }
    }

    function _recordLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](nodes.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = keccak256(abi.encodePacked("rf.inode", uint64(i), _record(i)));
        }
    }

    function _interface() internal view virtual returns (bytes memory) {
        return abi.encodePacked(uint32(1000), uint32(4096), item.kind, uint32(0), uint32(0));
    }

    function _model() internal view returns (ModelHeader memory model) {
        model.nodes = uint32(nodes.length);
        model.constants = uint32(constants.length);
        model.nodesRoot = _root(recordLeaves);
        model.constantsRoot = _root(constantLeaves);
        model.interfaceHash = keccak256(abi.encodePacked("rf.iface", _interface()));
    }

    function _traceRoot() internal view returns (bytes32) {
        return _root(nodeRoots);
    }

    function _itemHash() internal view returns (bytes32) {
        bytes memory head = abi.encodePacked(
            item.modelId, item.kind, item.tokenBits, item.promptLength, item.outputLength, item.temperature
        );
        bytes memory rest =
            abi.encodePacked(item.topK, item.topP, item.minP, item.seed, item.promptRoot, item.outputRoot);
        return keccak256(bytes.concat("rf.item_", head, rest));
    }

    // --- openings, appended to the witness ---

    function _begin(uint256 node) internal {
        (current, witness) = (node, "");
    }

    function _row(uint256 k, uint256 t, uint256 from, uint256 count) internal {
        _openRow(nodes[current].inputs[k], t, from, count);
    }

    function _openRow(uint256 index, uint256 t, uint256 from, uint256 count) internal {
        TestNode storage node = nodes[index];
        t -= node.first;
        if (node.columns) {
            for (uint256 i = 0; i < count; ++i) {
                _openColumn(index, from + i, t);
            }
            return;
        }
        uint256 start = from;
        for (uint256 u = 0; u < t; ++u) {
            start += node.rows[u].length;
        }
        _openChunks(index, start * node.size / 512, ((start + count) * node.size + 511) / 512);
    }

    function _column(uint256 k, uint256 e, uint256 from, uint256 count) internal {
        uint256 index = nodes[current].inputs[k];
        uint256 per = 512 / nodes[index].size;
        for (uint256 b = from / per; b <= (from + count - 1) / per; ++b) {
            _openColumn(index, e, b * per);
        }
    }

    function _openColumn(uint256 index, uint256 e, uint256 t) internal {
        uint256 per = 512 / nodes[index].size;
        uint256 chunk = (t / per) * nodes[index].rows[0].length + e;
        _openChunks(index, chunk, chunk + 1);
    }

    function _openChunks(uint256 index, uint256 lo, uint256 hi) internal {
        bytes[] memory chunks = nodes[index].chunks;
        _append(chunks, lo, hi);
        witness = bytes.concat(witness, _proof(nodeRoots, index, index + 1));
    }

    function _append(bytes[] memory chunks, uint256 lo, uint256 hi) internal {
        bytes memory w = witness;
        for (uint256 i = lo; i < hi; ++i) {
            w = bytes.concat(w, chunks[i]);
        }
        witness = bytes.concat(w, _proof(_leaves(chunks), lo, hi));
    }

    function _constantAt(uint256 index, uint256 from, uint256 count) internal {
        TestConstant storage c = constants[index];
        uint256 size = _size(uint8(c.head[0]));
        witness = bytes.concat(witness, c.head);
        _append(_split(c.data), from * size / 512, ((from + count) * size + 511) / 512);
        witness = bytes.concat(witness, _proof(constantLeaves, index, index + 1));
    }

    // --- a step ---

    function _data(uint32 t, uint32 e) internal view returns (StepData memory data) {
        data.item = item;
        data.node.model = _model();
        data.node.record = _record(current);
        bytes memory path = _proof(recordLeaves, current, current + 1);
        data.node.path = new bytes32[](path.length / 32);
        for (uint256 i = 0; i < data.node.path.length; ++i) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(path, 32), mul(i, 32)))
            }
            data.node.path[i] = word;
        }
        data.position = t;
        data.element = e;
        data.witness = witness;
    }

    /// @dev Where an element is; for the current node.
    function _place(uint256 t, uint256 e) internal view returns (Place memory place) {
        TestNode storage node = nodes[current];
        place.node = uint32(current);
        if (node.columns) {
            uint256 per = 512 / node.size;
            t -= node.first;
            place.chunk = uint64((t / per) * node.rows[0].length + e);
            place.slot = uint32(t % per);
        } else {
            uint256 at = e;
            for (uint256 u = 0; u < t - node.first; ++u) {
                at += node.rows[u].length;
            }
            place.chunk = uint64(at * node.size / 512);
            place.slot = uint32((at * node.size % 512) / node.size);
        }
    }
}
