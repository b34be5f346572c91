// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Receipt, Sampling} from "../RollupTypes.sol";
import {Item} from "../Types.sol";
import {Words} from "./Words.sol";

/// What is signed for an inference, as it is hashed: 14 words.
struct RequestWords {
    bytes32 typeHash;
    uint256 account;
    uint256 nonce;
    bytes32 model;
    bytes32 promptRoot;
    uint256 promptLength;
    uint256 maxTokens;
    uint256 temperature;
    uint256 topK;
    uint256 topP;
    uint256 minP;
    bytes32 seed;
    uint256 maxFee;
    uint256 validUntil;
}

/// @title What is signed, and by whom
/// @notice Section 6 of docs/rollup.md: EIP-712 in the domain of the inbox; signatures of 64 bytes; ecrecover alone.
library Requests {
    bytes32 internal constant REQUEST = keccak256(
        "Request(uint32 account,uint64 nonce,bytes32 model,bytes32 prompt,uint32 promptLength,uint32 maxTokens,uint32 temperature,uint32 topK,uint32 topP,uint32 minP,bytes32 seed,uint128 maxFee,uint64 validUntil)"
    );
    bytes32 internal constant WITHDRAWAL =
        keccak256("Withdrawal(uint32 account,uint64 nonce,uint128 amount,address to,uint64 validUntil)");
    bytes32 internal constant DELEGATION = keccak256(
        "Delegation(uint32 account,uint64 nonce,address delegate,uint128 cap,uint64 expiry,bytes32 model,uint64 maxPriceIn,uint64 maxPriceOut)"
    );
    bytes32 internal constant RECEIPT = keccak256(
        "Receipt(address proposer,uint32 epoch,uint64 number,bytes32 request,bytes32 output,uint64 deadline,address payee)"
    );
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    /// @dev The order of secp256k1, halved: of the two s of a signature the lower one is valid.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The domain separator.
    function domain(uint256 chainId, address inbox) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("Refute"), keccak256("1"), chainId, inbox));
    }

    /// @notice What is signed.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, shl(240, 0x1901))
            mstore(add(p, 2), separator)
            mstore(add(p, 34), structHash)
            hash := keccak256(p, 66)
        }
    }

    /// @notice Request hash of an inference.
    function requestHash(bytes32 separator, RequestWords memory r) internal pure returns (bytes32) {
        r.typeHash = REQUEST;
        bytes32 hash;
        assembly ("memory-safe") {
            hash := keccak256(r, 448)
        }
        return digest(separator, hash);
    }

    /// @notice Request hash of a withdrawal whose fields, packed, are at an offset of calldata: 56 bytes.
    function withdrawalHash(bytes32 separator, uint256 at) internal pure returns (bytes32) {
        (uint256 account, uint256 nonce) = (Words.read(at, 4), Words.read(at + 4, 8));
        (uint256 amount, uint256 to) = (Words.read(at + 12, 16), Words.read(at + 28, 20));
        uint256 validUntil = Words.read(at + 48, 8);
        return digest(separator, keccak256(abi.encode(WITHDRAWAL, account, nonce, amount, to, validUntil)));
    }

    /// @notice Request hash of a delegation whose fields, packed, are at an offset of calldata: 104 bytes.
    function delegationHash(bytes32 separator, uint256 at) internal pure returns (bytes32) {
        uint256[9] memory words = [
            uint256(DELEGATION),
            Words.read(at, 4),
            Words.read(at + 4, 8),
            Words.read(at + 12, 20),
            Words.read(at + 32, 16),
            Words.read(at + 48, 8),
            Words.read(at + 56, 32),
            Words.read(at + 88, 8),
            Words.read(at + 96, 8)
        ];
        bytes32 hash;
        assembly ("memory-safe") {
            hash := keccak256(words, 288)
        }
        return digest(separator, hash);
    }

    /// @notice What a receipt's signer signs.
    function receiptHash(bytes32 separator, Receipt calldata r) internal pure returns (bytes32) {
        return digest(
            separator,
            keccak256(
                abi.encode(RECEIPT, r.proposer, r.epoch, r.number, r.request, r.output, r.deadline, r.payee)
            )
        );
    }

    /// @notice Request hash of a request made on L1.
    function l1Hash(uint256 chainId, address inbox, bytes32 entryHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.l1req", uint64(chainId), inbox, entryHash));
    }

    /// @notice Seed of a sampled item whose request names none.
    function seedOf(bytes32 request) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.seed_", request));
    }

    /// @notice Are these the values of a greedy request, the only ones of a vector.
    function isGreedy(Sampling memory s) internal pure returns (bool) {
        return s.temperature == 0 && s.topK == 0 && s.topP == 65_536 && s.minP == 0 && s.seed == 0;
    }

    /// @notice Are these values in the ranges of a sampled request.
    function isSampled(Sampling memory s) internal pure returns (bool) {
        return s.temperature >= 656 && s.temperature <= 6_553_600 && s.topP >= 1 && s.topP <= 65_536
            && s.minP <= 65_536;
    }

    /// @notice Who signed; the zero address if nobody did. The 64 bytes are r, then yParity * 2^255 + s (EIP-2098).
    function signer(bytes32 hash, bytes32 r, uint256 vs) internal pure returns (address) {
        uint256 s = (vs << 1) >> 1;
        // INVARIANT: a signature has one form.
        if (s == 0 || s > HALF_ORDER) return address(0);
        return ecrecover(hash, uint8(27 + (vs >> 255)), r, bytes32(s));
    }

    /// @notice Hash of an item's header in memory, as `Program.itemHash`.
    function itemHash(Item memory item) internal pure returns (bytes32 hash) {
        uint256 head = uint256(item.kind) << 248 | uint256(item.tokenBits) << 240 | uint256(item.promptLength)
            << 208 | uint256(item.outputLength) << 176 | uint256(item.temperature) << 144 | uint256(item.topK)
            << 112 | uint256(item.topP) << 80 | uint256(item.minP) << 48;
        (bytes8 tag, bytes32 model, bytes32 seed) = ("rf.item_", item.modelId, item.seed);
        (bytes32 promptRoot, bytes32 outputRoot) = (item.promptRoot, item.outputRoot);
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, tag)
            mstore(add(p, 8), model)
            // 26 bytes, and 6 that the seed overwrites.
            mstore(add(p, 40), head)
            mstore(add(p, 66), seed)
            mstore(add(p, 98), promptRoot)
            mstore(add(p, 130), outputRoot)
            hash := keccak256(p, 162)
        }
    }
}
