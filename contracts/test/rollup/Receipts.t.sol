// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Breach, Evidence, Receipts} from "src/Receipts.sol";
import {Receipt as Promised} from "src/RollupTypes.sol";
import {Kind} from "src/StepGame.sol";
import {Steps} from "src/libraries/Steps.sol";

contract ReceiptsTest is RollupTest {
    address internal alice;
    uint32 internal account;
    uint256 internal model;
    bytes32 internal id;
    bytes32 internal request;
    bytes32 internal withdrawal;

    function setUp() public {
        deploy();
        model = announce(11, 1000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
        begin();
        take(none());
        request = infer(ask(account, 0, model));
        withdrawal = withdraw(account, 1, 1, alice, time, keyOf[alice]);
        id = post();
        vm.prank(sequencer);
        receipts.deposit{value: 0.25 ether}();
    }

    /// @dev A receipt for the first number, kept.
    function good() private view returns (Promised memory r) {
        (r.proposer, r.request, r.payee) = (sequencer, request, alice);
        r.output = postedOf[id].steps[1].item.outputRoot;
        r.deadline = uint64(block.timestamp);
    }

    function signed(Promised memory r, uint256 key) private view returns (bytes memory) {
        return sign(
            key,
            digestOf(
                keccak256(
                    abi.encode(
                        keccak256(
                            "Receipt(address proposer,uint32 epoch,uint64 number,bytes32 request,bytes32 output,uint64 deadline,address payee)"
                        ),
                        r
                    )
                )
            )
        );
    }

    function signed(Promised memory r) private view returns (bytes memory) {
        return signed(r, sequencerKey);
    }

    function step(uint256 i) private view returns (Evidence memory e) {
        e.breach = Breach.Step;
        e.proof = proofOf(id, i);
    }

    function broken(Promised memory r, Evidence memory e) private {
        uint256 snapshot = vm.snapshotState();
        bytes memory signature = signed(r);
        receipts.claim(r, signature, e);
        assertEq(vault.balanceOf(alice), 0.05 ether);
        assertEq(vault.burned(), 0.05 ether);
        bytes32 digest = receipts.digestOf(r);
        vm.expectRevert(abi.encodeWithSelector(Receipts.AlreadyClaimed.selector, digest));
        receipts.claim(r, signature, e);
        vm.revertToState(snapshot);
    }

    function kept(Promised memory r, Evidence memory e, bytes4 error) private {
        bytes memory signature = signed(r);
        vm.expectPartialRevert(error);
        receipts.claim(r, signature, e);
    }

    function test_claim_signature() public {
        Promised memory r = good();
        r.request = "other";
        Evidence memory e = step(1);
        bytes memory signature = signed(r, 7);
        vm.expectRevert(Receipts.NotSigned.selector);
        receipts.claim(r, signature, e);
        signature = Trees.slice(signed(r), 0, 63);
        vm.expectRevert(Receipts.NotSigned.selector);
        receipts.claim(r, signature, e);
        vm.prank(stranger);
        receipts.appoint(vm.addr(7));
        signature = signed(r, 7);
        vm.expectRevert(Receipts.NotSigned.selector);
        receipts.claim(r, signature, e);
        vm.prank(sequencer);
        receipts.appoint(vm.addr(7));
        receipts.claim(r, signature, e);
    }

    function test_claim_otherReceipt() public {
        Promised memory r = good();
        Evidence memory e;
        e.other = good();
        e.other.payee = stranger;
        e.otherSignature = signed(e.other);
        kept(r, e, Receipts.NotBroken.selector);
        e.other.output = "other";
        kept(r, e, Receipts.NotSigned.selector);
        e.otherSignature = signed(e.other);
        broken(r, e);
        e.other.number = 1;
        e.otherSignature = signed(e.other);
        kept(r, e, Receipts.NotAboutThis.selector);
        e.other.number = 0;
        e.other.epoch = 1;
        e.otherSignature = signed(e.other);
        kept(r, e, Receipts.NotAboutThis.selector);
        e.other.epoch = 0;
        (e.other.output, e.other.request) = (r.output, "other");
        e.otherSignature = signed(e.other);
        broken(r, e);
    }

    function test_claim_step() public {
        Promised memory r = good();
        kept(r, step(1), Receipts.NotBroken.selector);
        kept(r, step(2), Receipts.NotAboutThis.selector);
        kept(r, step(0), Receipts.NotAboutThis.selector);
        Evidence memory e = step(2);
        (e.proof.step, e.proof.path) = (1, pathOf(id, 1));
        kept(r, e, Steps.WrongStep.selector);
        r.request = "other";
        broken(r, step(1));
        r = good();
        r.output = "other";
        broken(r, step(1));
        e = step(1);
        e.proof.item.outputRoot = "other";
        kept(r, e, Receipts.WrongItem.selector);
        // The second number is a withdrawal, without an output.
        (r.number, r.request, r.output) = (1, withdrawal, 0);
        kept(r, step(2), Receipts.NotBroken.selector);
        r.output = "other";
        broken(r, step(2));
        r.number = 2;
        kept(r, step(2), Receipts.NotAboutThis.selector);
        r.number = 1;
        r.epoch = 1;
        kept(r, step(2), Receipts.NotAboutThis.selector);
    }

    /// @notice What was posted counts, whatever became of it.
    function test_claim_step_rejected() public {
        vm.prank(challenger);
        bytes32 key = stepGame.challenge{value: 1 ether}(id, Kind.Ledger, 0, 0);
        vm.warp(block.timestamp + 4 days + 1);
        stepGame.timeout(key);
        Promised memory r = good();
        r.request = "other";
        uint256 burned = vault.burned();
        receipts.claim(r, signed(r), step(1));
        assertEq(vault.burned(), burned + 0.05 ether);
    }

    function test_claim_missing() public {
        Evidence memory e;
        e.breach = Breach.Missing;
        Promised memory r = good();
        r.number = 2;
        kept(r, e, Receipts.NotBroken.selector);
        vm.warp(block.timestamp + 1);
        broken(r, e);
        r.number = 1;
        kept(r, e, Receipts.NotAboutThis.selector);
        e.proof.assertion = id;
        kept(r, e, Receipts.NotBroken.selector);
        r.deadline -= 1;
        broken(r, e);
        r.epoch = 3;
        broken(r, e);
    }

    function test_claim_finalResult() public {
        Promised memory r = good();
        // Under a number that does not exist, and for another proposer.
        (r.number, r.output, r.deadline) = (77, "other", type(uint64).max);
        Evidence memory e = step(1);
        e.breach = Breach.Result;
        kept(r, e, Receipts.NotAboutThis.selector);
        confirm(id);
        uint256 had = vault.burned();
        assertEq(had, 0);
        broken(r, e);
        r.output = good().output;
        kept(r, e, Receipts.NotBroken.selector);
        r.request = "other";
        kept(r, e, Receipts.NotAboutThis.selector);
        e = step(0);
        e.breach = Breach.Result;
        kept(r, e, Steps.WrongKind.selector);
    }

    function test_bond() public {
        Promised memory r = good();
        r.request = "other";
        Evidence memory e = step(1);
        for (uint256 i = 0; i < 3; ++i) {
            r.payee = vm.addr(i + 1);
            receipts.claim(r, signed(r), e);
            assertEq(vault.balanceOf(r.payee), i < 2 ? 0.05 ether : 0.025 ether);
        }
        assertEq(vault.burned(), 0.125 ether);
        r.payee = alice;
        bytes memory signature = signed(r);
        vm.expectRevert(abi.encodeWithSelector(Receipts.NoBond.selector, sequencer));
        receipts.claim(r, signature, e);
        vm.startPrank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(Receipts.NoBond.selector, sequencer));
        receipts.callBack();
        receipts.deposit{value: 1 ether}();
        vm.expectRevert(abi.encodeWithSelector(Receipts.TooEarly.selector, 0));
        receipts.leave();
        receipts.callBack();
        uint256 end = block.timestamp + 30 days;
        vm.expectRevert(Receipts.CalledBack.selector);
        receipts.deposit{value: 1 ether}();
        vm.warp(end - 1);
        receipts.callBack();
        vm.expectRevert(abi.encodeWithSelector(Receipts.TooEarly.selector, end));
        receipts.leave();
        vm.stopPrank();
        receipts.claim(r, signature, e);
        vm.warp(end);
        vm.prank(sequencer);
        receipts.leave();
        assertEq(vault.balanceOf(sequencer), 0.9 ether);
        assertEq(vault.balanceOf(address(receipts)), 0);
    }
}
