// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepTest} from "../support/StepTest.sol";
import {Place} from "src/Types.sol";
import {Lists} from "src/libraries/Lists.sol";
import {Numerics} from "src/libraries/Numerics.sol";
import {Reader} from "src/libraries/Reader.sol";

/// @notice Maps, groups of a row, and products of groups: what convolutions are made of.
contract GroupsTest is StepTest {
    int256 internal constant MIN = type(int32).min;
    int256 internal constant MAX = type(int32).max;

    /// @dev Inputs of the step, node 1 (or 2 of two inputs), at position 2 of 3.
    int64[][] internal x;
    int64[][] internal y;
    uint256 internal width;

    /// @dev A step of `code` on one row of `n` Fixed at each of three positions; its row has `out` elements.
    function _unary(uint8 code, int64[] memory attributes, bytes16 shape, uint256 out, int64[] memory map)
        internal
    {
        (width, x) = (uint32(uint128(shape) >> 80), _randomRows(3, uint32(uint128(shape) >> 80), MIN, MAX));
        _item(3, 1);
        _given(shape, x);
        if (map.length > 0) _constant(I32, 1, uint32(map.length), map);
        uint32 node = _node(
            code,
            _u32s(1, 0, 0, 0, 0, 0),
            _u32s(map.length > 0 ? 1 : 0, 0, 0, 0, 0, 0),
            attributes,
            _fixed(I32, out)
        );
        _rows(node, _randomRows(3, out, 0, 0));
        _seal();
        _begin(node);
    }

    /// @dev As `_unary` without a map.
    function _plain(uint8 code, int64[] memory attributes, uint256 n, uint256 out) internal {
        _unary(code, attributes, _fixed(I32, n), out, new int64[](0));
    }

    /// @dev A map of `count` entries in -1 ..< limit; both ends are among them.
    function _map(uint256 count, uint256 limit) internal returns (int64[] memory map) {
        map = _randomRow(count, -1, int256(limit) - 1);
        (map[0], map[1], map[2]) = (-1, int64(uint64(limit - 1)), 0);
    }

    // --- gather ---

    /// @notice The own row, whatever the position.
    function testFuzz_gather_own(uint256 seed) public {
        uint256 n = 1 + seed % 300;
        int64[] memory map = _map(40, n);
        _unary(34, _i64s(2, 0, -77, 0, 0, 0), _fixed(I32, n), 40, map);
        for (uint32 e = 0; e < 40; ++e) {
            _begin(1);
            _constantAt(0, e, 1);
            if (map[e] >= 0) _row(0, 2, uint64(map[e]), 1);
            assertEq(_step(2, e), map[e] < 0 ? int64(-77) : x[2][uint64(map[e])]);
        }
    }

    /// @notice All positions in either layout; what no position has is the filling.
    function testFuzz_gather_visible(uint256 seed) public {
        uint256 n = 1 + seed % 50;
        // Two positions more than there are.
        int64[] memory map = _map(40, 5 * n);
        bytes16 shape = (seed >> 64) & 1 == 0 ? _fixed(I32, n) : _columns(I32, n);
        _unary(34, _i64s(2, 1, 5, 0, 0, 0), shape, 40, map);
        for (uint32 e = 0; e < 40; ++e) {
            _begin(1);
            _constantAt(0, e, 1);
            bool there = map[e] >= 0 && uint64(map[e]) < 3 * n;
            if (there) _row(0, uint64(map[e]) / n, uint64(map[e]) % n, 1);
            assertEq(_step(1, e), there ? x[uint64(map[e]) / n][uint64(map[e]) % n] : int64(5));
        }
    }

    /// @notice An element where there is none, a gap that is no -1, and another element than the map's.
    function test_gather_nothingElse() public {
        int64[] memory map = new int64[](3);
        (map[0], map[1], map[2]) = (-1, -2, 1);
        _unary(34, _i64s(2, 0, 9, 0, 0, 0), _fixed(I32, 200), 3, map);
        bytes32 root = _traceRoot();
        bytes32 hash = _itemHash();

        _constantAt(0, 0, 1);
        assertEq(_step(2, 0), 9);
        uint256 before = witness.length;
        _row(0, 2, 0, 1);
        uint256 more = witness.length - before;
        Place memory place = _place(2, 0);
        vm.expectRevert(abi.encodeWithSelector(Reader.LeftoverBytes.selector, more));
        verifier.step(root, hash, place, 0, _data(2, 0));

        _begin(1);
        _constantAt(0, 1, 1);
        place = _place(2, 1);
        vm.expectRevert(Numerics.OutOfDomain.selector);
        verifier.step(root, hash, place, 0, _data(2, 1));

        // Element 1 of the row lies in another chunk of the rows than element 150.
        _begin(1);
        _constantAt(0, 2, 1);
        _row(0, 2, 150, 1);
        place = _place(2, 2);
        vm.expectRevert();
        verifier.step(root, hash, place, 0, _data(2, 2));
    }

    // --- elementwise ---

    /// @notice Values below, within and above.
    function testFuzz_clamp(int32 a, int32 b) public {
        (int64 low, int64 high) = a < b ? (int64(a), int64(b)) : (int64(b), int64(a));
        _plain(35, _i64s(2, low, high, 0, 0, 0), 9, 9);
        for (uint32 e = 0; e < 9; ++e) {
            _begin(1);
            _row(0, 1, e, 1);
            int64 v = x[1][e];
            assertEq(_step(1, e), v < low ? low : v > high ? high : v);
        }
    }

    /// @notice Limits the wrong way round have no value.
    function test_clamp_noLimits() public {
        _plain(35, _i64s(2, 1, 0, 0, 0, 0), 4, 4);
        _row(0, 0, 0, 1);
        (bytes32 root, bytes32 hash, Place memory place) = (_traceRoot(), _itemHash(), _place(0, 0));
        vm.expectRevert(Numerics.OutOfDomain.selector);
        verifier.step(root, hash, place, 0, _data(0, 0));
    }

    /// @notice Products of any two Fixed at any shift.
    function testFuzz_mul(uint256 seed) public {
        int64 shift = int64(uint64(seed % 125)) - 62;
        _item(3, 1);
        (x, y) = (_randomRows(3, 4, MIN, MAX), _randomRows(3, 4, MIN, MAX));
        (x[1][0], y[1][0]) = (int64(MIN), int64(MIN));
        _given(_fixed(I32, 4), x);
        _given(_fixed(I32, 4), y);
        uint32[] memory none = new uint32[](0);
        uint32 node = _node(38, _u32s(2, 0, 1, 0, 0, 0), none, _i64s(1, shift, 0, 0, 0, 0), _fixed(I32, 4));
        _rows(node, _randomRows(3, 4, 0, 0));
        _seal();
        for (uint32 e = 0; e < 4; ++e) {
            _begin(2);
            _row(0, 1, e, 1);
            _row(1, 1, e, 1);
            assertEq(_step(1, e), _sat(_round(int256(x[1][e]) * y[1][e], shift)));
        }
    }

    // --- groups ---

    function _most(uint256 t, uint256 a, uint256 b) internal view returns (int256 most) {
        most = x[t][a];
        for (uint256 i = a; i < b; ++i) {
            if (x[t][i] > most) most = x[t][i];
        }
    }

    function _total(uint256 t, uint256 a, uint256 b) internal view returns (int256 total) {
        for (uint256 i = a; i < b; ++i) {
            total += x[t][i];
        }
    }

    /// @dev floor(total / n + 1/2) by comparisons alone.
    function _mean(int256 total, int256 n) internal pure returns (int256 mean) {
        mean = (2 * total + n) / (2 * n);
        if (mean * 2 * n > 2 * total + n) --mean;
    }

    /// @notice Groups that begin and end anywhere.
    function testFuzz_groups(uint256 seed) public {
        (uint256 groups, uint256 each) = (1 + seed % 6, 1 + (seed >> 32) % 70);
        bool max = (seed >> 64) & 1 == 0;
        _plain(max ? 36 : 37, _i64s(1, int64(uint64(groups)), 0, 0, 0, 0), groups * each, groups);
        for (uint32 g = 0; g < groups; ++g) {
            _begin(1);
            _row(0, 1, g * each, each);
            (uint256 a, uint256 b) = (g * each, (g + 1) * each);
            assertEq(_step(1, g), max ? _most(1, a, b) : _mean(_total(1, a, b), int256(each)));
        }
    }

    /// @dev An element through its list of two segments.
    function _listed(uint8 code) internal returns (int256 result) {
        _plain(code, _i64s(1, 2, 0, 0, 0, 0), 5000, 2);
        int64[] memory entries = new int64[](2);
        _row(0, 0, 2500, 2048);
        entries[0] = int64(_segment(0, 1, 0, 2048));
        _begin(1);
        _row(0, 0, 4548, 452);
        entries[1] = int64(_segment(0, 1, 2048, 2500));
        _begin(1);
        uint32 segment;
        uint32 end;
        (result, segment, end) =
            verifier.combine(_traceRoot(), _itemHash(), _place(0, 1), entries, _data(0, 1));
        assertEq(segment, 2048);
        assertEq(end, 2500);
        (bytes32 root, bytes32 hash, Place memory place) = (_traceRoot(), _itemHash(), _place(0, 1));
        vm.expectRevert(abi.encodeWithSelector(Lists.WrongCount.selector, 1, 2));
        verifier.combine(root, hash, place, new int64[](1), _data(0, 1));
    }

    /// @notice The largest of a long group, from its segments' largest.
    function test_groupmax_list() public {
        int256 most = _listed(36);
        assertEq(most, _most(0, 2500, 5000));
    }

    /// @notice The mean of a long group, from its segments' sums.
    function test_groupmean_list() public {
        int256 mean = _listed(37);
        assertEq(mean, _mean(_total(0, 2500, 5000), 2500));
    }

    /// @notice The most terms of a step.
    function test_groupmean_2048Terms_gas() public {
        _plain(37, _i64s(1, 2, 0, 0, 0, 0), 4096, 2);
        _row(0, 1, 2048, 2048);
        assertEq(_step(1, 1), _mean(_total(1, 2048, 4096), 2048));
        _report("groupmean", 1, 1);
    }

    // --- products of groups ---

    /// @notice A convolution's product: every group has its mantissas and its exponent, all have the weights.
    function testFuzz_linear_groups(uint256 seed) public {
        (uint256 groups, uint256 channels, uint256 terms) =
            (1 + seed % 5, 1 + (seed >> 32) % 4, 1 + (seed >> 64) % 40);
        _item(2, 1);
        (x, y) = (_randomRows(2, groups * terms, -32_767, 32_767), _randomRows(2, groups, -8, 8));
        int64[] memory w = _randomRow(channels * terms, -127, 127);
        int64[] memory scale = _randomRow(channels, 32_768, 65_535);
        int64[] memory shifts = _randomRow(channels, 20, 30);
        int64[] memory biases = _randomRow(channels, -1_000_000, 1_000_000);
        _given(_fixed(I16, groups * terms), x);
        _given(_fixed(I8, groups), y);
        _constant(I8, uint32(channels), uint32(terms), w);
        _constant(U16, 1, uint32(channels), scale);
        _constant(I8, 1, uint32(channels), shifts);
        _constant(I32, 1, uint32(channels), biases);
        uint32 node = _node(
            4,
            _u32s(2, 0, 1, 0, 0, 0),
            _u32s(4, 0, 1, 2, 3, 0),
            _i64s(1, 5, 0, 0, 0, 0),
            _fixed(I32, groups * channels)
        );
        _rows(node, _randomRows(2, groups * channels, 0, 0));
        _seal();
        for (uint256 e = 0; e < groups * channels; ++e) {
            (uint256 p, uint256 n) = (e / channels, e % channels);
            int256 acc;
            for (uint256 k = 0; k < terms; ++k) {
                acc += int256(w[n * terms + k]) * x[1][p * terms + k];
            }
            _begin(node);
            _row(0, 1, p * terms, terms);
            _constantAt(0, n * terms, terms);
            _row(1, 1, p, 1);
            for (uint256 k = 1; k < 4; ++k) {
                _constantAt(k, n, 1);
            }
            int256 due = _sat(_sat(_round(acc * scale[n], shifts[n] + 5 - y[1][p])) + biases[n]);
            assertEq(_step(1, uint32(e)), due);
        }
    }
}
