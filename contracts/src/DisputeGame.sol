// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Config, GameBase} from "./game/GameBase.sol";
import {Views} from "./game/Views.sol";
import {IAssertions} from "./interfaces/IAssertions.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IStepVerifier} from "./interfaces/IStepVerifier.sol";

/// @title The dispute: one party that asks by index, another that answers, and a clock
/// @notice Section 5 of docs/protocol.md. `Picks` has the challenger's moves, `Answers` the answers, `Closing` the end,
/// `Views` what can be read.
contract DisputeGame is Views {
    /// @notice Fixes parameters and partners for ever; there is no owner.
    constructor(Config memory fixed_, IAssertions assertions, IBondVault vault, IStepVerifier verifier)
        GameBase(fixed_, assertions, vault, verifier)
    {}
}
