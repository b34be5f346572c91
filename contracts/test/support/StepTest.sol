// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {TraceBuilder} from "./TraceBuilder.sol";
import {Test} from "forge-std/Test.sol";
import {StepVerifier} from "src/StepVerifier.sol";
import {Place} from "src/Types.sol";
import {AttentionProver} from "src/provers/AttentionProver.sol";
import {NormsProver} from "src/provers/NormsProver.sol";
import {ProductsProver} from "src/provers/ProductsProver.sol";
import {SamplingProver} from "src/provers/SamplingProver.sol";
import {TablesProver} from "src/provers/TablesProver.sol";

/// @notice Steps of a small trace through the real dispatcher.
abstract contract StepTest is Test, TraceBuilder {
    uint8 internal constant I8 = 0;
    uint8 internal constant I16 = 1;
    uint8 internal constant I32 = 2;
    uint8 internal constant I64 = 3;
    uint8 internal constant U16 = 4;

    StepVerifier internal verifier;
    uint256 private _state = 1;

    /// @notice The verifier with its five provers.
    function setUp() public virtual {
        verifier = new StepVerifier(
            new TablesProver(),
            new NormsProver(),
            new ProductsProver(),
            new AttentionProver(),
            new SamplingProver()
        );
    }

    /// @dev The element of the current node, its witness being complete.
    function _step(uint32 t, uint32 e) internal view returns (int256) {
        return _claim(t, e, 0);
    }

    function _claim(uint32 t, uint32 e, int64 claimed) internal view returns (int256) {
        return verifier.step(_traceRoot(), _itemHash(), _place(t, e), claimed, _data(t, e));
    }

    /// @dev A segment of the element.
    function _segment(uint32 t, uint32 e, uint32 a, uint32 b) internal view returns (int256) {
        Place memory place = _place(t, e);
        (place.from, place.to) = (a, b);
        return verifier.step(_traceRoot(), _itemHash(), place, 0, _data(t, e));
    }

    /// @dev Says what a step costs as a transaction: at the floor of calldata, and as it executes.
    function _report(string memory what, uint32 t, uint32 e) internal {
        bytes memory call =
            abi.encodeCall(verifier.step, (_traceRoot(), _itemHash(), _place(t, e), 0, _data(t, e)));
        uint256 before = gasleft();
        (bool ok,) = address(verifier).staticcall(call);
        uint256 used = before - gasleft();
        assertTrue(ok);
        uint256 tokens;
        for (uint256 i = 0; i < call.length; ++i) {
            tokens += call[i] == 0 ? 1 : 4;
        }
        uint256 floor = 21_000 + 10 * tokens;
        uint256 run = 21_000 + 4 * tokens + used;
        emit log_named_uint(string.concat(what, ": execution"), used);
        emit log_named_uint(string.concat(what, ": bytes"), call.length);
        emit log_named_uint(string.concat(what, ": transaction"), floor > run ? floor : run);
        assertLt(floor > run ? floor : run, 1_000_000);
    }

    /// @dev A number of low ..= high, another each time.
    function _random(int256 low, int256 high) internal returns (int64) {
        _state = uint256(keccak256(abi.encode(_state)));
        return int64(low + int256(_state % uint256(high - low + 1)));
    }

    function _randomRow(uint256 n, int256 low, int256 high) internal returns (int64[] memory row) {
        row = new int64[](n);
        for (uint256 i = 0; i < n; ++i) {
            row[i] = _random(low, high);
        }
    }

    function _randomRows(uint256 t, uint256 n, int256 low, int256 high)
        internal
        returns (int64[][] memory rows)
    {
        rows = new int64[][](t);
        for (uint256 i = 0; i < t; ++i) {
            rows[i] = _randomRow(n, low, high);
        }
    }

    function _fixed(uint8 element, uint256 width) internal pure returns (bytes16) {
        return _shape(element, 0, uint32(width), 0, 0, 0);
    }

    function _columns(uint8 element, uint256 width) internal pure returns (bytes16) {
        return _shape(element, 0, uint32(width), 0, 0, 1);
    }

    function _u32s(uint256 n, uint32 a, uint32 b, uint32 c, uint32 d, uint32 e)
        internal
        pure
        returns (uint32[] memory list)
    {
        list = new uint32[](n);
        uint32[5] memory all = [a, b, c, d, e];
        for (uint256 i = 0; i < n; ++i) {
            list[i] = all[i];
        }
    }

    function _i64s(uint256 n, int64 a, int64 b, int64 c, int64 d, int64 e)
        internal
        pure
        returns (int64[] memory list)
    {
        list = new int64[](n);
        int64[5] memory all = [a, b, c, d, e];
        for (uint256 i = 0; i < n; ++i) {
            list[i] = all[i];
        }
    }

    function _round(int256 x, int256 s) internal pure returns (int256) {
        return s > 0 ? (x + (int256(1) << uint256(s - 1))) >> uint256(s) : x << uint256(-s);
    }

    function _sat(int256 x) internal pure returns (int256) {
        return x > type(int32).max ? type(int32).max : x < type(int32).min ? type(int32).min : x;
    }
}
