// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Test} from "forge-std/Test.sol";
import {Kind} from "src/StepGame.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {LedgerState} from "src/libraries/Accounts.sol";

/// @notice Users, a proposer that now and then cheats, and somebody who watches it.
contract Users is RollupTest {
    /// @dev Something that a confirmed step owes.
    struct Owed {
        bytes32 id;
        uint32 step;
        uint8 op;
        uint256 amount;
        bool claimed;
    }

    address[3] internal owners;
    uint64[3] internal nonces;
    bytes32[] internal ids;
    mapping(bytes32 id => uint256 stepPlusOne) internal wrongStep;
    bytes32[] internal questions;
    Owed[] internal owed;
    bytes32[] internal unpaid;
    uint256 public feesClaimed;
    uint256 internal model;
    /// @dev Kept here: what a cheatcode did in a call that reverts stays done.
    uint256 internal clock;

    modifier now_() {
        vm.warp(clock);
        _;
        clock = block.timestamp;
    }

    function start() external {
        vm.deal(address(this), 1_000_000 ether);
        deploy();
        model = announce(11, 1000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        for (uint256 i = 0; i < 3; ++i) {
            owners[i] = newOwner(vm.toString(i));
            deposit(owners[i], 1 ether);
        }
        clock = block.timestamp;
    }

    // --- what the fuzzer calls ---------------------------------------------------------------------------------

    function pay(uint256 who, uint256 amount) external now_ {
        deposit(owners[who % 3], uint128(bound(amount, 0.001 ether, 2 ether)));
    }

    function forceBy(uint256 who, uint256 amount) external now_ {
        who %= 3;
        force(owners[who], uint32(who), uint128(bound(amount, 0, 2 ether)));
    }

    function requestBy(uint256 who, uint256 maxTokens) external now_ {
        uint32 longest = uint32(bound(maxTokens, 3, 300));
        requestOnL1(owners[who % 3], model, list(1, 2, 3), longest, greedy(), 0);
    }

    function batch(uint256 seed, bool cheat) external now_ {
        _batch(seed, cheat);
    }

    function pass(uint256 seconds_) external now_ {
        vm.warp(block.timestamp + bound(seconds_, 1, 10 days));
    }

    /// @notice The lowest assertion that is not settled: rejected if it is wrong, else confirmed.
    function settleNext() external now_ {
        _settleNext();
    }

    /// @notice A question that has an answer, or that a rejection cuts short.
    function askAbout(uint256 which) external now_ {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        if (statusOf(id) != Status.Pending) return;
        uint256 step = which % postedOf[id].steps.length;
        if (wrongStep[id] == 0 && which % 2 == 0) {
            vm.prank(challenger);
            bytes32 key = stepGame.challenge{value: 1 ether}(id, Kind.Ledger, uint32(step), 0);
            bytes32[] memory path = pathOf(id, step);
            vm.prank(defender);
            stepGame.prove(key, partsOf(id, step), path, postedOf[id].steps[step].witness);
        } else if (wrongStep[id] != 0) {
            vm.prank(stranger);
            questions.push(stepGame.challenge{value: 1 ether}(id, Kind.Shape, uint32(step), 0));
        }
    }

    function claimBy(uint256 which) external now_ {
        if (owed.length != 0) _claim(which % owed.length);
        if (unpaid.length != 0) _fees(which % unpaid.length);
        if (ids.length != 0 && statusOf(ids[which % ids.length]) == Status.Void) {
            assertions.reclaim(ids[which % ids.length]);
        }
    }

    function claimQuestion(uint256 which) external now_ {
        if (questions.length != 0) stepGame.claim(questions[which % questions.length]);
    }

    // --- how ---------------------------------------------------------------------------------------------------

    function _batch(uint256 seed, bool cheat) private {
        begin();
        uint256 most = seed % 5;
        while (book.cursor < entries.length) {
            uint64 made = uint64(bytes8(Trees.slice(entries[book.cursor], 1, 8)));
            if (making.length >= most && (made + 6 hours > time || making.length >= 8)) break;
            bool old = made + 14 days <= time;
            take(old && seed & 32 == 0 ? none() : seed & 64 == 0 ? list(1, 2) : list(1, 2, 3));
        }
        bool late = book.cursor < entries.length
            && uint64(bytes8(Trees.slice(entries[book.cursor], 1, 8))) + 6 hours <= time;
        for (uint256 i = 0; i < (seed >> 8) % 4 && !late; ++i) {
            _signed(seed >> (16 + 8 * i));
        }
        if (making.length == 0) return;
        if (cheat) {
            Made storage last = making[making.length - 1];
            last.parts.post = keccak256(abi.encode(seed));
            bytes memory raw = last.raw;
            bytes32 lie = last.parts.post;
            assembly ("memory-safe") {
                mstore(add(raw, 32), lie)
            }
            last.raw = raw;
        }
        bytes32 id = post();
        ids.push(id);
        if (cheat) wrongStep[id] = making.length;
    }

    function _signed(uint256 seed) private {
        uint256 who = seed % 3;
        if (who >= book.accounts.length) return;
        uint128 balance = book.accounts[who].balance;
        uint64 nonce = nonces[who]++;
        if (seed & 128 == 0) {
            Ask memory q = ask(uint32(who), nonce, model);
            if (balance >= 3 * 20 gwei + 4 * 50 gwei) infer(q);
        } else {
            uint128 amount = uint128(uint256(balance) * (seed & 15) / 15);
            withdraw(uint32(who), nonce, amount, owners[(who + 1) % 3], time, keyOf[owners[who]]);
        }
    }

    function _settleNext() private {
        if (assertions.confirmed() == assertions.head()) return;
        bytes32 id = assertions.chain(assertions.confirmed() + 1);
        (uint40 postedAt,) = assertions.placeOf(id);
        if (wrongStep[id] != 0) {
            // Nobody watches so badly as to come after the window.
            if (block.timestamp >= uint256(postedAt) + 7 days) vm.warp(uint256(postedAt) + 7 days - 1);
            vm.prank(challenger);
            bytes32 key = stepGame.challenge{value: 1 ether}(id, Kind.Ledger, uint32(wrongStep[id] - 1), 0);
            vm.warp(block.timestamp + 4 days + 1);
            stepGame.timeout(key);
            return;
        }
        confirm(id);
        unpaid.push(id);
        for (uint256 i = 0; i < postedOf[id].steps.length; ++i) {
            _note(id, i, postedOf[id].steps[i].parts.data);
        }
    }

    /// @dev What a step owes, by the text.
    function _note(bytes32 id, uint256 step, bytes memory data) private {
        uint8 op = uint8(data[0]);
        uint256 amount;
        if (op == 4) {
            amount = uint128(bytes16(Trees.slice(data, 13, 16)));
        } else if (op == 1) {
            amount = uint128(bytes16(Trees.slice(data, 49, 16)));
        } else if (op == 2) {
            uint256 maxTokens = uint32(bytes4(Trees.slice(data, 97, 4)));
            uint256 length = uint32(bytes4(Trees.slice(data, 233, 4)));
            if (length == 0) amount = ENTRY_FEE + 3 * 20 gwei + maxTokens * 50 gwei;
            else if (length < maxTokens) amount = (maxTokens - length) * 50 gwei;
        } else {
            return;
        }
        owed.push(Owed({id: id, step: uint32(step), op: op, amount: amount, claimed: false}));
    }

    function _claim(uint256 i) private {
        Owed storage o = owed[i];
        bytes32[] memory path = pathOf(o.id, o.step);
        if (o.claimed) {
            vm.expectRevert();
            exits.withdrawal(o.id, o.step, partsOf(o.id, o.step), path);
            return;
        }
        o.claimed = true;
        if (o.op == 2) {
            require(exits.refund(o.id, o.step, partsOf(o.id, o.step), path) == o.amount, "refund");
        } else {
            require(exits.withdrawal(o.id, o.step, partsOf(o.id, o.step), path) == o.amount, "withdrawal");
        }
    }

    function _fees(uint256 i) private {
        bytes32 id = unpaid[i];
        unpaid[i] = unpaid[unpaid.length - 1];
        unpaid.pop();
        book = postedOf[id].before;
        LedgerState memory before = fieldsOf();
        book = postedOf[id].book;
        feesClaimed += exits.fees(id, before, fieldsOf());
    }

    // --- what must hold ----------------------------------------------------------------------------------------

    /// @notice What the inbox must hold.
    function due() external view returns (uint256 wei_) {
        Book storage b = postedOf[assertions.chain(assertions.confirmed())].book;
        for (uint256 i = 0; i < b.accounts.length; ++i) {
            wei_ += b.accounts[i].balance;
        }
        wei_ += b.fees - feesClaimed;
        for (uint256 i = 0; i < owed.length; ++i) {
            if (!owed[i].claimed) wei_ += owed[i].amount;
        }
        for (uint256 i = b.cursor; i < entries.length; ++i) {
            bytes memory f = entries[i];
            if (f[0] == 0) {
                wei_ += uint128(bytes16(Trees.slice(f, 33, 16)));
            } else {
                wei_ += ENTRY_FEE;
                if (f[0] == 0x02) {
                    wei_ += 3 * 20 gwei + 50 gwei * uint256(uint32(bytes4(Trees.slice(f, 97, 4))));
                }
            }
        }
    }

    function inboxBalance() external view returns (uint256) {
        return address(inbox).balance;
    }

    /// @notice What the vault holds, and whose that is.
    function vaultBalances() external view returns (uint256 held, uint256 sum) {
        held = address(vault).balance;
        address[12] memory all = [
            address(this),
            sequencer,
            defender,
            challenger,
            stranger,
            owners[0],
            owners[1],
            owners[2],
            address(assertions),
            address(game),
            address(stepGame),
            address(receipts)
        ];
        sum = vault.burned();
        for (uint256 i = 0; i < 12; ++i) {
            sum += vault.balanceOf(all[i]);
        }
    }

    /// @notice Everybody takes everything out.
    function finish() external now_ {
        for (uint256 i = 0; i < 3; ++i) {
            force(owners[i], uint32(i), type(uint128).max);
        }
        for (uint256 i = 0; i < 200; ++i) {
            if (assertions.confirmed() != assertions.head()) _settleNext();
            (,, uint64 cursor) = assertions.tip();
            if (assertions.confirmed() == assertions.head()) {
                if (cursor == entries.length) break;
                this.batchAll();
            }
        }
        for (uint256 i = 0; i < owed.length; ++i) {
            if (!owed[i].claimed) _claim(i);
        }
        while (unpaid.length != 0) {
            _fees(0);
        }
        for (uint256 i = 0; i < questions.length; ++i) {
            stepGame.claim(questions[i]);
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            if (statusOf(ids[i]) != Status.Void) continue;
            try assertions.reclaim(ids[i]) {} catch {}
        }
    }

    function batchAll() external {
        _batch(4, false);
    }

    /// @notice What the contracts of stakes and bonds hold when nothing is open.
    function locked() external view returns (uint256) {
        return vault.balanceOf(address(assertions)) + vault.balanceOf(address(stepGame));
    }
}

/// @notice Section 11 of docs/rollup.md, whatever users, proposer and challengers do.
contract SolvencyInvariants is Test {
    Users internal users;

    function setUp() public {
        users = new Users();
        users.start();
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = users.pay.selector;
        selectors[1] = users.forceBy.selector;
        selectors[2] = users.requestBy.selector;
        selectors[3] = users.batch.selector;
        selectors[4] = users.pass.selector;
        selectors[5] = users.settleNext.selector;
        selectors[6] = users.askAbout.selector;
        selectors[7] = users.claimBy.selector;
        selectors[8] = users.claimQuestion.selector;
        selectors[9] = users.batch.selector;
        selectors[10] = users.settleNext.selector;
        targetSelector(FuzzSelector(address(users), selectors));
        targetContract(address(users));
        targetSender(makeAddr("fuzzer"));
    }

    function invariant_solvency() public view {
        assertEq(users.inboxBalance(), users.due());
        (uint256 held, uint256 sum) = users.vaultBalances();
        assertEq(held, sum);
    }

    /// @notice In the end everybody has their money out, and nothing is left.
    function afterInvariant() public {
        users.finish();
        invariant_solvency();
        assertEq(users.inboxBalance(), 0);
        // What shares leave when they are rounded down.
        assertLe(users.locked(), 100);
    }
}
