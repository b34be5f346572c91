// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Item} from "src/Types.sol";
import {Layout, Tensor} from "src/libraries/Layout.sol";

/// @notice Gives the library calldata and a call that can revert.
contract LayoutCaller {
    /// @notice `Layout.tensor`.
    function tensor(bytes16 shape, Item calldata item) external pure returns (Tensor memory) {
        return Layout.tensor(shape, item);
    }

    /// @notice `Layout.locate`.
    function locate(Tensor memory x, uint256 t, uint256 e) external pure returns (uint256, uint256) {
        return Layout.locate(x, t, e);
    }

    /// @notice `Layout.chunkLength`.
    function chunkLength(uint256 shape, uint256 chunk) external pure returns (uint256) {
        return Layout.chunkLength(shape, chunk);
    }

    /// @notice `Layout.value`.
    function value(uint256 shape, bytes calldata chunk, uint256 slot) external pure returns (int64) {
        return Layout.value(shape, chunk, slot);
    }
}

/// @notice Addresses against the protocol's words, one row after the other.
contract LayoutTest is Test {
    LayoutCaller internal caller = new LayoutCaller();

    function _shape(uint8 element, uint8 kind, uint32 width, int64 span, uint8 range, uint8 layout)
        internal
        pure
        returns (bytes16)
    {
        return bytes16(abi.encodePacked(element, kind, width, span, range, layout));
    }

    function _item(uint32 prompt, uint32 output) internal pure returns (Item memory item) {
        item.promptLength = prompt;
        item.outputLength = output;
    }

    /// @notice Every range has the positions of the table.
    function test_tensor_positions() public view {
        Item memory item = _item(5, 3);
        uint256[2][4] memory want = [[uint256(0), 7], [uint256(4), 3], [uint256(4), 0], [uint256(6), 1]];
        for (uint8 range = 0; range < 4; ++range) {
            Tensor memory x = caller.tensor(_shape(2, 0, 9, 0, range, 0), item);
            assertEq(x.first, want[range][0]);
            assertEq(x.count, want[range][1]);
            assertEq(x.positions, 7);
        }
        item.temperature = 65_536;
        assertEq(caller.tensor(_shape(2, 0, 9, 0, 2, 0), item).count, 3);
        item.kind = 1;
        assertEq(caller.tensor(_shape(2, 0, 9, 0, 3, 0), item).first, 4);
    }

    /// @notice In rows, every element follows the one before, over all spans.
    function testFuzz_locate_rowsFollowEachOther(uint256 seed) public {
        uint8 element = uint8(seed % 4);
        int64 span = [int64(0), -1, 1, 3, 7, 40][(seed >> 8) % 6];
        uint8 range = [0, 1, 3][(seed >> 16) % 3];
        Item memory item = _item(uint32(1 + (seed >> 24) % 9), uint32(1 + (seed >> 32) % 9));
        uint32 width = uint32(1 + (seed >> 40) % 70);
        Tensor memory x = caller.tensor(_shape(element, uint8((seed >> 48) % 2), width, span, range, 0), item);
        uint256 at;
        for (uint256 t = x.first; t < x.first + x.count; ++t) {
            uint256 length = width;
            if (x.visible) {
                uint256 seen = t + 1;
                if (span == 0) seen = x.positions;
                else if (span > 0 && seen > uint64(span)) seen = uint64(span);
                length *= seen;
            }
            assertEq(Layout.rowLength(x, t), length);
            for (uint256 e = 0; e < length; e += 1 + length / 5) {
                (uint256 chunk, uint256 slot) = Layout.locate(x, t, e);
                assertEq(chunk * 512 + slot * x.size, (at + e) * x.size);
                assertLt(slot * x.size, 512);
            }
            at += length;
        }
        assertEq(Layout.byteLength(x), at * x.size);
        _checkChunks(x, at * x.size);
    }

    function _checkChunks(Tensor memory x, uint256 length) internal {
        uint256 shape = Layout.pack(x);
        uint256 n = Layout.chunks(x);
        uint256 whole;
        for (uint256 i = 0; i < n; ++i) {
            whole += Layout.chunkLength(shape, i);
            assertEq(Layout.slots(shape, i), Layout.chunkLength(shape, i) / x.size);
        }
        assertEq(whole, length);
        vm.expectRevert(Layout.OutOfShape.selector);
        caller.chunkLength(shape, n);
    }

    /// @notice In columns, all addresses differ and fill the chunks.
    function testFuzz_locate_columnsAreAPermutation(uint256 seed) public {
        uint8 element = uint8(seed % 4);
        Item memory item = _item(uint32(1 + (seed >> 24) % 300), 1);
        uint32 width = uint32(1 + (seed >> 40) % 5);
        Tensor memory x = caller.tensor(_shape(element, 0, width, 0, 0, 1), item);
        uint256 shape = Layout.pack(x);
        bool[] memory seen = new bool[](Layout.chunks(x) * 512);
        for (uint256 t = 0; t < x.count; ++t) {
            for (uint256 e = 0; e < width; ++e) {
                (uint256 chunk, uint256 slot) = Layout.locate(x, t, e);
                assertLt(slot, Layout.slots(shape, chunk));
                assertFalse(seen[chunk * 512 + slot]);
                seen[chunk * 512 + slot] = true;
            }
        }
        _checkChunks(x, x.count * width * x.size);
    }

    /// @notice What a tensor does not have has no address.
    function test_locate_outside_reverts() public {
        Tensor memory x = caller.tensor(_shape(2, 0, 9, 0, 1, 0), _item(5, 3));
        uint256[2][3] memory bad = [[uint256(3), 0], [uint256(7), 0], [uint256(4), 9]];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(Layout.OutOfShape.selector);
            caller.locate(x, bad[i][0], bad[i][1]);
        }
    }

    /// @notice Codes that do not exist, no width, columns per visible position.
    function test_tensor_badShape_reverts() public {
        bytes16[7] memory bad = [
            _shape(5, 0, 1, 0, 0, 0),
            _shape(0, 2, 1, 0, 0, 0),
            _shape(0, 0, 0, 0, 0, 0),
            _shape(0, 1, 1, -2, 0, 0),
            _shape(0, 0, 1, 0, 4, 0),
            _shape(0, 0, 1, 0, 0, 2),
            _shape(0, 1, 1, 0, 0, 1)
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Layout.BadShape.selector, bad[i]));
            caller.tensor(bad[i], _item(1, 1));
        }
        vm.expectRevert(Layout.EmptyItem.selector);
        caller.tensor(_shape(0, 0, 1, 0, 0, 0), _item(0, 1));
    }

    /// @notice Little-endian, with the sign of the type.
    function test_value() public {
        bytes memory chunk = hex"ff7f0080fefffffffffffffffeffffff";
        assertEq(caller.value(0, chunk, 0), -1);
        assertEq(caller.value(0, chunk, 1), 127);
        assertEq(caller.value(1, chunk, 0), 32_767);
        assertEq(caller.value(1, chunk, 1), -32_768);
        assertEq(caller.value(2, chunk, 3), -2);
        assertEq(caller.value(3, chunk, 1), -4_294_967_297);
        assertEq(caller.value(4, chunk, 1), 32_768);
        vm.expectRevert(Layout.OutOfShape.selector);
        caller.value(2, chunk, 4);
    }
}
