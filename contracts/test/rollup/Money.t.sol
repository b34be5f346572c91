// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Exits} from "src/Exits.sol";
import {Inbox} from "src/Inbox.sol";
import {Kind} from "src/StepGame.sol";
import {LedgerState} from "src/libraries/Accounts.sol";
import {Steps} from "src/libraries/Steps.sol";

/// @notice Money goes in, is earned, and comes out.
contract MoneyTest is RollupTest {
    address internal alice;
    uint32 internal account;
    uint256 internal model;
    LedgerState internal before;

    function setUp() public {
        deploy();
        model = announce(11, 1000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
        force(alice, account, 0.25 ether);
        requestOnL1(stranger, model, list(1, 2, 3), 4, greedy(), 0);
        requestOnL1(stranger, model, list(1, 2, 3), 4, greedy(), 0);
        vm.warp(block.timestamp + 14 days);
        begin();
        before = fieldsOf();
        take(none());
        take(none());
        take(list(5, 6));
        take(none());
    }

    function withdrawn(bytes32 id, uint32 step) private returns (uint256) {
        bytes32[] memory path = pathOf(id, step);
        return exits.withdrawal(id, step, partsOf(id, step), path);
    }

    function refunded(bytes32 id, uint32 step) private returns (uint256) {
        bytes32[] memory path = pathOf(id, step);
        return exits.refund(id, step, partsOf(id, step), path);
    }

    function test_exits() public {
        infer(ask(account, 0, model));
        withdraw(account, 1, 0.125 ether, challenger, time, keyOf[alice]);
        bytes32 id = post();
        bytes32[] memory path = pathOf(id, 1);
        vm.expectRevert(abi.encodeWithSelector(Exits.NotConfirmed.selector, id));
        exits.withdrawal(id, 1, partsOf(id, 1), path);
        vm.expectRevert(abi.encodeWithSelector(Exits.NotConfirmed.selector, id));
        exits.fees(id, before, fieldsOf());
        confirm(id);
        uint256 held = address(inbox).balance;

        withdrawn(id, 1);
        assertEq(vault.balanceOf(alice), 0.25 ether);
        assertTrue(exits.isClaimed(id, 1));
        assertFalse(exits.isClaimed(id, 5));
        vm.expectRevert(Exits.AlreadyClaimed.selector);
        exits.withdrawal(id, 1, partsOf(id, 1), path);
        withdrawn(id, 5);
        assertEq(vault.balanceOf(challenger), 0.125 ether);

        refunded(id, 2);
        assertEq(vault.balanceOf(stranger), 2 * 50 gwei);
        refunded(id, 3);
        uint256 escrow = ENTRY_FEE + 3 * 20 gwei + 4 * 50 gwei;
        assertEq(vault.balanceOf(stranger), 2 * 50 gwei + escrow);

        LedgerState memory s = fieldsOf();
        s.fees += 1;
        vm.expectRevert(Exits.WrongState.selector);
        exits.fees(id, before, s);
        s.fees -= 1;
        vm.expectRevert(Exits.WrongState.selector);
        exits.fees(id, s, s);
        uint256 stake = vault.balanceOf(sequencer);
        exits.fees(id, before, s);
        assertEq(vault.balanceOf(sequencer), stake + s.fees);
        assertEq(s.fees, 2 * ENTRY_FEE + 2 * (3 * 20 gwei + 2 * 50 gwei));
        vm.expectRevert(Exits.AlreadyClaimed.selector);
        exits.fees(id, before, s);
        assertEq(address(inbox).balance, held - 0.375 ether - 2 * 50 gwei - escrow - s.fees);
        assertEq(address(inbox).balance, book.accounts[0].balance);
    }

    function test_exits_wrong_reverts() public {
        bytes32 id = post();
        confirm(id);
        bytes32[] memory path = pathOf(id, 0);
        vm.expectRevert(abi.encodeWithSelector(Steps.WrongKind.selector, 0));
        exits.withdrawal(id, 0, partsOf(id, 0), path);
        vm.expectRevert(abi.encodeWithSelector(Steps.WrongKind.selector, 0));
        exits.refund(id, 0, partsOf(id, 0), path);
        path = pathOf(id, 1);
        vm.expectRevert(abi.encodeWithSelector(Steps.WrongKind.selector, 1));
        exits.refund(id, 1, partsOf(id, 1), path);
        vm.expectRevert(Steps.WrongStep.selector);
        exits.withdrawal(id, 2, partsOf(id, 1), path);
        bytes32 genesis = assertions.chain(0);
        vm.expectRevert(Exits.WrongState.selector);
        exits.fees(genesis, before, before);
        vm.expectRevert(Inbox.NotExits.selector);
        inbox.pay(stranger, 1);
    }

    /// @notice What was rejected or void pays nothing.
    function test_exits_rejected_reverts() public {
        bytes32 id = post();
        begin();
        withdraw(account, 1, 1, challenger, time, keyOf[alice]);
        bytes32 child = post();
        vm.prank(challenger);
        bytes32 key = stepGame.challenge{value: 1 ether}(id, Kind.Ledger, 0, 0);
        vm.warp(block.timestamp + 4 days + 1);
        stepGame.timeout(key);
        bytes32[] memory path = pathOf(id, 1);
        vm.expectRevert(abi.encodeWithSelector(Exits.NotConfirmed.selector, id));
        exits.withdrawal(id, 1, partsOf(id, 1), path);
        path = pathOf(child, 0);
        vm.expectRevert(abi.encodeWithSelector(Exits.NotConfirmed.selector, child));
        exits.withdrawal(child, 0, partsOf(child, 0), path);
    }
}
