// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ACT, ADD, CLAMP, EMBED, GATHER, GLU, LUT, MUL, RESCALE, ROPE} from "../libraries/Opcodes.sol";
import {Step} from "../libraries/Reader.sol";
import {Act} from "../ops/act.sol";
import {Add} from "../ops/add.sol";
import {Clamp} from "../ops/clamp.sol";
import {Embed} from "../ops/embed.sol";
import {Gather} from "../ops/gather.sol";
import {Glu} from "../ops/glu.sol";
import {Lut} from "../ops/lut.sol";
import {Mul} from "../ops/mul.sol";
import {Rescale} from "../ops/rescale.sol";
import {Rope} from "../ops/rope.sol";
import {Prover} from "./Prover.sol";

/// @title The prover of tables, maps and elementwise operations
contract TablesProver is Prover {
    /// @inheritdoc Prover
    function terms(Step memory) internal pure override returns (uint256) {
        return 1;
    }

    /// @inheritdoc Prover
    function part(Step memory x, uint256, uint256) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == EMBED) return Embed.value(x);
        if (code == ADD) return Add.value(x);
        if (code == RESCALE) return Rescale.value(x);
        if (code == LUT) return Lut.value(x);
        if (code == ACT) return Act.value(x);
        if (code == GLU) return Glu.value(x);
        if (code == ROPE) return Rope.value(x);
        if (code == GATHER) return Gather.value(x);
        if (code == CLAMP) return Clamp.value(x);
        if (code == MUL) return Mul.value(x);
        revert UnknownOperation(code);
    }

    /// @inheritdoc Prover
    function finish(Step memory, int256 total) internal pure override returns (int256) {
        return total;
    }
}
