// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepTest} from "./support/StepTest.sol";
import {StepVerifier} from "src/StepVerifier.sol";
import {Layout} from "src/libraries/Layout.sol";
import {Program} from "src/libraries/Program.sol";
import {Reader} from "src/libraries/Reader.sol";

/// @notice What the verifier answers itself: shapes and outputs. Steps of every operation are compared with Rust.
contract StepVerifierTest is StepTest {
    int64[] internal values;
    bytes internal published;

    /// @dev Two prompt tokens and three of the output, 10 bits each; node 0 has them at the positions 1 to 3.
    function _tokens() internal {
        _item(2, 3);
        values = _i64s(3, 1, 1023, 514, 0, 0);
        int64[][] memory rows = new int64[][](3);
        uint256 bits;
        for (uint256 i = 0; i < 3; ++i) {
            rows[i] = _i64s(1, values[i], 0, 0, 0, 0);
            bits = (bits << 10) | uint64(values[i]);
        }
        published = abi.encodePacked(uint32(bits << 2));
        item.outputRoot = _root(_leaves(_split(published)));
        _given(_shape(I32, 0, 1, 0, 1, 0), rows);
        _given(_fixed(I32, 7), _randomRows(4, 7, 0, 9));
        nodes[0].first = 1;
        _seal();
    }

    function _open(uint256 t, uint256 e) internal {
        _begin(0);
        bytes memory face = _interface();
        witness = bytes.concat(bytes4(uint32(face.length)), face);
        _openRow(0, t, e, 1);
        witness = bytes.concat(witness, published);
    }

    /// @notice Every published token equals its sample's value; another one does not.
    function test_output_tokens() public {
        _tokens();
        for (uint32 i = 0; i < 3; ++i) {
            _open(1 + i, 0);
            assertTrue(verifier.output(_traceRoot(), _itemHash(), i, _data(0, 0)));
        }
        published[3] = bytes1(uint8(published[3]) ^ 4);
        item.outputRoot = _root(_leaves(_split(published)));
        _open(3, 0);
        assertFalse(verifier.output(_traceRoot(), _itemHash(), 2, _data(0, 0)));
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert(StepVerifier.NoOutput.selector);
        verifier.output(root, hash, 3, _data(0, 0));
        witness[4] = 0xff;
        vm.expectRevert(StepVerifier.WrongInterface.selector);
        verifier.output(root, hash, 2, _data(0, 0));
        witness = hex"000000";
        vm.expectRevert(Reader.ShortWitness.selector);
        verifier.output(root, hash, 2, _data(0, 0));
        witness = hex"ffffffff00";
        vm.expectRevert(Reader.ShortWitness.selector);
        verifier.output(root, hash, 2, _data(0, 0));
    }

    /// @notice Elements of a vector; one of another length is never proven.
    function test_output_vector() public {
        _item(4, 3);
        item.kind = 1;
        values = _i64s(3, -7, type(int32).max, 5, 0, 0);
        int64[][] memory rows = new int64[][](1);
        rows[0] = values;
        published = hex"f9ffffffffffff7f05000000";
        item.outputRoot = _root(_leaves(_split(published)));
        _given(_shape(I32, 0, 3, 0, 3, 0), rows);
        nodes[0].first = 3;
        _seal();
        for (uint32 i = 0; i < 3; ++i) {
            _open(3, i);
            assertTrue(verifier.output(_traceRoot(), _itemHash(), i, _data(3, i)));
        }
        item.outputLength = 2;
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert(StepVerifier.NoOutput.selector);
        verifier.output(root, hash, 1, _data(3, 1));
    }

    /// @notice Chunks and packed shape of a node; a node without positions has none.
    function test_tensor() public {
        _tokens();
        _begin(1);
        (uint64 chunks, uint256 shape) = verifier.tensor(_itemHash(), 1, item, _data(0, 0).node);
        assertEq(chunks, 1);
        assertEq(Layout.chunkLength(shape, 0), 4 * 7 * 4);
        bytes32 hash = _itemHash();
        vm.expectRevert(Program.WrongRecord.selector);
        verifier.tensor(hash, 0, item, _data(0, 0).node);
    }

    /// @notice A code that no family has.
    function test_step_unknownOperation_reverts() public {
        _node(39, new uint32[](0), new uint32[](0), new int64[](0), _fixed(I32, 1));
        _rows(0, _randomRows(1, 1, 0, 0));
        _item(1, 1);
        _seal();
        _begin(0);
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert(abi.encodeWithSelector(StepVerifier.UnknownOperation.selector, 39));
        verifier.step(root, hash, _place(0, 0), 0, _data(0, 0));
    }
}
