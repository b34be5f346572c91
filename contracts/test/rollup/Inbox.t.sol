// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Inbox} from "src/Inbox.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {RollupConfig, Sampling} from "src/RollupTypes.sol";
import {ModelHeader} from "src/Types.sol";

/// @notice The queue and the registry: what they refuse, and what they store.
contract InboxTest is RollupTest {
    address internal alice;
    uint256 internal model;
    uint256 internal vector;

    function setUp() public {
        deploy();
        model = announce(11, 100, 0, new uint32[](0));
        vector = announce(16, 4, 1, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
    }

    function test_deposit() public {
        vm.expectRevert(Inbox.NoOwner.selector);
        inbox.deposit{value: 1 ether}(address(0));
        vm.expectRevert(abi.encodeWithSelector(Inbox.DepositTooSmall.selector, 0.001 ether));
        inbox.deposit{value: 0.001 ether - 1}(alice);
        vm.expectRevert(abi.encodeWithSelector(Inbox.NoAccount.selector, alice));
        inbox.accountOf(alice);
        assertEq(deposit(alice, 1 ether), 0);
        assertEq(deposit(stranger, 1 ether), 1);
        assertEq(deposit(alice, 0.001 ether), 0);
        assertEq(inbox.accountOf(stranger), 1);
        assertEq(inbox.ownerOf(0), alice);
        assertEq(inbox.count(), 3);
        assertEq(inbox.accounts(), 2);
        assertEq(inbox.accumulator(3), accumulator(3));
        assertEq(inbox.timeOf(2), block.timestamp);
        assertEq(inbox.timeOf(3), 0);
    }

    function test_forceWithdrawal() public {
        deposit(alice, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Inbox.NotAccountOwner.selector, alice));
        inbox.forceWithdrawal{value: ENTRY_FEE}(0, 1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.WrongPayment.selector, ENTRY_FEE));
        vm.prank(alice);
        inbox.forceWithdrawal(0, 1);
        force(alice, 0, 1);
        assertEq(inbox.accumulator(2), accumulator(2));
    }

    /// @dev A request that is refused.
    function refusedRequest(
        bytes32 id,
        bytes memory prompt,
        uint32 length,
        uint32 maxTokens,
        Sampling memory s,
        bytes memory error
    ) private {
        vm.expectRevert(error);
        inbox.request{value: 1 ether}(id, prompt, length, maxTokens, s, 0);
    }

    function test_request_wrong_reverts() public {
        bytes32 id = known[model].id;
        bytes memory length = abi.encodeWithSelector(Inbox.BadLength.selector);
        bytes memory p = hex"1230";
        refusedRequest(
            "x", p, 3, 4, greedy(), abi.encodeWithSelector(ModelRegistry.UnknownModel.selector, bytes32("x"))
        );
        refusedRequest(id, "", 0, 4, greedy(), length);
        refusedRequest(id, p, 3, 0, greedy(), length);
        refusedRequest(id, p, 100, 1, greedy(), length);
        refusedRequest(id, p, 3, 8190, greedy(), length);
        refusedRequest(known[vector].id, hex"123450", 5, 0, greedy(), length);
        refusedRequest(known[vector].id, p, 3, 1, greedy(), length);
        refusedRequest(
            id, hex"12", 3, 4, greedy(), abi.encodeWithSelector(Inbox.WrongDataLength.selector, 1, 2)
        );
        refusedRequest(id, hex"1231", 3, 4, greedy(), abi.encodeWithSelector(Inbox.LooseBits.selector));
        refusedRequest(id, hex"1b30", 3, 4, greedy(), abi.encodeWithSelector(Inbox.BadToken.selector));
        Sampling memory s = greedy();
        bytes memory sampling = abi.encodeWithSelector(Inbox.BadSampling.selector);
        s.seed = "x";
        refusedRequest(id, p, 3, 4, s, sampling);
        s = greedy();
        s.temperature = 655;
        refusedRequest(id, p, 3, 4, s, sampling);
        s.temperature = 656;
        refusedRequest(known[vector].id, p, 3, 0, s, sampling);
        s.topP = 0;
        refusedRequest(id, p, 3, 4, s, sampling);
        uint256 due = ENTRY_FEE + 3 * 20 gwei + 4 * 50 gwei;
        refusedRequest(id, p, 3, 4, greedy(), abi.encodeWithSelector(Inbox.WrongPayment.selector, due));
        vm.expectRevert(abi.encodeWithSelector(Inbox.NotConsumer.selector, address(this)));
        inbox.request{value: due}(id, p, 3, 4, greedy(), 1);
        s.topP = 1;
        s.seed = "x";
        inbox.request{value: due}(id, p, 3, 4, s, 0);
        inbox.request{value: ENTRY_FEE + 4 * 20 gwei}(known[vector].id, hex"1234", 4, 0, greedy(), 0);
    }

    function test_request_hour() public {
        vm.warp((block.timestamp / 1 hours + 1) * 1 hours);
        uint256 due = ENTRY_FEE + 3 * 20 gwei + 8189 * 50 gwei;
        bytes32 id = known[model].id;
        for (uint256 i = 0; i < 24; ++i) {
            inbox.request{value: due}(id, hex"1230", 3, 8189, greedy(), 0);
        }
        uint256 left = 200_000 - 24 * 8192;
        vm.expectRevert(abi.encodeWithSelector(Inbox.HourIsFull.selector, left));
        inbox.request{value: due}(id, hex"1230", 3, 8189, greedy(), 0);
        vm.warp(block.timestamp + 1 hours - 1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.HourIsFull.selector, left));
        inbox.request{value: due}(id, hex"1230", 3, 8189, greedy(), 0);
        vm.warp(block.timestamp + 1);
        inbox.request{value: due}(id, hex"1230", 3, 8189, greedy(), 0);
    }

    function test_inbox_badConfig_reverts() public {
        for (uint256 i = 0; i < 9; ++i) {
            RollupConfig memory c = rollupConfig();
            if (i == 0) c.slack = 1 days;
            if (i == 1) c.forceDelay = c.slack;
            if (i == 2) c.grace = 0;
            if (i == 3) c.expire = 6 hours;
            if (i == 4) c.forcedEntries = 11;
            if (i == 5) c.tokensPerHour = 8191;
            if (i == 6) c.minDeposit = 0;
            if (i == 7) c.forcedEntries = 0;
            if (i == 8) c.entryTokens = 0;
            vm.expectRevert(Inbox.BadRollupConfig.selector);
            new Inbox(c, registry, vault, address(exits));
        }
    }

    // --- registry ----------------------------------------------------------------------------------------------

    function test_announce_wrong_reverts() public {
        bytes memory face = faceOf(11, 100, 0, new uint32[](64));
        ModelHeader memory header = headerOf(face);
        registry.announce(header, face);
        header.nodes = 0;
        vm.expectRevert(ModelRegistry.BadModel.selector);
        registry.announce(header, face);
        header.interfaceHash = 0;
        vm.expectRevert(ModelRegistry.WrongInterface.selector);
        registry.announce(header, face);
        badFace(faceOf(11, 100, 0, new uint32[](65)), ModelRegistry.BadModel.selector);
        badFace(faceOf(0, 100, 0, new uint32[](0)), ModelRegistry.BadModel.selector);
        badFace(faceOf(11, 100, 2, new uint32[](0)), ModelRegistry.BadModel.selector);
        badFace(abi.encodePacked(face, hex"00"), ModelRegistry.WrongInterface.selector);
        badFace(Trees.slice(face, 0, 84), ModelRegistry.WrongInterface.selector);
        // One token has one bit.
        face = faceOf(1, 100, 0, new uint32[](0));
        (,, uint8 bits,,) = registry.models(registry.announce(headerOf(face), face));
        assertEq(bits, 1);
    }

    function badFace(bytes memory face, bytes4 error) private {
        ModelHeader memory header = headerOf(face);
        vm.expectRevert(error);
        registry.announce(header, face);
    }

    function test_owner() public {
        bytes32 id = known[model].id;
        vm.expectRevert(ModelRegistry.NotOwner.selector);
        registry.schedule(id, 1, 1);
        vm.expectRevert(ModelRegistry.NotOwner.selector);
        registry.list(id, true);
        vm.expectRevert(ModelRegistry.NotOwner.selector);
        registry.describe(id, "", 0, 0);
        vm.expectRevert(ModelRegistry.BadRegistryConfig.selector);
        new ModelRegistry(address(0), 1, 1, 1);
        vm.startPrank(owner);
        registry.describe(id, "ipfs://", 0, 7);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.UnknownModel.selector, bytes32("x")));
        registry.schedule("x", 1, 1);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.UnknownModel.selector, bytes32("x")));
        registry.list("x", true);
    }

    function test_prices() public {
        bytes32 id = known[model].id;
        uint256 t = block.timestamp;
        vm.startPrank(owner);
        assertEq(registry.schedule(id, 30 gwei, 60 gwei), 1);
        assertEq(registry.versions(id), 2);
        assertEq(registry.termsAt(id, 0, t + 1 days - 1).priceIn, 20 gwei);
        assertEq(registry.termsAt(id, 1, t + 1 days).priceOut, 60 gwei);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotInForce.selector, id, 0));
        registry.termsAt(id, 0, t + 1 days);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotInForce.selector, id, 1));
        registry.termsAt(id, 1, t + 1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotInForce.selector, id, 2));
        registry.termsAt(id, 2, t);
        assertEq(registry.quote(id).priceIn, 20 gwei);
        vm.warp(t + 1 days);
        assertEq(registry.quote(id).priceIn, 30 gwei);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.PriceTooLow.selector, 10 gwei));
        registry.schedule(id, 10 gwei - 1, 60 gwei);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.PriceTooLow.selector, 10 gwei));
        registry.schedule(id, 60 gwei, 10 gwei - 1);
        // Off the list only after the delay; a price that was named meanwhile keeps it from coming back.
        registry.list(id, false);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.PriceTooLow.selector, 10 gwei));
        registry.schedule(id, 0, 0);
        vm.warp(t + 2 days - 1);
        registry.quote(id);
        vm.warp(t + 2 days);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotListed.selector, id));
        registry.quote(id);
        registry.schedule(id, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.PriceTooLow.selector, 10 gwei));
        registry.list(id, true);
        registry.schedule(id, 10 gwei, 10 gwei);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.PriceTooLow.selector, 10 gwei));
        registry.list(id, true);
        vm.warp(t + 3 days);
        registry.list(id, true);
        vm.warp(t + 4 days);
        assertEq(registry.quote(id).priceIn, 10 gwei);
    }

    function test_quote_unpriced_reverts() public {
        bytes memory face = faceOf(12, 100, 0, new uint32[](0));
        bytes32 id = registry.announce(headerOf(face), face);
        vm.prank(owner);
        registry.list(id, true);
        vm.warp(block.timestamp + 1 days);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotInForce.selector, id, 0));
        registry.quote(id);
    }
}
