// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelTerms, RollupConfig, Sampling} from "./RollupTypes.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {IERC165, IInferenceConsumer} from "./interfaces/IInferenceConsumer.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Packed} from "./libraries/Packed.sol";
import {Requests} from "./libraries/Requests.sol";
import {Words} from "./libraries/Words.sol";

/// @title The queue on L1: deposits, forced withdrawals, requests
/// @notice Section 7 of docs/rollup.md. Holds all money of accounts, fees and escrows. Nothing that is in it can be
/// invalid, so nobody who executes it can be hurt by it.
contract Inbox is IInbox {
    /// @dev Gas of a question by ERC-165, which asks for no more.
    uint256 private constant QUESTION_GAS = 30_000;

    /// @notice Models and prices.
    IModelRegistry public immutable REGISTRY;
    /// @notice Where everything is paid to.
    IBondVault public immutable VAULT;
    /// @notice The one contract that money leaves through.
    address public immutable EXITS;
    /// @inheritdoc IInbox
    bytes32 public immutable DOMAIN;

    uint64 private immutable SLACK;
    uint64 private immutable FORCE_DELAY;
    uint64 private immutable GRACE;
    uint64 private immutable EXPIRE;
    uint32 private immutable FORCED_ENTRIES;
    uint32 private immutable ENTRY_TOKENS;
    uint32 private immutable TOKENS_PER_HOUR;
    uint128 private immutable ENTRY_FEE;
    uint128 private immutable MIN_DEPOSIT;

    /// @inheritdoc IInbox
    uint64 public count;
    /// @notice Number of accounts.
    uint32 public accounts;
    /// @inheritdoc IInbox
    mapping(uint64 index => bytes32) public accumulator;
    /// @inheritdoc IInbox
    mapping(uint64 index => uint64) public timeOf;
    /// @notice Owner of an account.
    mapping(uint32 account => address) public ownerOf;
    /// @dev Index plus one.
    mapping(address owner => uint256) private _accounts;
    /// @notice Tokens of the requests of an hour.
    mapping(uint256 hour => uint256) public tokensIn;

    /// @notice An entry was made: its bytes, and the packed prompt of a request.
    event Entered(uint64 indexed index, bytes entry, bytes prompt);

    /// @notice These parameters cannot keep the rollup's promises: see the invariants in the constructor.
    error BadRollupConfig();
    /// @notice An account needs an owner.
    error NoOwner();
    /// @notice A deposit is at least this.
    error DepositTooSmall(uint256 least);
    /// @notice There are as many accounts as can be.
    error TooManyAccounts();
    /// @notice Only the account's owner does that.
    error NotAccountOwner(address owner);
    /// @notice There is no such account.
    error NoAccount(address owner);
    /// @notice The payment must be exactly this.
    error WrongPayment(uint256 due);
    /// @notice A request needs a prompt, and prompt and output must fit the model and the limit of an entry.
    error BadLength();
    /// @notice Sampling values are out of range; a vector has none.
    error BadSampling();
    /// @notice The prompt has a token that the model does not have.
    error BadToken();
    /// @notice The last byte's unused bits must be zero.
    error LooseBits();
    /// @notice The packed prompt must have this many bytes.
    error WrongDataLength(uint256 sent, uint256 due);
    /// @notice This hour's requests leave only so many tokens: come again.
    error HourIsFull(uint256 left);
    /// @notice Who wants to be called back must say by ERC-165 that it can be.
    error NotConsumer(address sender);
    /// @notice Only the exits pay.
    error NotExits();

    /// @notice Fixes parameters and partners. The exits' address is known before they are made.
    constructor(RollupConfig memory c, IModelRegistry registry, IBondVault vault, address exits) {
        // INVARIANT: prices and list at a batch's time are decided when it is posted; what is overdue at it is old.
        // INVARIANT: a proposer can execute what a batch must take in one transaction.
        // INVARIANT: nothing is dropped that a sequencer could still be made to serve. (EXPIRE must exceed this by D_max,
        // which follows from the models: the deployer sees to it.)
        if (
            c.slack >= registry.PRICE_DELAY() || c.slack >= registry.LIST_DELAY() || c.forceDelay <= c.slack
                || c.grace == 0 || c.expire < uint256(c.forceDelay) + c.grace + 1 days || c.forcedEntries == 0
                || c.entryTokens == 0
                || uint256(c.forcedEntries) * (160 * uint256(c.entryTokens) + 40_000) > 14_000_000
                || c.tokensPerHour < c.entryTokens || c.minDeposit == 0
        ) revert BadRollupConfig();
        // The deployer predicts the exits' address, and sees that they come to lie there.
        // slither-disable-next-line missing-zero-check
        (REGISTRY, VAULT, EXITS) = (registry, vault, exits);
        DOMAIN = Requests.domain(block.chainid, address(this));
        (SLACK, FORCE_DELAY, GRACE, EXPIRE) = (c.slack, c.forceDelay, c.grace, c.expire);
        (FORCED_ENTRIES, ENTRY_TOKENS, TOKENS_PER_HOUR) = (c.forcedEntries, c.entryTokens, c.tokensPerHour);
        (ENTRY_FEE, MIN_DEPOSIT) = (c.entryFee, c.minDeposit);
    }

    /// @notice Pays into an account; an owner without one gets the next.
    /// @return index The account.
    function deposit(address owner) external payable returns (uint32 index) {
        // INVARIANT: every account has somebody who can sign or call for it.
        if (owner == address(0)) revert NoOwner();
        // INVARIANT: filling the queue costs.
        if (msg.value < MIN_DEPOSIT) revert DepositTooSmall(MIN_DEPOSIT);
        if (_accounts[owner] == 0) {
            index = accounts;
            // INVARIANT: the number of accounts fits the state's field.
            if (index == type(uint32).max) revert TooManyAccounts();
            accounts = index + 1;
            _accounts[owner] = uint256(index) + 1;
            ownerOf[index] = owner;
        } else {
            index = uint32(_accounts[owner] - 1);
        }
        _enter(abi.encodePacked(uint8(0), uint64(block.timestamp), index, owner, uint128(msg.value)), "");
    }

    /// @notice Withdraws without signature and whatever the sequencer does: min(amount, balance) when it is executed.
    function forceWithdrawal(uint32 account, uint128 amount) external payable {
        // INVARIANT: only the owner moves an account's money.
        if (msg.sender != ownerOf[account]) revert NotAccountOwner(ownerOf[account]);
        // INVARIANT: a proposer is paid for what it must take.
        if (msg.value != ENTRY_FEE) revert WrongPayment(ENTRY_FEE);
        _enter(abi.encodePacked(uint8(1), uint64(block.timestamp), account, msg.sender, amount), "");
    }

    /// @notice Asks for an inference, paid by the sender at the present price, for the longest output. What is not used
    /// goes back to the sender.
    /// @param model A model of the public list.
    /// @param prompt Packed tokens.
    /// @param promptLength How many.
    /// @param maxTokens The longest output; 0 for a vector.
    /// @param sampling Greedy: 0, 0, 65,536, 0 and no seed, as for a vector.
    /// @param callbackGas Gas of the sender's `onInference`; 0 for none.
    /// @return index The entry.
    function request(
        bytes32 model,
        bytes calldata prompt,
        uint32 promptLength,
        uint32 maxTokens,
        Sampling calldata sampling,
        uint32 callbackGas
    ) external payable returns (uint64 index) {
        ModelTerms memory terms = REGISTRY.quote(model);
        _checkLengths(terms, promptLength, maxTokens);
        _checkPrompt(terms, prompt, promptLength);
        // INVARIANT: every machine can trace what is asked.
        if (!Requests.isGreedy(sampling) && (terms.kind != 0 || !Requests.isSampled(sampling))) {
            revert BadSampling();
        }
        uint256 due = ENTRY_FEE + uint256(terms.priceIn) * promptLength + uint256(terms.priceOut) * maxTokens;
        // INVARIANT: the escrow pays for every output that can come.
        if (msg.value != due) revert WrongPayment(due);
        // INVARIANT: results are delivered to those who said that they want them.
        if (callbackGas != 0 && !_isConsumer(msg.sender)) revert NotConsumer(msg.sender);
        bytes memory entry = abi.encodePacked(
            uint8(2),
            uint64(block.timestamp),
            msg.sender,
            model,
            Packed.root(Words.start(prompt), prompt.length),
            promptLength,
            maxTokens
        );
        entry = abi.encodePacked(
            entry, sampling.temperature, sampling.topK, sampling.topP, sampling.minP, sampling.seed
        );
        entry = abi.encodePacked(entry, terms.priceIn, terms.priceOut, callbackGas);
        index = count;
        _enter(entry, prompt);
    }

    /// @inheritdoc IInbox
    function pay(address to, uint256 amount) external {
        // INVARIANT: money leaves by confirmed steps alone.
        if (msg.sender != EXITS) revert NotExits();
        VAULT.deposit{value: amount}(to);
    }

    /// @inheritdoc IInbox
    function config() external view returns (RollupConfig memory) {
        return RollupConfig({
            slack: SLACK,
            forceDelay: FORCE_DELAY,
            grace: GRACE,
            expire: EXPIRE,
            forcedEntries: FORCED_ENTRIES,
            entryTokens: ENTRY_TOKENS,
            tokensPerHour: TOKENS_PER_HOUR,
            entryFee: ENTRY_FEE,
            minDeposit: MIN_DEPOSIT
        });
    }

    /// @notice The account of an owner.
    function accountOf(address owner) external view returns (uint32) {
        if (_accounts[owner] == 0) revert NoAccount(owner);
        return uint32(_accounts[owner] - 1);
    }

    /// @dev Appends an entry.
    function _enter(bytes memory entry, bytes memory prompt) private {
        uint64 index = count;
        bytes32 hash = keccak256(abi.encodePacked("rf.entry", index, entry));
        timeOf[index] = uint64(block.timestamp);
        accumulator[index + 1] = keccak256(abi.encodePacked("rf.inbox", accumulator[index], hash));
        count = index + 1;
        emit Entered(index, entry, prompt);
    }

    /// @dev Prompt and output fit model, entry and hour.
    function _checkLengths(ModelTerms memory terms, uint256 promptLength, uint256 maxTokens) private {
        bool vector = terms.kind != 0;
        // INVARIANT: a request can be executed: there is room for a prompt and, of tokens, an output.
        if (
            promptLength == 0 || promptLength + (vector ? 0 : 1) > terms.context
                || (vector ? maxTokens != 0 : maxTokens == 0) || promptLength + maxTokens > ENTRY_TOKENS
        ) revert BadLength();
        uint256 hour = block.timestamp / 1 hours;
        uint256 taken = tokensIn[hour];
        // INVARIANT: a proposer keeps up with the queue. (The sum was at most the limit.)
        if (taken + promptLength + maxTokens > TOKENS_PER_HOUR) revert HourIsFull(TOKENS_PER_HOUR - taken);
        tokensIn[hour] = taken + promptLength + maxTokens;
    }

    /// @dev What posting checks of a prompt.
    function _checkPrompt(ModelTerms memory terms, bytes calldata prompt, uint256 promptLength) private pure {
        uint256 due = Packed.byteLength(promptLength, terms.tokenBits);
        uint256 at = Words.start(prompt);
        // INVARIANT: data have one encoding.
        if (prompt.length != due) revert WrongDataLength(prompt.length, due);
        if (!Packed.isTight(at, promptLength, terms.tokenBits)) revert LooseBits();
        // INVARIANT: every machine has a row for each token.
        if (!Packed.areBelow(at, promptLength, terms.tokenBits, terms.vocabulary)) revert BadToken();
    }

    /// @dev Does an account say that it is a consumer: a contract that says yes to it and to ERC-165, and no to nonsense.
    function _isConsumer(address account) private view returns (bool) {
        return _supports(account, type(IERC165).interfaceId) && !_supports(account, 0xffffffff)
            && _supports(account, type(IInferenceConsumer).interfaceId);
    }

    /// @dev A question by ERC-165; no more than a word of the answer is looked at.
    function _supports(address account, bytes4 interfaceId) private view returns (bool yes) {
        bytes memory ask = abi.encodeCall(IERC165.supportsInterface, (interfaceId));
        assembly ("memory-safe") {
            mstore(0, 0)
            let ok := staticcall(QUESTION_GAS, account, add(ask, 32), mload(ask), 0, 32)
            yes := and(and(ok, gt(returndatasize(), 31)), eq(mload(0), 1))
        }
    }
}
