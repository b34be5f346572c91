// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EXP2W, MIX, POOL, ROWMAX, SCORE, TIMEMAX, WSUM} from "../libraries/Opcodes.sol";
import {Step} from "../libraries/Reader.sol";
import {Exp2W} from "../ops/exp2w.sol";
import {Mix} from "../ops/mix.sol";
import {Pool} from "../ops/pool.sol";
import {RowMax} from "../ops/rowmax.sol";
import {Score} from "../ops/score.sol";
import {TimeMax} from "../ops/timemax.sol";
import {WSum} from "../ops/wsum.sol";
import {Prover} from "./Prover.sol";

/// @title The prover of attention and pooling
contract AttentionProver is Prover {
    /// @inheritdoc Prover
    function terms(Step memory x) internal pure override returns (uint256) {
        uint256 code = x.node.code;
        if (code == SCORE) return Score.terms(x);
        if (code == ROWMAX) return RowMax.terms(x);
        if (code == WSUM) return WSum.terms(x);
        if (code == TIMEMAX) return TimeMax.terms(x);
        if (code == MIX) return Mix.terms(x);
        if (code == POOL) return Pool.terms(x);
        return 1;
    }

    /// @inheritdoc Prover
    function part(Step memory x, uint256 a, uint256 b) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == SCORE) return Score.part(x, a, b);
        if (code == ROWMAX) return RowMax.part(x, a, b);
        if (code == EXP2W) return Exp2W.value(x);
        if (code == WSUM) return WSum.part(x, a, b);
        if (code == TIMEMAX) return TimeMax.part(x, a, b);
        if (code == MIX) return Mix.part(x, a, b);
        if (code == POOL) return Pool.part(x, a, b);
        revert UnknownOperation(code);
    }

    /// @inheritdoc Prover
    function finish(Step memory x, int256 total) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == SCORE) return Score.finish(x, total);
        if (code == MIX) return Mix.finish(x, total);
        if (code == POOL) return Pool.finish(x, total);
        return total;
    }
}
