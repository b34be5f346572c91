// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Assertions} from "src/Assertions.sol";
import {Batches} from "src/Batches.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {Derived} from "src/RollupTypes.sol";
import {BatchReader} from "src/batch/BatchReader.sol";

/// @notice Every posting check and its error.
contract PostingTest is RollupTest {
    address internal alice;
    uint32 internal account;
    uint256 internal model;
    uint256 internal vector;

    function setUp() public {
        deploy();
        model = announce(11, 100, 0, new uint32[](0));
        vector = announce(16, 4, 1, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
        begin();
        take(none());
    }

    function good() internal view returns (Ask memory) {
        return ask(account, uint64(making.length), model);
    }

    function error(bytes4 selector, uint256 step) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, step);
    }

    /// @dev The batch with bytes at a place replaced.
    function with(uint256 at, bytes memory bytes_) internal view returns (bytes memory data) {
        data = dataOf(sequencer);
        for (uint256 i = 0; i < bytes_.length; ++i) {
            data[at + i] = bytes_[i];
        }
    }

    /// @dev Where step `i` begins.
    function offsetOf(uint256 step) internal view returns (uint256 at) {
        at = headBytes(sequencer).length;
        for (uint256 i = 0; i < step; ++i) {
            at += making[i].raw.length;
        }
    }

    // --- head --------------------------------------------------------------------------------------------------

    function test_post_head_wrong_reverts() public {
        infer(good());
        refused(with(0, hex"02"), error(Batches.BadVersion.selector, 2));
        refused(Trees.slice(dataOf(sequencer), 0, 63), abi.encodeWithSelector(Batches.ShortHead.selector));
        refused(
            Trees.slice(dataOf(sequencer), 0, 64 + 71), abi.encodeWithSelector(Batches.ShortHead.selector)
        );
        refused("", abi.encodeWithSelector(Batches.ShortHead.selector));
        uint64 now_ = uint64(block.timestamp);
        refused(with(1, abi.encodePacked(now_ - 1)), error(Batches.BadTime.selector, now_ - 1));
        refused(with(1, abi.encodePacked(now_ + 901)), error(Batches.BadTime.selector, now_ + 901));
        refused(
            with(13, abi.encodePacked(uint64(1))), abi.encodeWithSelector(Assertions.WrongNumber.selector, 0)
        );
        refused(
            with(21, abi.encodePacked(uint64(2))), abi.encodeWithSelector(Batches.BadCursor.selector, 0, 2)
        );
        refused(with(29, hex"77777777"), abi.encodeWithSelector(Batches.WrongInbox.selector));
        // Without its one entry, what follows is read as signed.
        bytes memory less = with(21, abi.encodePacked(uint64(0), bytes32(0)));
        refused(less, abi.encodeWithSelector(BatchReader.WrongOp.selector, 0, 0));
        // The same line twice, a model that nobody has announced, a price that is not in force.
        bytes memory data = with(64 + 36, abi.encodePacked(known[table[0]].id));
        refused(data, error(Batches.BadTable.selector, 1));
        refused(
            with(64, abi.encodePacked(bytes32(uint256(1)))),
            abi.encodeWithSelector(ModelRegistry.UnknownModel.selector, bytes32(uint256(1)))
        );
        bytes32 id = known[table[0]].id;
        refused(
            with(96, abi.encodePacked(uint32(1))),
            abi.encodeWithSelector(ModelRegistry.NotInForce.selector, id, 1)
        );
        refused(abi.encodePacked(dataOf(sequencer), hex"00"), error(Batches.LeftoverBytes.selector, 1));
        post();
    }

    function test_post_empty_reverts() public {
        post();
        begin();
        refused(error(Batches.BadStepCount.selector, 0));
    }

    /// @notice The latest time that is allowed is, and the price in force then is the one that counts.
    function test_post_priceAtTime() public {
        infer(good());
        post();
        vm.prank(owner);
        registry.schedule(known[model].id, 30 gwei, 60 gwei);
        vm.warp(block.timestamp + 1 days - 15 minutes);
        begin();
        infer(ask(account, 9, model));
        time = uint64(block.timestamp + 15 minutes);
        refused(abi.encodeWithSelector(ModelRegistry.NotInForce.selector, known[model].id, 0));
        time -= 1;
        post();
    }

    function test_post_otherHistory_reverts() public {
        infer(good());
        uint256 stake = game.leastStake();
        bytes memory data = dataOf(sequencer);
        bytes32 genesis = assertions.chain(0);
        vm.expectRevert(abi.encodeWithSelector(Batches.NotHead.selector, genesis));
        vm.prank(sequencer, sequencer);
        batches.post{value: stake}("x", defender, data);
        vm.expectRevert(abi.encodeWithSelector(Assertions.WrongStake.selector, stake));
        vm.prank(sequencer, sequencer);
        batches.post{value: stake - 1}(genesis, defender, data);
        // The inbox of another history: the same batch does not fit it.
        uint256 snapshot = vm.snapshotState();
        bytes32 id = post();
        vm.revertToState(snapshot);
        vm.prank(sequencer);
        inbox.deposit{value: 1 ether}(stranger);
        post();
        assertEq(assertions.chain(1), id);
        vm.revertToState(snapshot);
        vm.warp(block.timestamp + 1);
        time += 1;
        assertNotEq(post(), id);
        vm.expectRevert(Assertions.NotSource.selector);
        Derived memory d;
        assertions.append{value: stake}(genesis, sequencer, defender, d);
    }

    // --- entries -----------------------------------------------------------------------------------------------

    function test_post_entries_wrong_reverts() public {
        infer(good());
        uint256 at = offsetOf(0) + 32;
        refused(with(at, hex"03"), abi.encodeWithSelector(BatchReader.WrongOp.selector, 0, 3));
        // A deposit that the inbox does not have.
        refused(with(at + 48, hex"01"), abi.encodeWithSelector(Batches.WrongEntries.selector));
        refused(with(at, hex"01"), abi.encodeWithSelector(Batches.WrongEntries.selector));
        at = offsetOf(1) + 32;
        refused(with(at, hex"00"), abi.encodeWithSelector(BatchReader.WrongOp.selector, 1, 0));
        refused(with(at, hex"06"), abi.encodeWithSelector(BatchReader.WrongOp.selector, 1, 6));
    }

    function test_post_shortData_reverts() public {
        infer(good());
        bytes memory data = dataOf(sequencer);
        uint256 first = offsetOf(0);
        for (uint256 length = first; length < data.length; ++length) {
            uint256 step = length < offsetOf(1) ? 0 : 1;
            // Where the entry is cut off, so is what proves it: either way it is refused with the step.
            refused(Trees.slice(data, 0, length), error(BatchReader.ShortData.selector, step));
        }
    }

    function test_post_l1Request() public {
        requestOnL1(alice, model, list(1, 2, 3), 4, greedy(), 0);
        begin();
        take(none());
        take(list(5, 6));
        uint256 at = offsetOf(1) + 32 + 169;
        uint8 other = tableIndex(vector);
        refused(with(at, abi.encodePacked(other)), error(BatchReader.WrongModel.selector, 1));
        refused(with(at, hex"02"), error(BatchReader.WrongModel.selector, 1));
        refused(with(at + 1, abi.encodePacked(uint32(0))), error(BatchReader.TooYoung.selector, 1));
        refused(with(at + 1, abi.encodePacked(uint32(5))), error(BatchReader.BadLength.selector, 1));
        refused(with(at + 1, abi.encodePacked(uint32(1))), error(BatchReader.LooseBits.selector, 1));
        bytes32 id = post();
        assertEq(derived(id).items, 1);
        assertEq(derived(id).itemsRoot, Trees.root(itemHashes(id)));
        assertEq(derived(id).stepsRoot, Trees.root(stepLeaves(id)));
    }

    function test_post_dropped() public {
        requestOnL1(alice, model, list(1, 2, 3), 4, greedy(), 0);
        vm.warp(block.timestamp + 14 days - 1 - 15 minutes);
        begin();
        take(none());
        take(none());
        time = uint64(block.timestamp + 15 minutes);
        refused(error(BatchReader.TooYoung.selector, 1));
        vm.warp(block.timestamp + 1);
        time = uint64(block.timestamp + 15 minutes);
        bytes32 id = post();
        assertEq(derived(id).items, 0);
        assertEq(derived(id).itemsRoot, Trees.root(itemHashes(id)));
        assertEq(derived(id).stepsRoot, Trees.root(stepLeaves(id)));
    }

    /// @notice Overdue entries: K of them and no signed item, or all that are overdue.
    function test_post_overdue() public {
        for (uint256 i = 0; i < 9; ++i) {
            deposit(alice, 1 ether);
        }
        vm.warp(block.timestamp + 6 hours - 1);
        begin();
        take(none());
        infer(ask(account, 0, model));
        uint256 snapshot = vm.snapshotState();
        post();
        vm.revertToState(snapshot);
        // At the batch's time it is overdue.
        time += 1;
        refused(error(Batches.Overdue.selector, 1));
        begin();
        time += 1;
        for (uint256 i = 0; i < 7; ++i) {
            take(none());
        }
        refused(error(Batches.Overdue.selector, 7));
        take(none());
        snapshot = vm.snapshotState();
        post();
        vm.revertToState(snapshot);
        infer(ask(account, 0, model));
        refused(error(Batches.Overdue.selector, 8));
        begin();
        time += 1;
        for (uint256 i = 0; i < 10; ++i) {
            take(none());
        }
        infer(ask(account, 0, model));
        post();
    }

    // --- signed items ------------------------------------------------------------------------------------------

    function refusedItem(Ask memory q, bytes4 selector) private {
        uint256 snapshot = vm.snapshotState();
        infer(q);
        refused(error(selector, 1));
        vm.revertToState(snapshot);
    }

    function test_post_inference_wrong_reverts() public {
        Ask memory q = good();
        q.flags = 8;
        refusedItem(q, BatchReader.BadFlags.selector);
        q.flags = 2;
        refusedItem(q, BatchReader.BadFlags.selector);
        q = good();
        q.maxTokens = 1;
        refusedItem(q, BatchReader.BadLength.selector);
        q = good();
        q.output = none();
        refusedItem(q, BatchReader.BadLength.selector);
        q = good();
        q.prompt = none();
        refusedItem(q, BatchReader.BadLength.selector);
        q = good();
        q.prompt = new uint256[](98);
        q.output = list(1, 2);
        infer(q);
        q.prompt = new uint256[](99);
        uint256 step = making.length;
        infer(q);
        refused(error(BatchReader.BadLength.selector, step));
    }

    function test_post_bytes_wrong_reverts() public {
        infer(good());
        uint256 at = offsetOf(1) + 32;
        refused(with(at + 2, hex"02"), error(BatchReader.WrongModel.selector, 1));
        refused(with(at + 15, abi.encodePacked(uint32(0))), error(BatchReader.BadLength.selector, 1));
        // Three tokens of four bits: 3 1 2 0; then two: 5 6.
        refused(with(at + 116, hex"21"), error(BatchReader.LooseBits.selector, 1));
        refused(with(at + 115, hex"b1"), error(BatchReader.BadToken.selector, 1));
        refused(with(at + 116, hex"b0"), error(BatchReader.BadToken.selector, 1));
        uint256 snapshot = vm.snapshotState();
        Ask memory q = ask(account, 5, model);
        q.output = list(5, 6, 7);
        infer(q);
        at = offsetOf(2) + 32;
        refused(with(at + 118, hex"78"), error(BatchReader.LooseBits.selector, 2));
        vm.revertToState(snapshot);
        // An output token outside of the vocabulary is the game's.
        q.output = list(15, 15);
        infer(q);
        bytes32 id = post();
        assertEq(derived(id).itemsRoot, Trees.root(itemHashes(id)));
    }

    function refusedSampling(uint32 temperature, uint32 topP, uint32 minP) private {
        Ask memory q = good();
        q.flags = 1;
        (q.sampling.temperature, q.sampling.topP, q.sampling.minP) = (temperature, topP, minP);
        refusedItem(q, BatchReader.BadSampling.selector);
    }

    function test_post_sampling() public {
        refusedSampling(0, 65_536, 0);
        refusedSampling(655, 65_536, 0);
        refusedSampling(6_553_601, 65_536, 0);
        refusedSampling(656, 0, 0);
        refusedSampling(656, 65_537, 0);
        refusedSampling(656, 65_536, 65_537);
        Ask memory q = good();
        q.flags = 3;
        q.sampling.temperature = 656;
        refusedItem(q, BatchReader.BadSampling.selector);
        // The seed is given, or follows from the request.
        q.sampling.seed = keccak256("seed");
        infer(q);
        q.nonce = 7;
        (q.flags, q.sampling.seed) = (1, 0);
        (q.sampling.temperature, q.sampling.topK, q.sampling.topP) = (6_553_600, 12, 1);
        q.sampling.minP = 65_536;
        infer(q);
        bytes32 id = post();
        assertEq(derived(id).itemsRoot, Trees.root(itemHashes(id)));
        assertEq(derived(id).stepsRoot, Trees.root(stepLeaves(id)));
        assertEq(postedOf[id].steps[1].item.seed, keccak256("seed"));
        assertNotEq(postedOf[id].steps[2].item.seed, 0);
    }

    function test_post_vector() public {
        Ask memory q = ask(account, 0, vector);
        refusedItem(q, BatchReader.BadLength.selector);
        q.maxTokens = 0;
        q.flags = 1;
        q.sampling.temperature = 656;
        refusedItem(q, BatchReader.BadFlags.selector);
        q.sampling.temperature = 0;
        q.flags = 0;
        q.prompt = new uint256[](5);
        refusedItem(q, BatchReader.BadLength.selector);
        q.prompt = new uint256[](4);
        q.output = list(1, 2, 3);
        infer(q);
        bytes32 id = post();
        assertEq(derived(id).itemsRoot, Trees.root(itemHashes(id)));
        assertEq(derived(id).stepsRoot, Trees.root(stepLeaves(id)));
        ledger.prove(partsOf(id, 1), derived(id).time, postedOf[id].steps[1].witness);
    }

    /// @notice All that posting derives, for every op, against what the text says.
    function test_post_derives() public {
        force(alice, account, 1 gwei);
        requestOnL1(alice, model, list(1, 2, 3), 4, greedy(), 0);
        begin();
        take(none());
        take(none());
        take(list(5, 6));
        infer(good());
        withdraw(account, 8, 1 gwei, stranger, time, keyOf[alice]);
        Delegate memory g;
        (g.account, g.nonce, g.delegate) = (account, 1, stranger);
        delegate(g, keyOf[alice]);
        epoch = 7;
        bytes32 root = Trees.root(this.leaves());
        bytes32 hash = keccak256(abi.encodePacked("rf.batch", headBytes(sequencer), root));
        bytes32 genesis = keccak256(abi.encodePacked("rf.genes", uint64(block.chainid), address(assertions)));
        bytes32 id = post();
        Derived memory d = derived(id);
        assertEq(d.batchHash, hash);
        assertEq(d.stepsRoot, root);
        assertEq(d.itemsRoot, Trees.root(itemHashes(id)));
        assertEq(d.stateRoot, bookRoot());
        assertEq(abi.encode(d.time, d.cursor, d.epoch), abi.encode(time, 3, 7));
        assertEq(abi.encode(d.firstNumber, d.items, d.steps, d.entries), abi.encode(0, 2, 6, 3));
        assertEq(
            id,
            keccak256(
                abi.encodePacked("rf.asser", genesis, hash, sequencer, defender, uint64(block.timestamp))
            )
        );
        assertEq(assertions.nextNumber(sequencer, 7), 3);
        for (uint256 i = 0; i < 6; ++i) {
            ledger.prove(partsOf(id, i), d.time, postedOf[id].steps[i].witness);
        }
    }

    function leaves() external view returns (bytes32[] memory all) {
        all = new bytes32[](making.length);
        for (uint256 i = 0; i < all.length; ++i) {
            bytes memory data = making[i].parts.data;
            all[i] = keccak256(
                abi.encodePacked("rf.step_", uint32(i), making[i].parts.pre, making[i].parts.post, data)
            );
        }
    }

    /// @notice Data that are not a plain account's calldata are logged.
    function test_post_logsData() public {
        infer(good());
        uint256 stake = game.leastStake();
        bytes memory data = dataOf(sequencer);
        bytes32 genesis = assertions.chain(0);
        uint256 snapshot = vm.snapshotState();
        vm.recordLogs();
        post();
        uint256 plain = vm.getRecordedLogs().length;
        vm.revertToState(snapshot);
        vm.recordLogs();
        vm.prank(sequencer);
        batches.post{value: stake}(genesis, defender, data);
        assertEq(vm.getRecordedLogs().length, plain + 1);
    }
}

/// @notice The parser over bytes that nobody meant: it refuses, or what it took is all that there is.
contract ParserFuzzTest is RollupTest {
    bytes internal valid;
    bytes32 internal genesis;

    function setUp() public {
        deploy();
        uint256 model = announce(11, 100, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        address alice = newOwner("alice");
        uint32 account = deposit(alice, 1 ether);
        requestOnL1(alice, model, list(1, 2, 3), 4, greedy(), 0);
        begin();
        take(none());
        take(list(5, 6));
        infer(ask(account, 0, model));
        withdraw(account, 8, 1 gwei, stranger, time, keyOf[alice]);
        valid = dataOf(sequencer);
        genesis = assertions.chain(0);
    }

    function testFuzz_parser_garbage(bytes calldata data) public view {
        try batches.derive(genesis, data) {
            revert("garbage is taken for a batch");
        } catch {}
    }

    /// @notice Random steps behind a right head.
    function testFuzz_parser_garbageSteps(bytes calldata data) public view {
        bytes memory head = Trees.slice(valid, 0, 64 + 36);
        try batches.derive(genesis, abi.encodePacked(head, data)) {
            revert("garbage is taken for a batch");
        } catch {}
    }

    /// @notice One byte changed: refused, or another batch. No two encodings of one.
    function testFuzz_parser_changedByte(uint256 at, uint8 change) public view {
        at = bound(at, 0, valid.length - 1);
        vm.assume(change != 0);
        bytes memory data = valid;
        bytes32 right = batches.derive(genesis, data).batchHash;
        data[at] = bytes1(uint8(data[at]) ^ change);
        try batches.derive(genesis, data) returns (Derived memory d) {
            assertNotEq(d.batchHash, right);
        } catch {}
    }

    /// @notice Bytes put in or left out: refused.
    function testFuzz_parser_otherLength(uint256 at, bytes calldata more, uint8 less) public view {
        at = bound(at, 0, valid.length - 1);
        vm.assume(more.length != less);
        bytes memory data = valid;
        data = abi.encodePacked(
            Trees.slice(data, 0, at),
            more,
            at + less < data.length ? Trees.slice(data, at + less, data.length) : bytes("")
        );
        if (data.length == valid.length) return;
        try batches.derive(genesis, data) {
            revert("a batch of another length");
        } catch {}
    }
}
