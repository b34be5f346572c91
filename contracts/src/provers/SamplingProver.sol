// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {
    ARGMAX,
    BLOCKSUM,
    CROSSING,
    CUMSUM,
    DISTANCE,
    DRAW,
    HIST,
    KEEP,
    PICK,
    WEIGH
} from "../libraries/Opcodes.sol";
import {Step} from "../libraries/Reader.sol";
import {Argmax} from "../ops/argmax.sol";
import {BlockSum} from "../ops/blocksum.sol";
import {Crossing} from "../ops/crossing.sol";
import {CumSum} from "../ops/cumsum.sol";
import {Distance} from "../ops/distance.sol";
import {Draw} from "../ops/draw.sol";
import {Hist} from "../ops/hist.sol";
import {Keep} from "../ops/keep.sol";
import {Pick} from "../ops/pick.sol";
import {Weigh} from "../ops/weigh.sol";
import {Prover} from "./Prover.sol";

/// @title The prover of sampling
contract SamplingProver is Prover {
    /// @inheritdoc Prover
    function terms(Step memory x) internal pure override returns (uint256) {
        uint256 code = x.node.code;
        if (code == ARGMAX) return Argmax.terms(x);
        if (code == HIST) return Hist.terms(x);
        if (code == BLOCKSUM) return BlockSum.terms(x);
        return 1;
    }

    /// @inheritdoc Prover
    function part(Step memory x, uint256 a, uint256 b) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == ARGMAX) return Argmax.part(x, a, b);
        if (code == DISTANCE) return Distance.value(x);
        if (code == HIST) return Hist.part(x, a, b);
        if (code == CUMSUM) return CumSum.value(x);
        if (code == CROSSING) return Crossing.value(x);
        if (code == WEIGH) return Weigh.value(x);
        if (code == KEEP) return Keep.value(x);
        if (code == BLOCKSUM) return BlockSum.part(x, a, b);
        if (code == DRAW) return Draw.value(x);
        if (code == PICK) return Pick.value(x);
        revert UnknownOperation(code);
    }

    /// @inheritdoc Prover
    function finish(Step memory x, int256 total) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == ARGMAX) return Argmax.finish(total);
        return total;
    }
}
