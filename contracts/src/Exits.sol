// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived, StepParts} from "./RollupTypes.sol";
import {Status} from "./interfaces/IAssertions.sol";
import {IChain} from "./interfaces/IChain.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {Accounts, LedgerState} from "./libraries/Accounts.sol";
import {Steps} from "./libraries/Steps.sol";
import {Words} from "./libraries/Words.sol";

/// @title How money leaves: withdrawals, refunds, fees
/// @notice Section 11 of docs/rollup.md. Every step of a confirmed assertion pays once, into the vault; anyone may ask for
/// it, and it goes to whom it belongs.
contract Exits {
    /// @notice The chain.
    IChain public immutable ASSERTIONS;
    /// @notice Holds the money.
    IInbox public immutable INBOX;
    /// @notice What an L1 request paid besides its tokens.
    uint256 public immutable ENTRY_FEE;

    /// @dev Bit step mod 256 of word step / 256.
    mapping(bytes32 assertion => mapping(uint256 word => uint256)) private _claimed;
    /// @notice Were the fees of an assertion paid.
    mapping(bytes32 assertion => bool) public feesClaimed;

    /// @notice A withdrawal was paid.
    event Withdrawn(bytes32 indexed assertion, uint32 indexed step, address indexed to, uint256 amount);
    /// @notice What a request on L1 did not use was paid back.
    event Refunded(bytes32 indexed assertion, uint32 indexed step, address indexed to, uint256 amount);
    /// @notice A proposer's fees were paid.
    event FeesPaid(bytes32 indexed assertion, address indexed proposer, uint256 amount);

    /// @notice Only what is confirmed pays.
    error NotConfirmed(bytes32 assertion);
    /// @notice This was paid already.
    error AlreadyClaimed();
    /// @notice The fields are not those of the assertion's state, or of its parent's.
    error WrongState();

    /// @notice Fixes the partners.
    constructor(IChain assertions, IInbox inbox) {
        (ASSERTIONS, INBOX, ENTRY_FEE) = (assertions, inbox, inbox.config().entryFee);
    }

    /// @notice Pays a withdrawal, signed or forced.
    /// @param parts What the step's leaf is the hash of.
    /// @param path Of the leaf.
    function withdrawal(bytes32 assertion, uint32 step, StepParts calldata parts, bytes32[] calldata path)
        external
        returns (uint256 amount)
    {
        uint256 op = _take(assertion, step, parts, path);
        uint256 at = Words.start(parts.data);
        address to;
        if (op == Steps.WITHDRAWAL) {
            (to, amount) = (address(uint160(Words.read(at + 29, 20))), Words.read(at + 13, 16));
        } else if (op == Steps.FORCED) {
            to = address(uint160(Words.read(at + 13, 20)));
            amount = Words.read(at + Steps.MONEY_BYTES, 16);
        } else {
            revert Steps.WrongKind(op);
        }
        emit Withdrawn(assertion, step, to, amount);
        INBOX.pay(to, amount);
    }

    /// @notice Pays back what a request on L1 did not use; all of it if it was dropped.
    /// @param parts What the step's leaf is the hash of.
    /// @param path Of the leaf.
    function refund(bytes32 assertion, uint32 step, StepParts calldata parts, bytes32[] calldata path)
        external
        returns (uint256 amount)
    {
        uint256 op = _take(assertion, step, parts, path);
        if (op != Steps.L1_REQUEST) revert Steps.WrongKind(op);
        uint256 at = Words.start(parts.data);
        address to = address(uint160(Words.read(at + 9, 20)));
        (uint256 priceOut, uint256 maxTokens) = (Words.read(at + 157, 8), Words.read(at + 97, 4));
        uint256 outputLength = Words.read(at + Steps.L1_BYTES + 64, 4);
        if (Steps.itemHashOf(parts.data) == 0) {
            amount = ENTRY_FEE + Words.read(at + 149, 8) * Words.read(at + 93, 4) + priceOut * maxTokens;
        } else if (outputLength < maxTokens) {
            amount = priceOut * (maxTokens - outputLength);
        }
        emit Refunded(assertion, step, to, amount);
        INBOX.pay(to, amount);
    }

    /// @notice Pays a proposer what its assertion earned.
    /// @param before The fields of the state before it.
    /// @param afterwards Those of the state after it.
    function fees(bytes32 assertion, LedgerState calldata before, LedgerState calldata afterwards)
        external
        returns (uint256 amount)
    {
        _confirmed(assertion);
        // INVARIANT: an assertion earns once.
        if (feesClaimed[assertion]) revert AlreadyClaimed();
        feesClaimed[assertion] = true;
        (, uint40 height) = ASSERTIONS.placeOf(assertion);
        // The genesis is confirmed too, and has earned nothing.
        if (height == 0) revert WrongState();
        bytes32 parent = ASSERTIONS.chain(height - 1);
        // INVARIANT: what was earned is the difference of the two committed states.
        if (
            Accounts.stateRoot(before) != ASSERTIONS.derivedOf(parent).stateRoot
                || Accounts.stateRoot(afterwards) != ASSERTIONS.derivedOf(assertion).stateRoot
        ) revert WrongState();
        amount = afterwards.fees - before.fees;
        address proposer = ASSERTIONS.proposerOf(assertion);
        emit FeesPaid(assertion, proposer, amount);
        INBOX.pay(proposer, amount);
    }

    /// @notice Was a step's money paid.
    function isClaimed(bytes32 assertion, uint32 step) external view returns (bool) {
        return (_claimed[assertion][step >> 8] >> (step & 255)) & 1 == 1;
    }

    /// @dev Takes a step of a confirmed assertion, once.
    function _take(bytes32 assertion, uint32 step, StepParts calldata parts, bytes32[] calldata path)
        private
        returns (uint256 op)
    {
        _confirmed(assertion);
        Derived memory d = ASSERTIONS.derivedOf(assertion);
        Steps.check(parts, step, d.steps, d.stepsRoot, path);
        uint256 bit = uint256(1) << (step & 255);
        uint256 word = _claimed[assertion][step >> 8];
        // INVARIANT: a step pays once.
        if (word & bit != 0) revert AlreadyClaimed();
        _claimed[assertion][step >> 8] = word | bit;
        return Steps.opOf(parts.data);
    }

    function _confirmed(bytes32 assertion) private view {
        (Status status,,,) = ASSERTIONS.assertionOf(assertion);
        // INVARIANT: only what is final pays.
        if (status != Status.Confirmed) revert NotConfirmed(assertion);
    }
}
