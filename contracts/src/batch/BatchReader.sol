// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelTerms, Sampling} from "../RollupTypes.sol";
import {Item} from "../Types.sol";
import {Packed} from "../libraries/Packed.sol";
import {RequestWords, Requests} from "../libraries/Requests.sol";
import {Steps} from "../libraries/Steps.sol";
import {Words} from "../libraries/Words.sol";

/// How far a batch is read, and what was derived of it. Offsets are of calldata.
struct Batch {
    /// The next byte.
    uint256 at;
    /// The byte after the last.
    uint256 end;
    /// The batch's time.
    uint256 time;
    /// Index of the step that is read.
    uint256 step;
    /// State root before it.
    bytes32 root;
    /// Index of the inbox's next entry, and the accumulator before it.
    uint256 entry;
    bytes32 accumulator;
    /// The head's table.
    bytes32[] models;
    ModelTerms[] terms;
    /// Leaves of both trees; of the items only the first `items` are set.
    bytes32[] leaves;
    bytes32[] itemHashes;
    uint256 items;
    /// Kept to be filled anew by each step.
    bytes32[5] derived;
    RequestWords request;
    Item item;
    Sampling sampling;
}

/// @title Reads the steps of a batch, in one pass
/// @notice Sections 8.2 to 8.4 of docs/rollup.md. Derives everything that is a function of the data, and refuses what
/// has not its one encoding, with the step's index.
/// @dev Whatever is read is within the batch: `_take` is asked before the fields of a step are read. Prompts and outputs
/// are hashed in free memory and never kept.
abstract contract BatchReader {
    /// @notice EIP-712 domain separator of what is signed.
    bytes32 public immutable DOMAIN;
    /// @dev The chain and the inbox that requests on L1 belong to.
    uint256 internal immutable CHAIN_ID;
    address internal immutable INBOX_ADDRESS;
    /// @dev Age at which an L1 request may be dropped.
    uint256 internal immutable EXPIRE;

    /// @notice The data end within this step.
    error ShortData(uint256 step);
    /// @notice Entries are deposits, forced withdrawals and L1 requests; signed items are inferences, withdrawals and
    /// delegations.
    error WrongOp(uint256 step, uint256 op);
    /// @notice The head's table has no such model, or another one than the entry.
    error WrongModel(uint256 step);
    /// @notice Unknown flags, a seed without sampling, or sampling of a vector.
    error BadFlags(uint256 step);
    /// @notice Sampling values are out of range, or a given seed is 0.
    error BadSampling(uint256 step);
    /// @notice Prompt and output need elements, and must fit the request and the model.
    error BadLength(uint256 step);
    /// @notice The request can only be dropped once it is old.
    error TooYoung(uint256 step);
    /// @notice The prompt has a token that the model does not have.
    error BadToken(uint256 step);
    /// @notice The last byte's unused bits must be zero.
    error LooseBits(uint256 step);

    constructor(bytes32 domain, address inbox, uint256 expire) {
        (DOMAIN, CHAIN_ID, INBOX_ADDRESS, EXPIRE) = (domain, block.chainid, inbox, expire);
    }

    /// @dev Reads the next entry of the inbox.
    function _readEntry(Batch memory b) internal view {
        uint256 at = _take(b, 33) + 32;
        uint256 op = Words.read(at, 1);
        if (op > Steps.L1_REQUEST) revert WrongOp(b.step, op);
        uint256 size = op == Steps.L1_REQUEST ? Steps.L1_BYTES : Steps.MONEY_BYTES;
        _take(b, size - 1);
        bytes32 entryHash = Steps.entryHash(b.entry, at, size);
        (b.accumulator, b.entry) = (Steps.accumulate(b.accumulator, entryHash), b.entry + 1);
        uint256 derived;
        if (op == Steps.FORCED) {
            b.derived[0] = Words.readHash(_take(b, 16));
            derived = 16;
        } else if (op == Steps.L1_REQUEST) {
            _readL1Request(b, at, entryHash);
            derived = 68;
        }
        _finish(b, at, size, derived);
    }

    /// @dev Reads the next signed item.
    function _readSigned(Batch memory b) internal view {
        uint256 at = _take(b, 33) + 32;
        uint256 op = Words.read(at, 1);
        if (op == Steps.INFERENCE) {
            _take(b, Steps.INFERENCE_BYTES - 1);
            _readInference(b, at);
            _finish(b, at, Steps.INFERENCE_BYTES, 112);
        } else if (op == Steps.WITHDRAWAL) {
            _take(b, Steps.WITHDRAWAL_BYTES - 1);
            b.derived[0] = Requests.withdrawalHash(DOMAIN, at + 1);
            _finish(b, at, Steps.WITHDRAWAL_BYTES, 32);
        } else if (op == Steps.DELEGATION) {
            _take(b, Steps.DELEGATION_BYTES - 1);
            b.derived[0] = Requests.delegationHash(DOMAIN, at + 1);
            _finish(b, at, Steps.DELEGATION_BYTES, 32);
        } else {
            revert WrongOp(b.step, op);
        }
    }

    /// @dev A request made on L1: prompt and terms were judged there. Derives request hash, item hash, output length.
    function _readL1Request(Batch memory b, uint256 at, bytes32 entryHash) private view {
        uint256 model = Words.read(_take(b, 1), 1);
        uint256 outputLength = Words.read(_take(b, 4), 4);
        // INVARIANT: the model is the one that was asked.
        if (model >= b.models.length || b.models[model] != Words.readHash(at + 29)) {
            revert WrongModel(b.step);
        }
        bytes32 request = Requests.l1Hash(CHAIN_ID, INBOX_ADDRESS, entryHash);
        (b.derived[0], b.derived[1], b.derived[2]) = (request, 0, bytes32(outputLength << 224));
        if (outputLength == 0) {
            // INVARIANT: nobody's request is dropped that a sequencer could be made to serve.
            if (Words.read(at + 1, 8) + EXPIRE > b.time) revert TooYoung(b.step);
            return;
        }
        Item memory item = b.item;
        item.modelId = b.models[model];
        item.promptRoot = Words.readHash(at + 61);
        (item.promptLength, item.outputLength) = (uint32(Words.read(at + 93, 4)), uint32(outputLength));
        (item.temperature, item.topK) = (uint32(Words.read(at + 101, 4)), uint32(Words.read(at + 105, 4)));
        (item.topP, item.minP) = (uint32(Words.read(at + 109, 4)), uint32(Words.read(at + 113, 4)));
        item.seed = Words.readHash(at + 117);
        b.derived[1] = _hashItem(b, model, Words.read(at + 97, 4), request);
    }

    /// @dev A signed request. Derives request hash, item hash, model, prices.
    function _readInference(Batch memory b, uint256 at) private view {
        (uint256 flags, uint256 model) = (Words.read(at + 1, 1), Words.read(at + 2, 1));
        if (model >= b.models.length) revert WrongModel(b.step);
        ModelTerms memory terms = b.terms[model];
        _readSampling(b, flags, terms.kind);
        Item memory item = b.item;
        RequestWords memory r = b.request;
        (r.model, r.promptLength, r.maxTokens) =
        (b.models[model], Words.read(at + 15, 4), Words.read(at + 23, 4));
        (item.modelId, item.promptLength) = (r.model, uint32(r.promptLength));
        item.outputLength = uint32(Words.read(at + 19, 4));
        r.promptRoot = _readPacked(b, r.promptLength, terms.tokenBits);
        item.promptRoot = r.promptRoot;
        _checkPrompt(b, terms, r.promptLength);
        (r.account, r.nonce) = (Words.read(at + 3, 4), Words.read(at + 7, 8));
        (r.maxFee, r.validUntil) = (Words.read(at + 27, 16), Words.read(at + 43, 8));
        bytes32 request = Requests.requestHash(DOMAIN, r);
        b.derived[0] = request;
        b.derived[1] = _hashItem(b, model, r.maxTokens, request);
        b.derived[2] = r.model;
        b.derived[3] = bytes32(uint256(terms.priceIn) << 192 | uint256(terms.priceOut) << 128);
    }

    /// @dev Sampling values: greedy ones are not in the data.
    function _readSampling(Batch memory b, uint256 flags, uint256 kind) private pure {
        // INVARIANT: a request has one encoding, and nothing is drawn for a vector.
        if (
            flags > 7 || flags & (Steps.SAMPLED | Steps.SEEDED) == Steps.SEEDED
                || (kind != 0 && flags & (Steps.SAMPLED | Steps.SEEDED) != 0)
        ) revert BadFlags(b.step);
        Sampling memory s = b.sampling;
        (s.temperature, s.topK, s.topP, s.minP, s.seed) = (0, 0, 65_536, 0, 0);
        if (flags & Steps.SAMPLED != 0) {
            uint256 at = _take(b, 16);
            (s.temperature, s.topK) = (uint32(Words.read(at, 4)), uint32(Words.read(at + 4, 4)));
            (s.topP, s.minP) = (uint32(Words.read(at + 8, 4)), uint32(Words.read(at + 12, 4)));
            // INVARIANT: every machine can trace what is posted.
            if (!Requests.isSampled(s)) revert BadSampling(b.step);
            if (flags & Steps.SEEDED != 0) {
                s.seed = Words.readHash(_take(b, 32));
                // INVARIANT: no seed is not given.
                if (s.seed == 0) revert BadSampling(b.step);
            }
        }
        (Item memory item, RequestWords memory r) = (b.item, b.request);
        (item.temperature, item.topK, item.topP, item.minP) = (s.temperature, s.topK, s.topP, s.minP);
        (r.temperature, r.topK, r.topP, r.minP) = (s.temperature, s.topK, s.topP, s.minP);
        (item.seed, r.seed) = (s.seed, s.seed);
    }

    /// @dev The prompt that was just read has tokens of the vocabulary alone.
    function _checkPrompt(Batch memory b, ModelTerms memory terms, uint256 count) private pure {
        uint256 at = b.at - Packed.byteLength(count, terms.tokenBits);
        // INVARIANT: every machine has a row for each token.
        if (!Packed.areBelow(at, count, terms.tokenBits, terms.vocabulary)) revert BadToken(b.step);
    }

    /// @dev Reads the output of `b.item`, whose other fields are set, and notes its hash.
    function _hashItem(Batch memory b, uint256 model, uint256 maxTokens, bytes32 request)
        private
        pure
        returns (bytes32 hash)
    {
        ModelTerms memory terms = b.terms[model];
        Item memory item = b.item;
        (uint256 promptLength, uint256 outputLength) = (item.promptLength, item.outputLength);
        bool vector = terms.kind != 0;
        // INVARIANT: every item has a last position, a model can run it, and nobody pays for more than they asked.
        if (
            promptLength == 0 || promptLength + (vector ? 0 : outputLength) > terms.context
                || (vector ? maxTokens != 0 : outputLength > maxTokens)
        ) revert BadLength(b.step);
        (item.kind, item.tokenBits) = (terms.kind, terms.tokenBits);
        if (item.seed == 0 && item.temperature != 0) item.seed = Requests.seedOf(request);
        item.outputRoot = _readPacked(b, outputLength, vector ? 32 : terms.tokenBits);
        hash = Requests.itemHash(item);
        b.itemHashes[b.items] = hash;
        b.items += 1;
    }

    /// @dev Reads packed numbers; their tensor's root.
    function _readPacked(Batch memory b, uint256 count, uint256 bits) private pure returns (bytes32) {
        // INVARIANT: there is no empty prompt and no empty output.
        if (count == 0) revert BadLength(b.step);
        uint256 length = Packed.byteLength(count, bits);
        uint256 at = _take(b, length);
        // INVARIANT: data have one encoding.
        if (!Packed.isTight(at, count, bits)) revert LooseBits(b.step);
        return Packed.root(at, length);
    }

    /// @dev Ends a step: its leaf.
    function _finish(Batch memory b, uint256 at, uint256 size, uint256 derived) private pure {
        bytes32 post = Words.readHash(at - 32);
        b.leaves[b.step] = Steps.leafOf(b.step, b.root, post, at, size, b.derived, derived);
        (b.root, b.step) = (post, b.step + 1);
    }

    /// @dev Takes the next bytes.
    /// @return at Where they begin.
    function _take(Batch memory b, uint256 size) internal pure returns (uint256 at) {
        at = b.at;
        // INVARIANT: nothing outside of the batch is read as part of it. (At most 2^37 bytes are asked for.)
        if (size > b.end - at) revert ShortData(b.step);
        b.at = at + size;
    }
}
