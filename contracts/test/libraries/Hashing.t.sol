// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Hashing} from "src/libraries/Hashing.sol";

/// @notice Gives the library's internal functions calldata and a call that can revert.
contract HashingCaller {
    /// @notice `Hashing.chunkHashCalldata`.
    function chunkHashCalldata(uint256 index, bytes calldata data) external pure returns (bytes32) {
        return Hashing.chunkHashCalldata(index, data);
    }

    /// @notice `Hashing.chunkHash`.
    function chunkHash(uint256 index, bytes memory data) external pure returns (bytes32) {
        return Hashing.chunkHash(index, data);
    }
}

/// @notice The hashes against the values of the Rust twin. The tests of `check_` are for halmos: they hold for every
/// input of the lengths it tries.
contract HashingTest is Test {
    // Byte i of a chunk is 7 i + 3 modulo 256. bisection/tests/contracts.rs computes these and reads this file.
    bytes32 internal constant PAD = 0x9efa475e9908e6c7ee608bd2f14c93762b89dcc6f159fe0e0fdcbc97baf6c5c4;
    bytes32 internal constant CHUNK_EMPTY =
        0x11125f2868e57fb14b1319604ad4c82705097f392ae3daca678cc1990a27516c;
    bytes32 internal constant CHUNK_0_OF_512 =
        0xb1e2b71e4832de117a73c1a21143c07f5a141c792e51d87a32c05e94758d5929;
    bytes32 internal constant CHUNK_5_OF_31 =
        0x3cf94fb8271de71701169f8dc32e324640b68f31e54c646d6db349c4aca6667d;
    bytes32 internal constant CHUNK_LAST_OF_1 =
        0xa9afe86b02072bb3e902cddefd7293d5c9a272478f2286100adadfe25892aa79;
    bytes32 internal constant NODE = 0x44953aa02217166bd0a26b8ad211f25fca4eca950caae3e0b985132b46aca54d;
    bytes32 internal constant ROOT_OF_3 = 0xd129bb8c2a0107493e38ac1839f622a432a1c52be2654c3b4fef78fe069a6658;

    HashingCaller internal caller;

    /// @notice The one contract that all tests call.
    function setUp() public {
        caller = new HashingCaller();
    }

    /// @notice PAD is what Rust says.
    function test_pad() public pure {
        assertEq(Hashing.PAD, PAD);
    }

    /// @notice Chunks of every kind: empty, full, odd, with the last index.
    function test_chunkHash() public view {
        _expectChunk(0, 0, CHUNK_EMPTY);
        _expectChunk(0, 512, CHUNK_0_OF_512);
        _expectChunk(5, 31, CHUNK_5_OF_31);
        _expectChunk(2 ** 48 - 1, 1, CHUNK_LAST_OF_1);
    }

    /// @notice A node, and the root of three leaves, the fourth missing.
    function test_nodeHash() public pure {
        bytes32 left = Hashing.nodeHash(CHUNK_0_OF_512, CHUNK_5_OF_31);
        assertEq(left, NODE);
        assertEq(Hashing.nodeHash(left, Hashing.nodeHash(CHUNK_LAST_OF_1, Hashing.PAD)), ROOT_OF_3);
    }

    /// @notice A node's children are not sorted.
    function testFuzz_nodeHash_isPositional(bytes32 left, bytes32 right) public pure {
        vm.assume(left != right);
        assertNotEq(Hashing.nodeHash(left, right), Hashing.nodeHash(right, left));
    }

    /// @notice Any chunk, by both functions, is what the specification's words say.
    function testFuzz_chunkHash(uint48 index, bytes memory data) public view {
        vm.assume(data.length <= 512);
        bytes32 expected = keccak256(abi.encodePacked("rf.chunk", index, uint16(data.length), data));
        assertEq(caller.chunkHash(index, data), expected);
        assertEq(caller.chunkHashCalldata(index, data), expected);
    }

    /// @notice A chunk of 513 bytes is refused.
    function test_chunkHash_tooLong_reverts() public {
        bytes memory data = new bytes(513);
        vm.expectRevert(abi.encodeWithSelector(Hashing.ChunkTooLong.selector, 513));
        caller.chunkHash(0, data);
        vm.expectRevert(abi.encodeWithSelector(Hashing.ChunkTooLong.selector, 513));
        caller.chunkHashCalldata(0, data);
    }

    /// @notice An index of 49 bits or more is refused.
    function testFuzz_chunkHash_indexTooLarge_reverts(uint256 index) public {
        index = bound(index, 2 ** 48, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(Hashing.ChunkIndexTooLarge.selector, index));
        caller.chunkHash(index, "");
        vm.expectRevert(abi.encodeWithSelector(Hashing.ChunkIndexTooLarge.selector, index));
        caller.chunkHashCalldata(index, "");
    }

    /// @notice The hashing leaves memory that Solidity has allocated as it was.
    function testFuzz_hashing_keepsMemory(bytes memory before) public pure {
        bytes32 was = keccak256(before);
        bytes memory chunk = _chunk(512);
        Hashing.nodeHash(Hashing.chunkHash(1, chunk), Hashing.PAD);
        bytes memory fresh = new bytes(600);
        assertEq(keccak256(before), was);
        assertEq(keccak256(chunk), keccak256(_chunk(512)));
        assertEq(keccak256(fresh), keccak256(new bytes(600)));
    }

    /// @notice Every node is the specification's.
    function check_nodeHash(bytes32 left, bytes32 right) public pure {
        assert(Hashing.nodeHash(left, right) == keccak256(abi.encodePacked("rf.node_", left, right)));
    }

    /// @notice Every chunk of a length that halmos tries is the specification's, by both functions.
    function check_chunkHash(uint48 index, bytes calldata data) public pure {
        bytes32 expected = keccak256(abi.encodePacked("rf.chunk", index, uint16(data.length), data));
        assert(Hashing.chunkHashCalldata(index, data) == expected);
        assert(Hashing.chunkHash(index, data) == expected);
    }

    function _expectChunk(uint256 index, uint256 length, bytes32 expected) private view {
        assertEq(caller.chunkHash(index, _chunk(length)), expected);
        assertEq(caller.chunkHashCalldata(index, _chunk(length)), expected);
    }

    function _chunk(uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            data[i] = bytes1(uint8((7 * i + 3) % 256));
        }
    }
}
