// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, NodeProof, Place, StepData} from "src/Types.sol";
import {IStepVerifier} from "src/interfaces/IStepVerifier.sol";
import {Hashing} from "src/libraries/Hashing.sol";
import {Layout, Tensor} from "src/libraries/Layout.sol";
import {Program} from "src/libraries/Program.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice A machine small enough to play whole games in forge. Node 0 is noise from the seed, node 1 doubles it, node 2
/// sums node 1's row and adds 7, node 3 has no positions, node 4 samples node 2 modulo 16 at the output positions, every
/// further node is node 2 plus its index. Instead of openings it reads traces that tests have registered by their root;
/// a witness must be "ok".
contract ToyVerifier is IStepVerifier {
    uint256 internal constant SUM = 2;
    uint256 internal constant VOID = 3;
    uint256 internal constant SAMPLE = 4;
    uint256 internal constant PER_CHUNK = 128;

    uint256 public immutable NODES;
    uint256 public immutable WIDTH;
    uint256 public immutable S;

    mapping(bytes32 root => mapping(uint256 node => int32[])) internal values;
    mapping(bytes32 root => bytes32[]) internal roots;
    mapping(bytes32 itemHash => uint8[]) internal tokens;

    error BadWitness();
    error WrongItem();
    error WrongRecord();
    error OutOfShape();
    error TooManyTerms();
    error TooFewTerms();
    error WrongEntries();

    constructor(uint256 nodes, uint256 columns, uint256 s) {
        (NODES, WIDTH, S) = (nodes, columns, s);
    }

    // --- the program -------------------------------------------------------------------------------------------

    function range(Item memory item, uint256 node) public pure returns (uint256 first, uint256 count) {
        uint256 n = uint256(item.promptLength) + item.outputLength - 1;
        if (node == VOID) return (item.promptLength - 1, 0);
        if (node == SAMPLE) return (item.promptLength - 1, n - item.promptLength + 1);
        return (0, n);
    }

    function width(uint256 node) public view returns (uint256) {
        return node < SUM ? WIDTH : 1;
    }

    /// @notice The honest value of an element over a trace's lower nodes.
    function compute(int32[][] memory v, Item memory item, uint256 node, uint256 flat)
        public
        view
        returns (int32)
    {
        (uint256 first,) = range(item, node);
        if (node == 0) return int32(int256(uint256(keccak256(abi.encode(item.seed, flat))) % 1000)) - 500;
        if (node == 1) return v[0][flat] * 2;
        if (node == SUM) return int32(sum(v[1], flat * WIDTH, (flat + 1) * WIDTH)) + 7;
        int32 total = v[SUM][first + flat];
        if (node == SAMPLE) return ((total % 16) + 16) % 16;
        return total + int32(int256(node));
    }

    function sum(int32[] memory row, uint256 from, uint256 to) internal pure returns (int256 total) {
        for (uint256 i = from; i < to; ++i) {
            total += row[i];
        }
    }

    /// @notice A trace, honest but for one element that is off by `delta`; the nodes above follow from it.
    function make(Item memory item, uint256 wrongNode, uint256 wrongFlat, int32 delta)
        external
        view
        returns (int32[][] memory v)
    {
        v = new int32[][](NODES);
        for (uint256 node = 0; node < NODES; ++node) {
            (, uint256 count) = range(item, node);
            v[node] = new int32[](count * width(node));
            for (uint256 i = 0; i < v[node].length; ++i) {
                v[node][i] = compute(v, item, node, i);
                if (node == wrongNode && i == wrongFlat) v[node][i] += delta;
            }
        }
    }

    // --- what tests register and read --------------------------------------------------------------------------

    /// @notice Remembers a trace under its root.
    /// @param voidRoot Root that the node without positions gets: PAD in an honest trace.
    function register(int32[][] memory v, bytes32 voidRoot) external returns (bytes32 root) {
        bytes32[] memory all = new bytes32[](NODES);
        for (uint256 node = 0; node < NODES; ++node) {
            all[node] = node == VOID ? voidRoot : tensorRoot(v[node]);
        }
        bytes32[] memory copy = new bytes32[](NODES);
        for (uint256 node = 0; node < NODES; ++node) {
            copy[node] = all[node];
        }
        root = Tree.openingRoot(copy, Tree.depth(NODES));
        if (roots[root].length != 0) return root;
        roots[root] = all;
        for (uint256 node = 0; node < NODES; ++node) {
            values[root][node] = v[node];
        }
    }

    function publish(bytes32 itemHash, uint8[] memory ids) external {
        tokens[itemHash] = ids;
    }

    function nodeRoots(bytes32 root) external view returns (bytes32[] memory) {
        return roots[root];
    }

    function nodeValues(bytes32 root, uint256 node) external view returns (int32[] memory) {
        return values[root][node];
    }

    function chunkHashes(bytes32 root, uint256 node) external view returns (bytes32[] memory) {
        return hashes(values[root][node]);
    }

    function chunkOf(bytes32 root, uint256 node, uint256 chunk) external view returns (bytes memory) {
        return encode(values[root][node], chunk);
    }

    function tensorRoot(int32[] memory v) internal pure returns (bytes32) {
        if (v.length == 0) return Hashing.PAD;
        bytes32[] memory leaves = hashes(v);
        return Tree.openingRoot(leaves, Tree.depth(leaves.length));
    }

    function hashes(int32[] memory v) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[]((v.length + PER_CHUNK - 1) / PER_CHUNK);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = Hashing.chunkHash(i, encode(v, i));
        }
    }

    function encode(int32[] memory v, uint256 chunk) internal pure returns (bytes memory data) {
        uint256 from = chunk * PER_CHUNK;
        uint256 count = v.length - from < PER_CHUNK ? v.length - from : PER_CHUNK;
        data = new bytes(count * 4);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = bytes1(uint8(uint32(v[from + i / 4]) >> (8 * (i % 4))));
        }
    }

    // --- the verifier ------------------------------------------------------------------------------------------

    function check(bytes32 itemHash, Item calldata item, NodeProof calldata proof, uint256 node)
        internal
        pure
    {
        if (Program.itemHash(item) != itemHash) revert WrongItem();
        if (keccak256(proof.record) != keccak256(abi.encode(node))) revert WrongRecord();
    }

    function tensor(bytes32 itemHash, uint32 node, Item calldata item, NodeProof calldata proof)
        external
        view
        returns (uint64 chunks, uint256 shape)
    {
        check(itemHash, item, proof, node);
        (uint256 first, uint256 count) = range(item, node);
        Tensor memory x;
        (x.element, x.size, x.width, x.first, x.count) = (2, 4, width(node), first, count);
        return (uint64(Layout.chunks(x)), Layout.pack(x));
    }

    /// @dev What is wrong with the witness, item or record; the place's element and its terms.
    function locate(bytes32 itemHash, Place calldata place, StepData calldata data)
        internal
        view
        returns (uint256 flat, uint256 from, uint256 to)
    {
        check(itemHash, data.item, data.node, place.node);
        if (keccak256(data.witness) != keccak256("ok")) revert BadWitness();
        flat = uint256(place.chunk) * PER_CHUNK + place.slot;
        (, uint256 count) = range(data.item, place.node);
        if (flat >= count * width(place.node)) revert OutOfShape();
        (from, to) = (place.from, place.to);
        if (to == 0) to = place.node == SUM ? WIDTH : 1;
    }

    function step(bytes32 root, bytes32 itemHash, Place calldata place, int64, StepData calldata data)
        external
        view
        returns (int256)
    {
        (uint256 flat, uint256 from, uint256 to) = locate(itemHash, place, data);
        if (to - from > S) revert TooManyTerms();
        if (place.to != 0) return sum(values[root][1], flat * WIDTH + from, flat * WIDTH + to);
        int32[][] memory v = new int32[][](3);
        for (uint256 i = 0; i < 3 && i < place.node; ++i) {
            v[i] = values[root][i];
        }
        return compute(v, data.item, place.node, flat);
    }

    function combine(
        bytes32,
        bytes32 itemHash,
        Place calldata place,
        int64[] calldata entries,
        StepData calldata data
    ) external view returns (int256 result, uint32 segment, uint32 end) {
        (, uint256 from, uint256 to) = locate(itemHash, place, data);
        if (to - from <= S) revert TooFewTerms();
        segment = uint32(segmentLength(to - from));
        if (entries.length != (to - from + segment - 1) / segment) revert WrongEntries();
        for (uint256 i = 0; i < entries.length; ++i) {
            result += entries[i];
        }
        if (place.to == 0) result += 7;
        end = uint32(to);
    }

    function segmentLength(uint256 terms) public view returns (uint256 g) {
        for (g = S; terms > 128 * g; g *= 128) {}
    }

    function output(bytes32 root, bytes32 itemHash, uint32 index, StepData calldata data)
        external
        view
        returns (bool)
    {
        check(itemHash, data.item, data.node, SAMPLE);
        if (keccak256(data.witness) != keccak256("ok")) revert BadWitness();
        return values[root][SAMPLE][index] == int32(uint32(tokens[itemHash][index]));
    }
}
