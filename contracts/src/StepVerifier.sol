// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, NodeProof, Place, StepData} from "./Types.sol";
import {IProver} from "./interfaces/IProver.sol";
import {IStepVerifier} from "./interfaces/IStepVerifier.sol";
import {Layout, Tensor} from "./libraries/Layout.sol";
import {
    ADD,
    ARGMAX,
    CENTRE,
    CLAMP,
    EMBED,
    GATHER,
    GROUPMAX,
    GROUPMEAN,
    HADAMARD,
    LINEAR,
    MUL,
    PICK,
    POOL,
    ROPE,
    ROWEXP,
    SCORE
} from "./libraries/Opcodes.sol";
import {Program} from "./libraries/Program.sol";
import {Reader, Step} from "./libraries/Reader.sol";

/// @title The machine's twin: recomputes one operation of a committed program from committed inputs
/// @notice Sections 2 to 4 of docs/protocol.md. It forwards a step to the prover of its operation's family, and it
/// answers itself what a tensor's shape is and whether an output is the published one. It keeps no state.
contract StepVerifier is IStepVerifier {
    /// @notice No operation has this code.
    error UnknownOperation(uint256 code);
    /// @notice The interface is not the model's, or not of the item's kind.
    error WrongInterface();
    /// @notice An output that the item does not have.
    error NoOutput();

    /// @notice Tables, maps and elementwise operations.
    IProver public immutable tables;
    /// @notice Exponents, mantissas, norms and groups.
    IProver public immutable norms;
    /// @notice Products with matrices.
    IProver public immutable products;
    /// @notice Attention and pooling.
    IProver public immutable attention;
    /// @notice Sampling.
    IProver public immutable sampling;

    /// @notice The provers, one a family.
    constructor(IProver tables_, IProver norms_, IProver products_, IProver attention_, IProver sampling_) {
        tables = tables_;
        norms = norms_;
        products = products_;
        attention = attention_;
        sampling = sampling_;
    }

    /// @inheritdoc IStepVerifier
    function step(bytes32, bytes32, Place calldata, int64, StepData calldata data)
        external
        view
        returns (int256)
    {
        forward(data);
    }

    /// @inheritdoc IStepVerifier
    function combine(bytes32, bytes32, Place calldata, int64[] calldata, StepData calldata data)
        external
        view
        returns (int256, uint32, uint32)
    {
        forward(data);
    }

    /// @inheritdoc IStepVerifier
    function tensor(bytes32 itemHash, uint32 node, Item calldata item, NodeProof calldata proof)
        external
        pure
        returns (uint64 chunks, uint256 shape)
    {
        Tensor memory own = Program.load(itemHash, node, item, proof).own;
        shape = Layout.pack(own);
        // A packed tensor has less than 2^64 bytes.
        return (uint64(Layout.chunks(own)), shape);
    }

    /// @inheritdoc IStepVerifier
    function output(bytes32 traceRoot, bytes32 itemHash, uint32 index, StepData calldata data)
        external
        pure
        returns (bool equal)
    {
        (uint256 node, uint256 used) = outputNode(data);
        Step memory x;
        x.node = Program.load(itemHash, node, data.item, data.node);
        (x.index, x.item, x.traceRoot, x.nodes) = (node, data.item, traceRoot, data.node.model.nodes);
        bytes calldata witness = data.witness;
        uint256 start;
        assembly ("memory-safe") {
            start := witness.offset
        }
        (x.cursor, x.end) = (start + used, start + witness.length);
        // INVARIANT: only published outputs are compared.
        if (index >= data.item.outputLength) revert NoOutput();
        int256 own;
        int256 published;
        if (data.item.kind == 0) {
            own = Reader.self(x, uint256(data.item.promptLength) - 1 + index, 0);
            published = int256(Reader.packed(x, x.item.outputRoot, x.item.outputLength, index));
        } else {
            // INVARIANT: the published vector has all elements of the node's row.
            if (x.node.own.width != data.item.outputLength) revert NoOutput();
            own = Reader.self(x, x.node.own.positions - 1, index);
            published = Reader.publishedElement(x, x.item.outputRoot, x.item.outputLength, index);
        }
        Reader.finish(x);
        return own == published;
    }

    /// @dev The node whose value is the output, from the interface that the witness begins with: u32 length, then
    /// u32 vocabulary, u32 context, u8 kind, u32 a, u32 b, and the rest.
    function outputNode(StepData calldata data) private pure returns (uint256 node, uint256 used) {
        bytes calldata witness = data.witness;
        // INVARIANT: no byte outside of the witness is read.
        if (witness.length < 4) revert Reader.ShortWitness();
        used = 4 + uint256(uint32(bytes4(witness[:4])));
        if (used > witness.length) revert Reader.ShortWitness();
        bytes calldata face = witness[4:used];
        // INVARIANT: the interface is the model's (`Program.load` checks the header), and of the item's kind.
        if (
            keccak256(abi.encodePacked("rf.iface", face)) != data.node.model.interfaceHash || face.length < 17
                || uint8(face[8]) != data.item.kind
        ) revert WrongInterface();
        bool sampled = data.item.kind == 0 && data.item.temperature != 0;
        node = uint32(bytes4(sampled ? face[13:17] : face[9:13]));
    }

    /// @dev Gives the call as it is to the prover of the operation, and its result or error back.
    function forward(StepData calldata data) private view {
        // INVARIANT: a record begins with a code; the prover checks that it is the node's.
        if (data.node.record.length == 0) revert UnknownOperation(0);
        address prover = address(proverOf(uint8(data.node.record[0])));
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, 0, calldatasize())
            let ok := staticcall(gas(), prover, p, calldatasize(), 0, 0)
            returndatacopy(p, 0, returndatasize())
            if iszero(ok) { revert(p, returndatasize()) }
            return(p, returndatasize())
        }
    }

    /// @dev The prover of an operation.
    function proverOf(uint256 code) private view returns (IProver) {
        if (code == EMBED || (code >= ADD && code <= ROPE)) return tables;
        if (code == LINEAR || code == HADAMARD) return products;
        if (code >= ROWEXP && code <= CENTRE) return norms;
        if (code >= SCORE && code <= POOL) return attention;
        if (code >= ARGMAX && code <= PICK) return sampling;
        if (code == GATHER || code == CLAMP || code == MUL) return tables;
        if (code == GROUPMAX || code == GROUPMEAN) return norms;
        revert UnknownOperation(code);
    }
}
