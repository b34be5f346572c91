// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {HADAMARD, LINEAR} from "../libraries/Opcodes.sol";
import {Step} from "../libraries/Reader.sol";
import {Hadamard} from "../ops/hadamard.sol";
import {Linear} from "../ops/linear.sol";
import {Prover} from "./Prover.sol";

/// @title The prover of products with matrices
contract ProductsProver is Prover {
    /// @inheritdoc Prover
    function terms(Step memory x) internal pure override returns (uint256) {
        uint256 code = x.node.code;
        if (code == LINEAR) return Linear.terms(x);
        if (code == HADAMARD) return Hadamard.terms(x);
        return 1;
    }

    /// @inheritdoc Prover
    function part(Step memory x, uint256 a, uint256 b) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == LINEAR) return Linear.part(x, a, b);
        if (code == HADAMARD) return Hadamard.part(x, a, b);
        revert UnknownOperation(code);
    }

    /// @inheritdoc Prover
    function finish(Step memory x, int256 total) internal pure override returns (int256) {
        uint256 code = x.node.code;
        if (code == LINEAR) return Linear.finish(x, total);
        if (code == HADAMARD) return Hadamard.finish(x, total);
        return total;
    }
}
