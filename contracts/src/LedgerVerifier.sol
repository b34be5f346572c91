// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepParts} from "./RollupTypes.sol";
import {ILedgerVerifier} from "./interfaces/IRollupVerifiers.sol";
import {Account, Accounts, LedgerState} from "./libraries/Accounts.sol";
import {Requests} from "./libraries/Requests.sol";
import {Steps} from "./libraries/Steps.sol";
import {Words} from "./libraries/Words.sol";

/// @title One step of the ledger
/// @notice Sections 10.1 and 10.2 of docs/rollup.md. Pure in the leaf's parts, the time, ENTRY_FEE and the domain. An
/// invalid item has no step at all, so whatever root was posted after it cannot be proven. The twin of
/// `bisection::ledger`.
contract LedgerVerifier is ILedgerVerifier {
    /// @dev Bytes of the state's fields, of an account's without index, and of a delegation's.
    uint256 private constant STATE_BYTES = 52;
    uint256 private constant ACCOUNT_BYTES = 132;
    uint256 private constant DELEGATION_BYTES = 104;

    /// @notice EIP-712 domain separator of what is signed.
    bytes32 public immutable DOMAIN;
    /// @notice What an L1 request or a forced withdrawal pays its proposer.
    uint256 public immutable ENTRY_FEE;

    /// @notice The witness has not the length that step and state give.
    error WrongWitnessLength(uint256 sent);
    /// @notice The fields are not those of the state before.
    error WrongState();
    /// @notice The account is not the one in the state before.
    error WrongAccount();
    /// @notice There is no such account.
    error NoAccount(uint256 account);
    /// @notice The account is somebody else's.
    error WrongOwner(address owner);
    /// @notice The entry pays out another amount than is due.
    error WrongPaid(uint256 due);
    /// @notice The item is expired at the batch's time.
    error Expired(uint256 validUntil);
    /// @notice The most that it can cost is above what its signer allows.
    error FeeTooHigh(uint256 limit);
    /// @notice The balance is less than that.
    error Overspent(uint256 amount);
    /// @notice The one who is due did not sign.
    error NotSigned(address due);
    /// @notice This is not the account's delegation.
    error NotDelegated();
    /// @notice The delegation does not reach so far: account, expiry, model, prices or cap.
    error BeyondDelegation();
    /// @notice The delegation's nonce has been passed.
    error OldDelegation(uint256 nonce);
    /// @notice No such sum of ether exists.
    error TooMuch();
    /// @notice Another state follows than the posted one.
    error NotProven(bytes32 post);

    /// @notice Fixes domain and fee: those of the inbox.
    constructor(bytes32 domain, uint256 entryFee) {
        (DOMAIN, ENTRY_FEE) = (domain, entryFee);
    }

    /// @inheritdoc ILedgerVerifier
    function prove(StepParts calldata parts, uint64 time, bytes calldata witness) external view {
        bytes32 post = execute(parts.pre, parts.data, time, witness);
        // INVARIANT: only the right root is proven.
        if (post != parts.post) revert NotProven(post);
    }

    /// @notice The state root after a step. Reverts if the step is invalid.
    function execute(bytes32 pre, bytes calldata data, uint64 time, bytes calldata witness)
        public
        view
        returns (bytes32 post)
    {
        uint256 op = Steps.opOf(data);
        uint256 at = Words.start(witness);
        if (witness.length < STATE_BYTES) revert WrongWitnessLength(witness.length);
        LedgerState memory s = LedgerState({
            accountsRoot: Words.readHash(at),
            accounts: uint32(Words.read(at + 32, 4)),
            fees: uint128(Words.read(at + 36, 16))
        });
        // INVARIANT: the step begins at the state before it.
        if (Accounts.stateRoot(s) != pre) revert WrongState();
        if (op == Steps.L1_REQUEST) {
            // INVARIANT: no byte is left.
            if (witness.length != STATE_BYTES) revert WrongWitnessLength(witness.length);
            _l1Request(s, Words.start(data));
        } else {
            _account(s, op, data, time, witness);
        }
        return Accounts.stateRoot(s);
    }

    /// @dev A step of an account: finds the leaf, changes it, puts it back.
    function _account(
        LedgerState memory s,
        uint256 op,
        bytes calldata data,
        uint256 time,
        bytes calldata witness
    ) private view {
        uint256 at = Words.start(data);
        uint256 index = Words.read(at + (op < 2 ? 9 : op == Steps.INFERENCE ? 3 : 1), 4);
        bool delegated = op == Steps.INFERENCE && uint8(data[1]) & Steps.DELEGATED != 0;
        bytes32[] calldata siblings = _siblings(witness, delegated ? DELEGATION_BYTES : 0);
        Account memory a = _readAccount(index, Words.start(witness) + STATE_BYTES);
        uint256 count = s.accounts;
        if (op == Steps.DEPOSIT && index == count) {
            _append(s, a, siblings);
            a.owner = address(uint160(Words.read(at + 13, 20)));
            count += 1;
        } else {
            if (index >= count) revert NoAccount(index);
            // INVARIANT: the account is as the state before has it.
            if (Accounts.rootOf(Accounts.leafOf(a), index, count, siblings) != s.accountsRoot) {
                revert WrongAccount();
            }
        }
        if (op < 2) _entry(s, a, op, at);
        else if (op == Steps.INFERENCE) _inference(s, a, at, time, _delegationAt(witness, delegated));
        else if (op == Steps.WITHDRAWAL) _withdrawal(a, at, time);
        else _delegation(a, at);
        s.accountsRoot = Accounts.rootOf(Accounts.leafOf(a), index, count, siblings);
    }

    /// @dev A new account: its witness is zeros, and its place is the next.
    function _append(LedgerState memory s, Account memory a, bytes32[] calldata siblings) private pure {
        // INVARIANT: a new account begins with nothing, in the place after the last.
        if (
            a.owner != address(0) || a.balance != 0 || a.next != 0 || a.used != 0 || a.delegationNonce != 0
                || a.delegation != 0 || a.spent != 0
                || Accounts.rootBefore(s.accounts, siblings) != s.accountsRoot
        ) revert WrongAccount();
        // INVARIANT: the number of accounts fits its field.
        if (s.accounts == type(uint32).max) revert TooMuch();
        s.accounts += 1;
    }

    /// @dev Ops 0 and 1: what the inbox made is always valid in the state that the entries before it made.
    function _entry(LedgerState memory s, Account memory a, uint256 op, uint256 at) private view {
        // INVARIANT: an account is its owner's.
        if (a.owner != address(uint160(Words.read(at + 13, 20)))) revert WrongOwner(a.owner);
        uint256 amount = Words.read(at + 33, 16);
        if (op == Steps.DEPOSIT) {
            a.balance = _sum(a.balance, amount);
            return;
        }
        uint256 paid = amount < a.balance ? amount : a.balance;
        // INVARIANT: what a forced withdrawal pays follows from the state alone.
        if (Words.read(at + Steps.MONEY_BYTES, 16) != paid) revert WrongPaid(paid);
        a.balance -= uint128(paid);
        s.fees = _sum(s.fees, ENTRY_FEE);
    }

    /// @dev Op 2: fees out of the escrow, or nothing if it is dropped.
    function _l1Request(LedgerState memory s, uint256 at) private view {
        if (Words.read(at + Steps.L1_BYTES + 32, 32) == 0) return;
        (uint256 promptLength, uint256 maxTokens) = (Words.read(at + 93, 4), Words.read(at + 97, 4));
        uint256 outputLength = Words.read(at + Steps.L1_BYTES + 64, 4);
        uint256 paid = outputLength < maxTokens ? outputLength : maxTokens;
        uint256 fee = Words.read(at + 149, 8) * promptLength + Words.read(at + 157, 8) * paid;
        s.fees = _sum(s.fees, ENTRY_FEE + fee);
    }

    /// @dev Op 3. Validity reads request, price and state, never the output.
    /// @param delegation Where the delegation's fields are; 0 if the owner signed.
    function _inference(LedgerState memory s, Account memory a, uint256 at, uint256 time, uint256 delegation)
        private
        view
    {
        _notExpired(Words.read(at + 43, 8), time);
        Accounts.use(a, uint64(Words.read(at + 7, 8)));
        (uint256 priceIn, uint256 priceOut) = (Words.read(at + 211, 8), Words.read(at + 219, 8));
        (uint256 outputLength, uint256 maxTokens) = (Words.read(at + 19, 4), Words.read(at + 23, 4));
        uint256 fee = priceIn * Words.read(at + 15, 4);
        uint256 limit = fee + priceOut * maxTokens;
        // INVARIANT: nobody pays more than they allowed, nor what they do not have.
        if (limit > Words.read(at + 27, 16)) revert FeeTooHigh(limit);
        if (limit > a.balance) revert Overspent(limit);
        fee += priceOut * (outputLength < maxTokens ? outputLength : maxTokens);
        address signer = a.owner;
        if (delegation != 0) {
            signer = _checkDelegation(a, at, time, delegation, limit);
            a.spent = _sum(a.spent, fee);
        }
        _signed(Words.readHash(at + Steps.INFERENCE_BYTES), at + 51, signer);
        // At most the limit.
        a.balance -= uint128(fee);
        s.fees = _sum(s.fees, fee);
    }

    /// @dev Op 4.
    function _withdrawal(Account memory a, uint256 at, uint256 time) private pure {
        _notExpired(Words.read(at + 49, 8), time);
        Accounts.use(a, uint64(Words.read(at + 5, 8)));
        uint256 amount = Words.read(at + 13, 16);
        // INVARIANT: nobody takes out what they do not have.
        if (amount > a.balance) revert Overspent(amount);
        _signed(Words.readHash(at + Steps.WITHDRAWAL_BYTES), at + 57, a.owner);
        a.balance -= uint128(amount);
    }

    /// @dev Op 5.
    function _delegation(Account memory a, uint256 at) private pure {
        uint256 nonce = Words.read(at + 5, 8);
        // INVARIANT: a delegation that was replaced never comes back.
        if (nonce <= a.delegationNonce) revert OldDelegation(nonce);
        bytes32 request = Words.readHash(at + Steps.DELEGATION_BYTES);
        _signed(request, at + 105, a.owner);
        (a.delegationNonce, a.delegation, a.spent) = (uint64(nonce), request, 0);
    }

    /// @dev The delegation in force reaches to this item.
    /// @param d Where its fields are, from `account` to `maxPriceOut`.
    /// @return delegate Who signs.
    function _checkDelegation(Account memory a, uint256 at, uint256 time, uint256 d, uint256 limit)
        private
        view
        returns (address delegate)
    {
        // INVARIANT: the delegation is the one that the owner signed last.
        if (a.delegation == 0 || Requests.delegationHash(DOMAIN, d) != a.delegation) revert NotDelegated();
        bytes32 model = Words.readHash(d + 56);
        // INVARIANT: a delegate has what the owner gave it, of this account, and no more.
        if (
            Words.read(d, 4) != a.index || Words.read(d + 48, 8) < time
                || (model != 0 && model != Words.readHash(at + 179))
                || Words.read(at + 211, 8) > Words.read(d + 88, 8)
                || Words.read(at + 219, 8) > Words.read(d + 96, 8) || a.spent + limit > Words.read(d + 32, 16)
        ) revert BeyondDelegation();
        return address(uint160(Words.read(d + 12, 20)));
    }

    /// @dev The signature at an offset of calldata is that of the one who is due.
    function _signed(bytes32 hash, uint256 at, address due) private pure {
        address signer = Requests.signer(hash, Words.readHash(at), Words.read(at + 32, 32));
        // INVARIANT: nothing is done in anybody's name that they did not sign.
        if (signer == address(0) || signer != due) revert NotSigned(due);
    }

    function _notExpired(uint256 validUntil, uint256 time) private pure {
        // INVARIANT: nothing is held back until it hurts.
        if (validUntil < time) revert Expired(validUntil);
    }

    /// @dev A sum that exists in ether.
    function _sum(uint256 x, uint256 y) private pure returns (uint128) {
        // Both are far below 2^255.
        if (x + y > type(uint128).max) revert TooMuch();
        return uint128(x + y);
    }

    /// @dev The account's fields, behind those of the state.
    function _readAccount(uint256 index, uint256 at) private pure returns (Account memory a) {
        (a.index, a.owner) = (uint32(index), address(uint160(Words.read(at, 20))));
        (a.balance, a.next) = (uint128(Words.read(at + 20, 16)), uint64(Words.read(at + 36, 8)));
        (a.used, a.delegationNonce) = (Words.read(at + 44, 32), uint64(Words.read(at + 76, 8)));
        (a.delegation, a.spent) = (Words.readHash(at + 84), uint128(Words.read(at + 116, 16)));
    }

    /// @dev The siblings between the account's fields and the last `tail` bytes. The climb checks their number.
    function _siblings(bytes calldata witness, uint256 tail)
        private
        pure
        returns (bytes32[] calldata siblings)
    {
        uint256 head = STATE_BYTES + ACCOUNT_BYTES;
        // INVARIANT: no byte is left, and none outside of the witness is read.
        if (witness.length < head + tail || (witness.length - head - tail) % 32 != 0) {
            revert WrongWitnessLength(witness.length);
        }
        assembly ("memory-safe") {
            siblings.offset := add(witness.offset, head)
            siblings.length := shr(5, sub(sub(witness.length, head), tail))
        }
    }

    /// @dev Where the delegation's fields are; 0 if there is none. (Calldata begin with a selector: 0 is no place.)
    function _delegationAt(bytes calldata witness, bool delegated) private pure returns (uint256) {
        return delegated ? Words.start(witness) + witness.length - DELEGATION_BYTES : 0;
    }
}
