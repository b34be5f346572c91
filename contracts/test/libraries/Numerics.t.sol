// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Numerics} from "src/libraries/Numerics.sol";

/// @notice Gives the library calls that can revert.
contract NumericsCaller {
    /// @notice `Numerics.roundShift`.
    function roundShift(int256 x, int256 s) external pure returns (int256) {
        return Numerics.roundShift(x, s);
    }

    /// @notice `Numerics.product`.
    function product(int256 a, int256 b) external pure returns (int256) {
        return Numerics.product(a, b);
    }

    /// @notice `Numerics.sum`.
    function sum(int256 a, int256 b) external pure returns (int256) {
        return Numerics.sum(a, b);
    }

    /// @notice `Numerics.divide`.
    function divide(int256 a, int256 b) external pure returns (int256) {
        return Numerics.divide(a, b);
    }

    /// @notice `Numerics.mantissa`.
    function mantissa(int256 x, int256 e, int256 bits) external pure returns (int256) {
        return Numerics.mantissa(x, e, bits);
    }

    /// @notice `Numerics.bitLength`.
    function bitLength(int256 x) external pure returns (int256) {
        return Numerics.bitLength(x);
    }
}

/// @notice The cases of executor/src/numerics.rs, and every function against its definition.
contract NumericsTest is Test {
    int256 internal constant WIDE = 1 << 62;
    NumericsCaller internal caller = new NumericsCaller();

    /// @dev floor(a / b), b > 0.
    function _floor(int256 a, int256 b) internal pure returns (int256 q) {
        q = a / b;
        if (q * b > a) --q;
    }

    /// @notice Ties go up, for negatives too.
    function test_roundShift_ties() public pure {
        int256[3][8] memory cases = [
            [int256(5), 1, 3],
            [int256(-5), 1, -2],
            [int256(-1), 1, 0],
            [int256(1), 1, 1],
            [int256(3), 2, 1],
            [int256(-6), 2, -1],
            [int256(-7), 2, -2],
            [int256(7), 0, 7]
        ];
        for (uint256 i = 0; i < cases.length; ++i) {
            assertEq(Numerics.roundShift(cases[i][0], cases[i][1]), cases[i][2]);
        }
    }

    /// @notice Shifts to the left saturate at 64 bits; the longest shifts either way.
    function test_roundShift_edges() public pure {
        assertEq(Numerics.roundShift(3, -4), 48);
        assertEq(Numerics.roundShift(1 << 40, -40), type(int64).max);
        assertEq(Numerics.roundShift(-(1 << 40), -40), type(int64).min);
        assertEq(Numerics.roundShift(-1, -62), -WIDE);
        assertEq(Numerics.roundShift(WIDE, 62), 1);
        assertEq(Numerics.roundShift(WIDE / 2, 62), 1);
        assertEq(Numerics.roundShift(WIDE / 2 - 1, 62), 0);
        assertEq(Numerics.roundShift(-WIDE / 2, 62), 0);
        assertEq(Numerics.roundShift(-WIDE / 2 - 1, 62), -1);
        assertEq(Numerics.roundShift(-WIDE, -62), type(int64).min);
    }

    /// @notice The definition, within the domain.
    function testFuzz_roundShift(int256 x, int256 s) public pure {
        x = bound(x, -WIDE, WIDE);
        s = bound(s, -62, 62);
        int256 want = x;
        if (s > 0) want = _floor(x + int256(2 ** uint256(s - 1)), int256(2 ** uint256(s)));
        if (s < 0) {
            want = x * int256(2 ** uint256(-s));
            if (want > type(int64).max) want = type(int64).max;
            if (want < type(int64).min) want = type(int64).min;
        }
        assertEq(Numerics.roundShift(x, s), want);
    }

    /// @notice Outside of every domain.
    function test_outOfDomain_reverts() public {
        bytes4 selector = Numerics.OutOfDomain.selector;
        vm.expectRevert(selector);
        caller.roundShift(WIDE + 1, 3);
        vm.expectRevert(selector);
        caller.roundShift(-WIDE - 1, 3);
        vm.expectRevert(selector);
        caller.roundShift(1, 63);
        vm.expectRevert(selector);
        caller.roundShift(1, -63);
        vm.expectRevert(selector);
        caller.product(1 << 32, 1 << 31);
        vm.expectRevert(selector);
        caller.sum(WIDE, 1);
        vm.expectRevert(selector);
        caller.divide(1, 0);
        vm.expectRevert(selector);
        caller.divide(1, -3);
        vm.expectRevert(selector);
        caller.divide(WIDE + 1, 3);
        vm.expectRevert(selector);
        caller.mantissa(1, 1, 33);
        vm.expectRevert(selector);
        caller.mantissa(1, 1, 1);
        vm.expectRevert(selector);
        caller.bitLength(-1);
        vm.expectRevert(selector);
        caller.bitLength(1 << 64);
        assertEq(caller.product(-(1 << 31), 1 << 31), -WIDE);
    }

    /// @notice The definition, within the domain.
    function testFuzz_divide(int256 a, int256 b) public pure {
        a = bound(a, -WIDE, WIDE);
        b = bound(b, 1, WIDE);
        assertEq(Numerics.divide(a, b), _floor(a + b / 2, b));
    }

    /// @notice Ties of the rounding division.
    function test_divide_ties() public pure {
        int256[3][6] memory cases = [
            [int256(7), 2, 4],
            [int256(-7), 2, -3],
            [int256(-8), 3, -3],
            [int256(8), 3, 3],
            [int256(-1), 5, 0],
            [int256(0), 1, 0]
        ];
        for (uint256 i = 0; i < cases.length; ++i) {
            assertEq(Numerics.divide(cases[i][0], cases[i][1]), cases[i][2]);
        }
    }

    /// @notice 2^(n-1) <= x < 2^n.
    function testFuzz_bitLength(uint64 x, uint8 shift) public pure {
        x >>= shift % 64;
        int256 n = Numerics.bitLength(int256(uint256(x)));
        assertLt(uint256(x), 2 ** uint256(n));
        if (x == 0) assertEq(n, 0);
        else assertGe(uint256(x), 2 ** uint256(n - 1));
    }

    /// @notice q^2 <= x < (q + 1)^2.
    function testFuzz_isqrt(uint64 x, uint8 shift) public pure {
        x >>= shift % 64;
        uint256 q = uint256(Numerics.isqrt(int256(uint256(x))));
        assertLe(q * q, x);
        assertGt((q + 1) * (q + 1), x);
    }

    /// @notice Squares, and what is beside them.
    function testFuzz_isqrt_squares(uint32 r) public pure {
        uint256 square = uint256(r) * r;
        assertEq(uint256(Numerics.isqrt(int256(square))), r);
        if (r > 0) assertEq(uint256(Numerics.isqrt(int256(square - 1))), r - 1);
    }

    /// @notice Mantissas keep the sign and never reach the lowest value.
    function test_mantissa() public pure {
        assertEq(Numerics.mantissa(-(2 ** 31), 17, 16), -16_384);
        assertEq(Numerics.mantissa(65_535, 1, 16), 32_767);
        assertEq(Numerics.mantissa(-65_535, 1, 16), -32_767);
        assertEq(Numerics.mantissa(1, -14, 16), 16_384);
    }

    /// @notice Within 32 bits, and unchanged there.
    function testFuzz_sat32(int64 x) public pure {
        int256 y = Numerics.sat32(x);
        if (x == int32(x)) assertEq(y, x);
        else assertEq(y, x < 0 ? type(int32).min : type(int32).max);
    }
}
