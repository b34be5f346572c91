// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item} from "./Types.sol";
import {IShapeVerifier} from "./interfaces/IRollupVerifiers.sol";
import {Reader, Step} from "./libraries/Reader.sol";
import {Requests} from "./libraries/Requests.sol";
import {Steps} from "./libraries/Steps.sol";
import {Words} from "./libraries/Words.sol";

/// @title Where an output ends
/// @notice Section 10.3 of docs/rollup.md. Pure: a question about a token has a proof if there was nothing to ask, or the
/// output rightly goes on after the token, or rightly ends with it.
contract ShapeVerifier is IShapeVerifier {
    /// @dev Bytes of an item's header, of a model's, and of an interface without stop tokens.
    uint256 private constant ITEM_BYTES = 154;
    uint256 private constant MODEL_BYTES = 104;
    uint256 private constant INTERFACE_BYTES = 85;
    // Used where bytes are cut, which slither does not see.
    // slither-disable-next-line unused-state
    uint256 private constant STOPS_AT = 81;

    /// @notice The witness has not the length that the question gives.
    error WrongWitnessLength(uint256 sent);
    /// @notice The header is not the step's.
    error WrongItem();
    /// @notice Model header and interface are not what the item's model id commits to.
    error WrongModel();
    /// @notice The token is none of the vocabulary.
    error NoSuchToken(uint256 token);
    /// @notice The output goes on after a stop token.
    error RunsOn(uint256 token);
    /// @notice The output ends with a token that is no stop, before its longest length.
    error EndsEarly(uint256 token);

    /// @inheritdoc IShapeVerifier
    function prove(bytes calldata data, uint32 index, bytes calldata witness) external pure {
        uint256 op = Steps.opOf(data);
        bytes32 hash = Steps.itemHashOf(data);
        if (hash == 0) {
            // Nothing was to ask: the step has no item.
            return _ends(witness, 0);
        }
        Item memory item = _readItem(hash, witness);
        // Nothing was to ask: a vector's length is the inference game's, and there is no such token.
        if (item.kind == 1 || index >= item.outputLength) return _ends(witness, ITEM_BYTES);
        uint256 at = Words.start(data);
        uint256 maxTokens = Words.read(at + (op == Steps.INFERENCE ? 23 : 97), 4);
        _checkToken(item, maxTokens, index, witness);
    }

    /// @dev The token lies in the output, and is what its place says.
    function _checkToken(Item memory item, uint256 maxTokens, uint256 index, bytes calldata witness)
        private
        pure
    {
        bytes calldata face = _readInterface(item.modelId, witness);
        Step memory x;
        (x.item, x.end) = (item, Words.start(witness) + witness.length);
        x.cursor = Words.start(face) + face.length;
        uint256 token = Reader.packed(x, item.outputRoot, item.outputLength, index);
        Reader.finish(x);
        // INVARIANT: an output has tokens of the vocabulary alone.
        if (token >= Words.read(Words.start(face), 4)) revert NoSuchToken(token);
        bool stop = _isStop(face, token);
        if (uint256(index) + 1 < item.outputLength) {
            // INVARIANT: an output ends with its first stop token.
            if (stop) revert RunsOn(token);
            return;
        }
        // Posting saw to it that the prompt fits the context.
        uint256 longest = Words.read(Words.start(face) + 4, 4) - item.promptLength;
        if (maxTokens < longest) longest = maxTokens;
        // INVARIANT: an output ends with a stop token or is as long as it may be.
        if (!stop && item.outputLength != longest) revert EndsEarly(token);
    }

    /// @dev The item's header, which the witness begins with.
    function _readItem(bytes32 hash, bytes calldata witness) private pure returns (Item memory item) {
        if (witness.length < ITEM_BYTES) revert WrongWitnessLength(witness.length);
        uint256 at = Words.start(witness);
        (item.modelId, item.kind) = (Words.readHash(at), uint8(Words.read(at + 32, 1)));
        item.tokenBits = uint8(Words.read(at + 33, 1));
        (item.promptLength, item.outputLength) =
        (uint32(Words.read(at + 34, 4)), uint32(Words.read(at + 38, 4)));
        (item.temperature, item.topK) = (uint32(Words.read(at + 42, 4)), uint32(Words.read(at + 46, 4)));
        (item.topP, item.minP) = (uint32(Words.read(at + 50, 4)), uint32(Words.read(at + 54, 4)));
        (item.seed, item.promptRoot) = (Words.readHash(at + 58), Words.readHash(at + 90));
        item.outputRoot = Words.readHash(at + 122);
        // INVARIANT: the header is the one that posting made.
        if (Requests.itemHash(item) != hash) revert WrongItem();
    }

    /// @dev The interface, behind the model's header: its length follows from its number of stop tokens.
    function _readInterface(bytes32 model, bytes calldata witness)
        private
        pure
        returns (bytes calldata face)
    {
        uint256 from = ITEM_BYTES + MODEL_BYTES;
        if (witness.length < from + INTERFACE_BYTES) revert WrongWitnessLength(witness.length);
        bytes calldata header = witness[ITEM_BYTES:from];
        uint256 stops = uint32(bytes4(witness[from + STOPS_AT:from + INTERFACE_BYTES]));
        uint256 to = from + INTERFACE_BYTES + 4 * stops;
        if (witness.length < to) revert WrongWitnessLength(witness.length);
        face = witness[from:to];
        // INVARIANT: vocabulary, context and stop tokens are those of the item's model.
        if (
            keccak256(abi.encodePacked("rf.model", header)) != model
                || keccak256(abi.encodePacked("rf.iface", face)) != bytes32(header[72:104])
        ) revert WrongModel();
    }

    /// @dev Is a token one of an interface's stop tokens.
    function _isStop(bytes calldata face, uint256 token) private pure returns (bool) {
        uint256 end = Words.start(face) + face.length;
        for (uint256 at = Words.start(face) + INTERFACE_BYTES; at < end; at += 4) {
            if (Words.read(at, 4) == token) return true;
        }
        return false;
    }

    /// @dev The witness has so many bytes and no more.
    function _ends(bytes calldata witness, uint256 due) private pure {
        // INVARIANT: a question has one witness; nothing is appended to it.
        if (witness.length != due) revert WrongWitnessLength(witness.length);
    }
}
