// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {
    CENTRE,
    GROUPMAX,
    GROUPMEAN,
    NORM,
    QUANTISE,
    RNORM,
    ROWEXP,
    ROWSUM,
    SUMSQ
} from "../libraries/Opcodes.sol";
import {Step} from "../libraries/Reader.sol";
import {Centre} from "../ops/centre.sol";
import {GroupMax} from "../ops/groupmax.sol";
import {GroupMean} from "../ops/groupmean.sol";
import {Norm} from "../ops/norm.sol";
import {Quantise} from "../ops/quantise.sol";
import {RNorm} from "../ops/rnorm.sol";
import {RowExp} from "../ops/rowexp.sol";
import {RowSum} from "../ops/rowsum.sol";
import {SumSq} from "../ops/sumsq.sol";
import {Prover} from "./Prover.sol";

/// @title The prover of exponents, mantissas, norms and groups
contract NormsProver is Prover {
    /// @inheritdoc Prover
    function terms(Step memory x) internal pure override returns (uint256) {
        uint256 code = x.node.code;
        if (code == ROWEXP) return RowExp.terms(x);
        if (code == SUMSQ) return SumSq.terms(x);
        if (code == ROWSUM) return RowSum.terms(x);
        if (code == GROUPMAX) return GroupMax.terms(x);
        if (code == GROUPMEAN) return GroupMean.terms(x);
        return 1;
    }

    /// @inheritdoc Prover
    function part(Step memory x, uint256 a, uint256 b) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == ROWEXP) return RowExp.part(x, a, b);
        if (code == QUANTISE) return Quantise.value(x);
        if (code == SUMSQ) return SumSq.part(x, a, b);
        if (code == RNORM) return RNorm.value(x);
        if (code == NORM) return Norm.value(x);
        if (code == ROWSUM) return RowSum.part(x, a, b);
        if (code == CENTRE) return Centre.value(x);
        if (code == GROUPMAX) return GroupMax.part(x, a, b);
        if (code == GROUPMEAN) return GroupMean.part(x, a, b);
        revert UnknownOperation(code);
    }

    /// @inheritdoc Prover
    function finish(Step memory x, int256 total) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == ROWEXP) return RowExp.finish(x, total);
        if (code == GROUPMEAN) return GroupMean.finish(x, total);
        return total;
    }
}
