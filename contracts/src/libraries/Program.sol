// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, ModelHeader, NodeProof} from "../Types.sol";
import {Layout, Tensor} from "./Layout.sol";
import {Tree} from "./Tree.sol";

/// A node of a program as its record says, its tensors being those of one item.
struct Node {
    /// Which operation.
    uint256 code;
    /// Nodes that it reads.
    uint256[] inputs;
    /// Constants that it reads.
    uint256[] constants;
    /// In the order of the specification.
    int256[] attributes;
    /// Its own tensor.
    Tensor own;
    /// Those of its inputs.
    Tensor[] tensors;
}

/// @title What an item and a model commit to
/// @notice Sections 2.1 and 2.4 of docs/protocol.md: header hashes, and the record that says what a node computes.
library Program {
    /// @notice The header is not the asked item's.
    error WrongItem();
    /// @notice The model's header is not what the item names.
    error WrongModel();
    /// @notice The record is not the node's.
    error WrongRecord();
    /// @notice The record has not the length that its counts give.
    error BadRecord();

    /// @notice Hash of an item's header: its fields in order, packed.
    function itemHash(Item calldata item) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked(
            "rf.item_",
            item.modelId,
            item.kind,
            item.tokenBits,
            item.promptLength,
            item.outputLength,
            item.temperature
        );
        return keccak256(
            abi.encodePacked(
                head, item.topK, item.topP, item.minP, item.seed, item.promptRoot, item.outputRoot
            )
        );
    }

    /// @notice The id that a model's header hashes to.
    function modelId(ModelHeader calldata model) internal pure returns (bytes32) {
        return keccak256(
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

    /// @notice Checks item and model, and that a record is that of node `index`; reads it.
    function load(bytes32 hash, uint256 index, Item calldata item, NodeProof calldata proof)
        internal
        pure
        returns (Node memory)
    {
        // INVARIANT: the header is the one that the contract made from the posted data.
        if (itemHash(item) != hash) revert WrongItem();
        // INVARIANT: counts and roots are those of the item's model.
        if (modelId(proof.model) != item.modelId) revert WrongModel();
        bytes32 leaf = keccak256(abi.encodePacked("rf.inode", uint64(index), proof.record));
        // INVARIANT: operation and shapes are those that the model's id commits to.
        if (Tree.pathRoot(leaf, index, proof.model.nodes, proof.path) != proof.model.nodesRoot) {
            revert WrongRecord();
        }
        return decode(proof.record, item);
    }

    /// @notice Reads a record: code, range, inputs, constants, attributes, its shape, the shapes of the inputs.
    function decode(bytes calldata record, Item calldata item) internal pure returns (Node memory node) {
        uint256 at = 2;
        node.code = take(record, 0, 1);
        (node.inputs, at) = list(record, at);
        (node.constants, at) = list(record, at);
        uint256 count = take(record, at, 1);
        node.attributes = new int256[](count);
        at += 1;
        for (uint256 i = 0; i < count; ++i) {
            node.attributes[i] = int64(uint64(take(record, at, 8)));
            at += 8;
        }
        node.own = Layout.tensor(bytes16(uint128(take(record, at, 16))), item);
        at += 16;
        node.tensors = new Tensor[](node.inputs.length);
        for (uint256 i = 0; i < node.tensors.length; ++i) {
            node.tensors[i] = Layout.tensor(bytes16(uint128(take(record, at, 16))), item);
            at += 16;
        }
        // INVARIANT: a record has one encoding; nothing follows it.
        if (at != record.length) revert BadRecord();
    }

    /// @dev A count and as many indices of 32 bits.
    function list(bytes calldata record, uint256 at) private pure returns (uint256[] memory out, uint256) {
        out = new uint256[](take(record, at, 1));
        at += 1;
        for (uint256 i = 0; i < out.length; ++i) {
            out[i] = take(record, at, 4);
            at += 4;
        }
        return (out, at);
    }

    /// @dev The big-endian number of `size` bytes, 1 to 32, at `at`.
    function take(bytes calldata record, uint256 at, uint256 size) private pure returns (uint256 word) {
        // INVARIANT: no byte outside of the record is read.
        if (at + size > record.length) revert BadRecord();
        assembly ("memory-safe") {
            word := shr(sub(256, shl(3, size)), calldataload(add(record.offset, at)))
        }
    }
}
