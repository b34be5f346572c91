// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Assertions} from "src/Assertions.sol";
import {Kind} from "src/StepGame.sol";
import {Status} from "src/interfaces/IAssertions.sol";

/// @notice Who may post, and what becomes of it.
contract ChainTest is RollupTest {
    address internal alice;
    uint32 internal account;

    function setUp() public {
        deploy();
        announce(11, 1000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
    }

    function batch(address who) internal returns (bytes32) {
        begin();
        while (book.cursor < entries.length && making.length < 8) take(none());
        if (making.length == 0) withdraw(account, uint64(block.timestamp), 0, alice, time, keyOf[alice]);
        return postAs(who);
    }

    function notTurn(address who) internal {
        uint256 snapshot = vm.snapshotState();
        begin();
        while (book.cursor < entries.length && making.length < 8) take(none());
        if (making.length == 0) withdraw(account, uint64(block.timestamp), 0, alice, time, keyOf[alice]);
        uint256 stake = game.leastStake();
        bytes memory data = dataOf(who);
        bytes32 parent = assertions.chain(assertions.head());
        vm.expectRevert(Assertions.NotYourTurn.selector);
        vm.prank(who, who);
        batches.post{value: stake}(parent, defender, data);
        vm.revertToState(snapshot);
    }

    /// @dev A question that nobody answers.
    function reject(bytes32 id) internal {
        vm.prank(challenger);
        bytes32 key = stepGame.challenge{value: 1 ether}(id, Kind.Ledger, 0, 0);
        vm.warp(block.timestamp + 4 days + 1);
        stepGame.timeout(key);
    }

    function test_genesis() public view {
        bytes32 genesis = assertions.chain(0);
        assertEq(uint8(statusOf(genesis)), uint8(Status.Confirmed));
        assertEq(
            derived(genesis).stateRoot,
            keccak256(abi.encodePacked("rf.state", keccak256("rf.pad__"), uint32(0), uint128(0)))
        );
    }

    function test_mayPost_lateSequencer() public {
        notTurn(stranger);
        vm.warp(block.timestamp + 7 hours);
        notTurn(stranger);
        vm.warp(block.timestamp + 1);
        assertTrue(assertions.isLate());
        uint256 snapshot = vm.snapshotState();
        batch(sequencer);
        vm.revertToState(snapshot);
        batch(stranger);
        assertFalse(assertions.isLate());
        notTurn(stranger);
        // Anybody can make a silent sequencer late, by a withdrawal of nothing.
        force(alice, account, 0);
        vm.warp(block.timestamp + 7 hours + 1);
        batch(challenger);
    }

    function test_mayPost_afterSequencersFault() public {
        bytes32 id = batch(sequencer);
        assertEq(assertions.head(), 1);
        reject(id);
        assertEq(assertions.head(), 0);
        assertTrue(assertions.opened());
        batch(stranger);
        assertFalse(assertions.opened());
        notTurn(stranger);
    }

    /// @notice After a stranger's fault the sequencer goes first.
    function test_mayPost_afterStrangersFault() public {
        vm.warp(block.timestamp + 7 hours + 1);
        reject(batch(stranger));
        assertFalse(assertions.opened());
        notTurn(stranger);
        vm.warp(block.timestamp + 1 hours);
        notTurn(stranger);
        vm.warp(block.timestamp + 1);
        batch(stranger);
    }

    function test_handOver() public {
        vm.expectRevert(Assertions.NotSequencer.selector);
        assertions.handOver(stranger);
        bytes32 id = batch(sequencer);
        vm.prank(sequencer);
        assertions.handOver(stranger);
        notTurn(sequencer);
        bytes32 next = batch(stranger);
        // What counts is who was sequencer when it was posted.
        reject(next);
        assertTrue(assertions.opened());
        reject(id);
        assertTrue(assertions.opened());
        vm.prank(stranger);
        assertions.handOver(challenger);
        batch(challenger);
    }

    function test_confirm_wrong_reverts() public {
        bytes32 id = batch(sequencer);
        bytes32 child = batch(sequencer);
        vm.warp(block.timestamp + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(Assertions.TooEarly.selector, block.timestamp + 1));
        assertions.confirm(id);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotNext.selector, id));
        assertions.confirm(child);
        assertions.confirm(id);
        assertEq(vault.balanceOf(sequencer), game.leastStake());
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotNext.selector, child));
        assertions.confirm(id);
        assertions.confirm(child);
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotNext.selector, bytes32(0)));
        assertions.confirm(child);
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotNext.selector, bytes32(0)));
        assertions.confirm(0);
        assertEq(assertions.confirmed(), 2);
    }

    function test_reject_byStranger_reverts() public {
        bytes32 id = batch(sequencer);
        vm.expectRevert(Assertions.NotGame.selector);
        assertions.reject(id);
        vm.expectRevert(Assertions.NotProposer.selector);
        assertions.revokeDefender(id);
        assertTrue(assertions.isDefender(id, defender));
        assertEq(assertions.defenderOf(id), defender);
        vm.prank(sequencer);
        assertions.revokeDefender(id);
        assertFalse(assertions.isDefender(id, defender));
        assertEq(assertions.defenderOf(id), sequencer);
    }

    /// @notice Numbers go on whatever becomes of a batch.
    function test_numbers() public {
        batch(sequencer);
        bytes32 id = batch(sequencer);
        assertEq(assertions.nextNumber(sequencer, 0), 1);
        reject(id);
        assertEq(assertions.nextNumber(sequencer, 0), 1);
        id = batch(sequencer);
        assertEq(derived(id).firstNumber, 1);
        epoch = 1;
        id = batch(sequencer);
        assertEq(derived(id).firstNumber, 0);
    }
}
