// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Inbox} from "src/Inbox.sol";
import {Delivery, Results} from "src/Results.sol";
import {StepProof} from "src/RollupTypes.sol";
import {Item} from "src/Types.sol";
import {IERC165, IInferenceConsumer} from "src/interfaces/IInferenceConsumer.sol";
import {IResults, Result} from "src/interfaces/IResults.sol";
import {Steps} from "src/libraries/Steps.sol";

/// @notice A consumer that does whatever it is told.
contract Consumer is IInferenceConsumer, IERC165 {
    enum Mode {
        Good,
        Reverts,
        Burns,
        Huge,
        Again
    }

    Mode public mode;
    bytes32 public request;
    bytes32 public digest;
    uint256 public gasGiven;
    bytes internal again;

    function set(Mode mode_, bytes calldata again_) external {
        (mode, again) = (mode_, again_);
    }

    function onInference(bytes32 request_, bytes32 model, uint32 length, bytes calldata output) external {
        gasGiven = gasleft();
        if (mode == Mode.Reverts) revert("no");
        if (mode == Mode.Burns) {
            while (true) {
                ++gasGiven;
            }
        }
        if (mode == Mode.Huge) {
            assembly ("memory-safe") {
                return(0, 200000)
            }
        }
        if (mode == Mode.Again) {
            (bool ok,) = msg.sender.call(again);
            require(!ok, "delivered twice");
        }
        (request, digest) = (request_, keccak256(abi.encode(model, length, output)));
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == type(IInferenceConsumer).interfaceId;
    }

    function ask(Inbox inbox, bytes calldata call) external payable {
        (bool ok, bytes memory reason) = address(inbox).call{value: msg.value}(call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}

contract ResultsTest is RollupTest {
    address internal alice;
    uint32 internal account;
    uint256 internal model;
    Consumer internal consumer;
    bytes32 internal id;
    bytes32 internal request;
    uint32 internal constant GAS = 300_000;

    function setUp() public {
        deploy();
        model = announce(11, 1000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
        consumer = new Consumer();
        // By the consumer, and the entry as it then is.
        uint256 due = ENTRY_FEE + 3 * 20 gwei + 4 * 50 gwei;
        bytes memory call = abi.encodeCall(inbox.request, (known[model].id, hex"1230", 3, 4, greedy(), GAS));
        uint256 snapshot = vm.snapshotState();
        vm.deal(address(consumer), 1 ether);
        requestOnL1(address(consumer), model, list(1, 2, 3), 4, greedy(), GAS);
        bytes memory f = entries[1];
        vm.revertToState(snapshot);
        consumer.ask{value: due}(inbox, call);
        entries.push(f);
        requestOnL1(stranger, model, list(1, 2, 3), 4, greedy(), 0);
        begin();
        take(none());
        take(list(5, 6));
        take(list(5, 6));
        request = infer(ask(account, 0, model));
        id = post();
    }

    function output(uint256 step) private view returns (bytes memory) {
        return postedOf[id].steps[step].output;
    }

    function test_verifyInference() public {
        StepProof memory proof = proofOf(id, 3);
        vm.expectRevert(abi.encodeWithSelector(Results.NotFinal.selector, id));
        results.verifyInference(proof);
        confirm(id);
        (bytes32 hash, Item memory item) = results.verifyInference(proof);
        assertEq(hash, request);
        assertEq(item.outputRoot, Trees.tensorRoot(output(3)));
        proof.item.outputLength += 1;
        vm.expectRevert(Results.WrongItem.selector);
        results.verifyInference(proof);
        proof = proofOf(id, 3);
        proof.step = 2;
        vm.expectRevert(Steps.WrongStep.selector);
        results.verifyInference(proof);
        proof = proofOf(id, 0);
        vm.expectRevert(abi.encodeWithSelector(Steps.WrongKind.selector, 0));
        results.verifyInference(proof);
    }

    function test_record() public {
        StepProof memory proof = proofOf(id, 3);
        vm.expectRevert(abi.encodeWithSelector(Results.NotRecorded.selector, request));
        results.resultOf(request);
        confirm(id);
        results.record(proof);
        Result memory r = results.resultOf(request);
        assertEq(r.model, known[model].id);
        assertEq(r.outputRoot, Trees.tensorRoot(output(3)));
        assertEq(abi.encode(r.outputLength, r.tokenBits), abi.encode(2, 4));
        vm.expectRevert(abi.encodeWithSelector(Results.AlreadyRecorded.selector, request));
        results.record(proof);
    }

    function test_deliver() public {
        StepProof memory proof = proofOf(id, 1);
        confirm(id);
        bytes memory out = output(1);
        vm.expectRevert(Results.WrongOutput.selector);
        results.deliver(proof, hex"57");
        vm.expectRevert(Results.WrongOutput.selector);
        results.deliver(proof, "");
        assertTrue(results.deliver(proof, out));
        bytes32 l1 =
            keccak256(abi.encodePacked("rf.l1req", uint64(block.chainid), address(inbox), entryHash(1)));
        assertEq(consumer.request(), l1);
        assertEq(consumer.digest(), keccak256(abi.encode(known[model].id, 2, out)));
        assertEq(uint8(results.deliveryOf(l1)), uint8(Delivery.Delivered));
        vm.expectRevert(abi.encodeWithSelector(Results.AlreadyDelivered.selector, l1));
        results.deliver(proof, out);
        proof = proofOf(id, 2);
        vm.expectRevert(Results.NoCallback.selector);
        results.deliver(proof, out);
        proof = proofOf(id, 3);
        vm.expectRevert(Results.NoCallback.selector);
        results.deliver(proof, out);
    }

    /// @notice Whatever the consumer does costs at most its gas, and can be repeated.
    function test_deliver_badConsumer() public {
        StepProof memory proof = proofOf(id, 1);
        confirm(id);
        bytes memory out = output(1);
        consumer.set(Consumer.Mode.Reverts, "");
        assertFalse(results.deliver(proof, out));
        consumer.set(Consumer.Mode.Burns, "");
        assertFalse(results.deliver(proof, out));
        uint256 gas = gasleft();
        consumer.set(Consumer.Mode.Huge, "");
        assertTrue(results.deliver(proof, out));
        assertLt(gas - gasleft(), 2 * GAS);
    }

    function test_deliver_again() public {
        StepProof memory proof = proofOf(id, 1);
        confirm(id);
        bytes memory out = output(1);
        consumer.set(Consumer.Mode.Again, abi.encodeCall(results.deliver, (proof, out)));
        assertTrue(results.deliver(proof, out));
        assertNotEq(consumer.request(), 0);
    }

    /// @notice A caller cannot make the consumer fail by giving too little gas: at every limit it gets all or nothing.
    function test_deliver_gas() public {
        StepProof memory proof = proofOf(id, 1);
        confirm(id);
        bytes memory out = output(1);
        bytes memory call = abi.encodeCall(results.deliver, (proof, out));
        for (uint256 limit = 100_000; limit < 800_000; limit += 5_000) {
            uint256 snapshot = vm.snapshotState();
            (bool ok,) = address(results).call{gas: limit}(call);
            if (ok) {
                assertGt(consumer.gasGiven(), GAS - 2_000);
                return;
            }
            assertEq(consumer.gasGiven(), 0);
            vm.revertToState(snapshot);
        }
        revert("never delivered");
    }

    /// @notice A dropped request has no result, and nobody is called back.
    function test_dropped_reverts() public {
        requestOnL1(stranger, model, list(1, 2, 3), 4, greedy(), 0);
        vm.warp(block.timestamp + 14 days);
        begin();
        take(none());
        id = post();
        StepProof memory proof = proofOf(id, 0);
        confirm(assertions.chain(1));
        confirm(id);
        vm.expectRevert(Results.NoItem.selector);
        results.record(proof);
        vm.expectRevert(Results.NoItem.selector);
        results.deliver(proof, hex"56");
    }

    function test_supportsInterface() public view {
        assertTrue(results.supportsInterface(type(IResults).interfaceId));
        assertTrue(results.supportsInterface(type(IERC165).interfaceId));
        assertFalse(results.supportsInterface(0xffffffff));
    }
}
