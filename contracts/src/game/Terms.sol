// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAssertions, Status} from "../interfaces/IAssertions.sol";
import {IBondVault} from "../interfaces/IBondVault.sol";
import {ITwin} from "../interfaces/IDisputeGame.sol";
import {Clocks} from "../libraries/Clock.sol";
import {Tally} from "../libraries/Games.sol";
import {BondShares, Shares, StakeShares} from "../libraries/Shares.sol";

/// What a deployment fixes. Times in seconds, money in wei.
struct Config {
    /// How long an assertion can be challenged (W); also a challenger's budget.
    uint32 window;
    /// The proposer's budget in one game (T).
    uint32 proposerBudget;
    /// The least time of any turn (M_move).
    uint32 moveMinimum;
    /// The least time to answer Root, and of the first move after it (M_trace).
    uint32 traceMinimum;
    /// The bond of an item without tokens.
    uint128 bondBase;
    /// What a token adds to the bond.
    uint128 bondPerToken;
    /// What the game that rejects an assertion earns.
    uint128 bounty;
    /// What who closes a game earns.
    uint128 closerFee;
    /// The most gas that is repaid to one game (G_max); a multiple of a gwei.
    uint128 gasRepaid;
    /// The highest price of gas that is repaid.
    uint64 gasPriceCap;
    /// The highest tip that is repaid.
    uint64 gasTip;
}

/// @title What both games share: parameters, what a move costs, how lost money is shared
/// @notice Section 5.3 of docs/protocol.md, and section 10.4 of docs/rollup.md: who is repaid does not depend on which
/// of the two games was faster.
abstract contract Terms is ITwin {
    /// @dev Gas of a transaction before and after what is metered: 21,000, dispatch, the last writes.
    uint256 private constant OVERHEAD = 27_000;
    /// @dev Gas of a byte of calldata that is not zero; and the least that a transaction pays for it (EIP-7623).
    uint256 private constant BYTE = 16;
    uint256 private constant BYTE_FLOOR = 40;
    uint256 private constant TRANSACTION = 21_000;
    /// @dev Meters count in gwei.
    uint256 internal constant METER_UNIT = 1 gwei;

    /// @notice The chain of assertions.
    IAssertions public immutable ASSERTIONS;
    /// @notice Holds bonds and stakes.
    IBondVault public immutable VAULT;
    /// @notice The other game; none if there is one alone.
    ITwin public immutable TWIN;

    uint32 internal immutable WINDOW;
    uint32 internal immutable PROPOSER_BUDGET;
    uint32 internal immutable MOVE_MINIMUM;
    uint32 internal immutable TRACE_MINIMUM;
    uint256 internal immutable BOND_BASE;
    uint256 internal immutable BOND_PER_TOKEN;
    uint256 internal immutable BOUNTY;
    uint256 internal immutable CLOSER_FEE;
    uint256 internal immutable GAS_REPAID;
    uint256 internal immutable GAS_PRICE_CAP;
    uint256 internal immutable GAS_TIP;

    /// @notice These parameters cannot keep the protocol's promises: see the invariants in the constructor.
    error BadConfig();
    /// @notice The assertion is not pending: there is none of this id, it is settled, or it lost its place.
    error NotPending(bytes32 assertion);
    /// @notice Only the other game says so.
    error NotTwin();

    /// @notice Fixes parameters and partners.
    constructor(Config memory config, IAssertions assertions, IBondVault vault, ITwin twin) {
        // INVARIANT: a busy proposer can trace a whole window's assertions in time (T >= W/2).
        // INVARIANT: every turn has some time.
        // INVARIANT: what is left of a lost bond pays the closer, and the answers up to the cap: an honest proposer
        // loses nothing below it.
        // INVARIANT: meters hold the cap.
        if (
            config.window == 0 || config.proposerBudget < config.window / 2 || config.moveMinimum == 0
                || config.traceMinimum < config.moveMinimum
                || config.bondBase - config.bondBase / 4 < uint256(config.closerFee) + config.gasRepaid
                || config.gasRepaid % METER_UNIT != 0 || config.gasRepaid / METER_UNIT > type(uint40).max
        ) revert BadConfig();
        ASSERTIONS = assertions;
        VAULT = vault;
        TWIN = twin;
        WINDOW = config.window;
        PROPOSER_BUDGET = config.proposerBudget;
        MOVE_MINIMUM = config.moveMinimum;
        TRACE_MINIMUM = config.traceMinimum;
        BOND_BASE = config.bondBase;
        BOND_PER_TOKEN = config.bondPerToken;
        BOUNTY = config.bounty;
        CLOSER_FEE = config.closerFee;
        GAS_REPAID = config.gasRepaid;
        GAS_PRICE_CAP = config.gasPriceCap;
        GAS_TIP = config.gasTip;
    }

    /// @inheritdoc ITwin
    function liveGas(bytes32 assertion) external view returns (uint256) {
        return _tallyOf(assertion).live;
    }

    /// @inheritdoc ITwin
    function settle(bytes32 assertion, uint256 pool) external {
        // INVARIANT: only a rejection shares a stake.
        if (msg.sender != address(TWIN)) revert NotTwin();
        Tally storage tally = _tallyOf(assertion);
        tally.rejected = true;
        tally.pool = uint128(pool);
    }

    /// @dev What the games of an assertion share.
    function _tallyOf(bytes32 assertion) internal view virtual returns (Tally storage);

    /// @dev The bond for an item of so many tokens, prompt and output.
    function _bond(uint256 tokens) internal view returns (uint256) {
        return BOND_BASE + BOND_PER_TOKEN * tokens;
    }

    /// @dev Where an assertion stands.
    function _statusOf(bytes32 assertion) internal view returns (Status status) {
        (status,,,) = ASSERTIONS.assertionOf(assertion);
    }

    /// @dev Takes a game out of what its assertion still counts.
    function _leave(bytes32 assertion, uint256 metered) internal {
        Tally storage tally = _tallyOf(assertion);
        tally.open -= 1;
        tally.live -= uint64(metered);
    }

    /// @dev Shares a lost bond.
    function _shareBond(bytes32 assertion, uint256 bond, uint256 answered)
        internal
        returns (BondShares memory s)
    {
        // INVARIANT: what is settled, or lost its place, judges nobody.
        if (_statusOf(assertion) != Status.Pending) revert NotPending(assertion);
        s = Shares.ofBond(bond, CLOSER_FEE, answered * METER_UNIT);
        VAULT.burn(s.burned);
        VAULT.pay(msg.sender, s.closer);
        if (s.defender != 0) VAULT.pay(ASSERTIONS.defenderOf(assertion), s.defender);
        VAULT.pay(ASSERTIONS.proposerOf(assertion), s.proposer);
    }

    /// @dev Rejects an assertion and shares its stake: closer, the game that rejects, all others of both contracts.
    function _shareStake(bytes32 assertion, address challenger, uint256 bond, uint256 metered)
        internal
        returns (StakeShares memory s)
    {
        Tally storage tally = _tallyOf(assertion);
        tally.rejected = true;
        bool alone = address(TWIN) == address(0);
        uint256 other = alone ? 0 : TWIN.liveGas(assertion);
        uint256 live = tally.live + other;
        // The assertions call the vault and nobody else; they refuse what is not pending.
        // slither-disable-next-line reentrancy-no-eth,reentrancy-events
        uint256 stake = ASSERTIONS.reject(assertion);
        s = Shares.ofStake(stake, CLOSER_FEE, BOUNTY + metered * METER_UNIT, live * METER_UNIT);
        uint256 theirs = Shares.ofPool(s.pool, other, live);
        tally.pool = uint128(s.pool - theirs);
        VAULT.burn(s.burned);
        VAULT.pay(msg.sender, s.closer);
        VAULT.pay(challenger, bond + s.winner);
        if (alone) return s;
        VAULT.pay(address(TWIN), theirs);
        TWIN.settle(assertion, theirs);
    }

    /// @dev What a game that another's rejection cut short gets for its metered gas; nothing if its assertion is void.
    function _poolShare(bytes32 assertion, uint256 metered) internal view returns (uint256) {
        Tally storage tally = _tallyOf(assertion);
        return Shares.ofPool(tally.pool, metered, tally.live);
    }

    /// @dev What a move cost, in gwei, and not more than the cap leaves.
    function _cost(uint256 gasBefore, uint256 payload, uint256 already) internal view returns (uint256 cost) {
        uint256 used = gasBefore - gasleft() + payload * BYTE;
        // INVARIANT: no base is repaid twice: code may make several moves in the one transaction that it pays.
        if (msg.sender == tx.origin && msg.sender.code.length == 0) {
            used = Clocks.max(used + OVERHEAD, TRANSACTION + payload * BYTE_FLOOR);
        }
        uint256 price = Clocks.min(tx.gasprice, Clocks.min(block.basefee + GAS_TIP, GAS_PRICE_CAP));
        cost = Clocks.min(used * price / METER_UNIT, GAS_REPAID / METER_UNIT - already);
    }
}
