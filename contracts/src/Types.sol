// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// One inference, as the contract made it from the posted data. docs/protocol.md, 2.1.
struct Item {
    /// The program, its constants and its interface.
    bytes32 modelId;
    /// 0 tokens, 1 vector.
    uint8 kind;
    /// Bits of a packed token.
    uint8 tokenBits;
    /// Tokens of the prompt.
    uint32 promptLength;
    /// Tokens of the output, or elements of the output vector.
    uint32 outputLength;
    /// In units of 2^-16; 0 is greedy.
    uint32 temperature;
    /// 0 keeps all.
    uint32 topK;
    /// In units of 2^-16; 65,536 keeps all.
    uint32 topP;
    /// In units of 2^-16; 0 keeps all.
    uint32 minP;
    /// Fixes every draw.
    bytes32 seed;
    /// Tensor root of the packed prompt tokens.
    bytes32 promptRoot;
    /// Tensor root of the packed output tokens, or of the i32 elements of the output vector.
    bytes32 outputRoot;
}

/// What a model id is the hash of. docs/specification.md, 6.
struct ModelHeader {
    /// Nodes of the program.
    uint32 nodes;
    /// Constants of the program.
    uint32 constants;
    /// Root of the program's node records.
    bytes32 nodesRoot;
    /// Root of the program's constants.
    bytes32 constantsRoot;
    /// Hash of the interface.
    bytes32 interfaceHash;
}

/// A node's record with the proof that it belongs to a model. docs/protocol.md, 2.4.
struct NodeProof {
    /// What the item's model id is the hash of.
    ModelHeader model;
    /// Encoding of the node, its shape, the shapes of its inputs.
    bytes record;
    /// Path of the record's leaf, out-of-range siblings left out.
    bytes32[] path;
}

/// An element of a trace, or a segment of its reduction.
struct Place {
    /// Node of the program.
    uint32 node;
    /// Chunk of the node's tensor.
    uint64 chunk;
    /// Element within the chunk.
    uint32 slot;
    /// First term of the segment; 0 for the whole element.
    uint32 from;
    /// Term after the last of the segment; 0 for the whole element.
    uint32 to;
}

/// Everything that a step is computed from.
struct StepData {
    /// The item's header.
    Item item;
    /// The node.
    NodeProof node;
    /// Position of the element; checked against chunk and slot.
    uint32 position;
    /// Index of the element in its row; checked against chunk and slot.
    uint32 element;
    /// The openings, in the order of the reads.
    bytes witness;
}
