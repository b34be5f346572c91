// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepTest} from "../support/StepTest.sol";

/// @notice The longest step of every reduction stays far below what a transaction may cost.
contract GasTest is StepTest {
    function _scan(string memory what, uint8 code, uint8 out, int64[] memory attributes, uint256 n) internal {
        _item(1, 1);
        int64[][] memory x = _randomRows(1, n, 0, 1 << 25);
        _given(_fixed(I32, n), x);
        _given(_fixed(I8, 1), _randomRows(1, 1, 3, 3));
        uint32 node = _node(
            code,
            _u32s(code == 5 ? 2 : code == 26 ? 2 : 1, 0, code == 26 ? 0 : 1, 0, 0, 0),
            new uint32[](0),
            attributes,
            _fixed(out, 1)
        );
        _rows(node, _randomRows(1, 1, 0, 0));
        _seal();
        _begin(node);
        _row(0, 0, 0, n);
        if (code == 5) _row(1, 0, 0, 1);
        if (code == 26) _row(1, 0, 0, n);
        _report(what, 0, 0);
    }

    /// @notice rowexp
    function test_rowexp_gas() public {
        _scan("rowexp", 2, I8, _i64s(2, 16, 1, 0, 0, 0), 2048);
    }

    /// @notice sumsq
    function test_sumsq_gas() public {
        _scan("sumsq", 5, I64, _i64s(1, 1, 0, 0, 0, 0), 2048);
    }

    /// @notice rowsum
    function test_rowsum_gas() public {
        _scan("rowsum", 8, I64, new int64[](0), 2048);
    }

    /// @notice What a step costs beside its terms.
    function test_rowsum_short_gas() public {
        _scan("rowsum of 8", 8, I64, new int64[](0), 8);
    }

    /// @notice rowmax
    function test_rowmax_gas() public {
        _scan("rowmax", 18, I32, new int64[](0), 2048);
    }

    /// @notice argmax
    function test_argmax_gas() public {
        _scan("argmax", 24, I32, new int64[](0), 2048);
    }

    /// @notice hist
    function test_hist_gas() public {
        _scan("hist of masses", 26, I64, _i64s(2, 0, 1, 0, 0, 0), 1024);
    }
}
