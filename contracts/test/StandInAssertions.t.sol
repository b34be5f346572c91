// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "./support/GameTest.sol";
import {PostedItem, StandInAssertions} from "src/StandInAssertions.sol";
import {ModelHeader} from "src/Types.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice Posting, confirming, rejecting: what is refused and why.
contract StandInAssertionsTest is GameTest {
    PostedItem[] internal items;

    function setUp() public {
        deploy(8, 10, 10);
        items.push();
        PostedItem storage item = items[0];
        (item.modelId, item.promptLength, item.outputLength) = (modelId(), 3, 2);
        (item.prompt, item.output, item.topP) = (hex"1230", hex"45", 65_536);
    }

    function post(uint256 stake) internal returns (bytes32) {
        vm.prank(proposer, proposer);
        return assertions.post{value: stake}(PARENT, defender, items);
    }

    function refused(bytes memory error) internal {
        uint256 stake = game.leastStake();
        vm.expectRevert(error);
        vm.prank(proposer, proposer);
        assertions.post{value: stake}(PARENT, defender, items);
    }

    function test_announce_wrong_reverts() public {
        bytes memory encoded = interfaceEncoding();
        ModelHeader memory other = model;
        other.interfaceHash = 0;
        vm.expectRevert(StandInAssertions.WrongInterface.selector);
        assertions.announce(other, encoded);
        other = model;
        other.nodes = 0;
        vm.expectRevert(StandInAssertions.BadModel.selector);
        assertions.announce(other, encoded);
        encoded[8] = 0x02;
        other = model;
        other.interfaceHash = keccak256(abi.encodePacked("rf.iface", encoded));
        vm.expectRevert(StandInAssertions.BadModel.selector);
        assertions.announce(other, encoded);
    }

    function test_post_wrong_reverts() public {
        uint256 stake = game.leastStake();
        vm.expectRevert(abi.encodeWithSelector(StandInAssertions.WrongStake.selector, stake));
        assertions.post{value: stake - 1}(PARENT, defender, items);
        items[0].prompt = hex"1231";
        refused(abi.encodeWithSelector(StandInAssertions.LooseBits.selector));
        items[0].prompt = hex"123000";
        refused(abi.encodeWithSelector(StandInAssertions.WrongDataLength.selector, 3, 2));
        items[0].prompt = hex"1230";
        items[0].outputLength = 0;
        refused(abi.encodeWithSelector(StandInAssertions.BadLength.selector, 0));
        items[0].outputLength = type(uint32).max;
        refused(abi.encodeWithSelector(StandInAssertions.BadLength.selector, 0));
        items[0].outputLength = 2;
        refusedSampling(655, 65_536, 0);
        refusedSampling(6_553_601, 65_536, 0);
        refusedSampling(656, 0, 0);
        refusedSampling(0, 0, 0);
        refusedSampling(656, 65_537, 0);
        refusedSampling(656, 65_536, 65_537);
        items[0].modelId = "x";
        refused(abi.encodeWithSelector(StandInAssertions.UnknownModel.selector, bytes32("x")));
        delete items;
        refused(abi.encodeWithSelector(StandInAssertions.NoItems.selector));
    }

    function refusedSampling(uint32 temperature, uint32 topP, uint32 minP) private {
        (items[0].temperature, items[0].topP, items[0].minP) = (temperature, topP, minP);
        refused(abi.encodeWithSelector(StandInAssertions.BadSampling.selector, 0));
        (items[0].temperature, items[0].topP, items[0].minP) = (0, 65_536, 0);
    }

    /// @notice Of eleven tokens of four bits the prompt may hold each, and no other.
    function test_post_tokenOutside_reverts() public {
        bytes memory encoded = interfaceEncoding();
        encoded[3] = 0x0b;
        ModelHeader memory other = model;
        other.interfaceHash = keccak256(abi.encodePacked("rf.iface", encoded));
        items[0].modelId = assertions.announce(other, encoded);
        items[0].prompt = hex"1a30";
        post(game.leastStake());
        items[0].prompt = hex"1b30";
        refused(abi.encodeWithSelector(StandInAssertions.BadToken.selector, 0, 11));
        items[0].prompt = hex"12f0";
        refused(abi.encodeWithSelector(StandInAssertions.BadToken.selector, 0, 15));
    }

    function test_post_twice_reverts() public {
        bytes32 id = post(game.leastStake());
        refused(abi.encodeWithSelector(StandInAssertions.AlreadyPosted.selector, id));
        vm.warp(block.timestamp + 1);
        assertNotEq(post(game.leastStake()), id);
    }

    /// @notice Data that are not a plain account's calldata are logged: from a contract, or an account with code.
    function test_post_logsData() public {
        uint256 stake = game.leastStake();
        vm.recordLogs();
        post(stake);
        uint256 plain = vm.getRecordedLogs().length;
        vm.warp(block.timestamp + 1);
        vm.prank(proposer);
        assertions.post{value: stake}(PARENT, defender, items);
        assertEq(vm.getRecordedLogs().length, plain + 1);
        vm.warp(block.timestamp + 1);
        vm.etch(proposer, hex"ef01000000000000000000000000000000000000000000");
        post(stake);
        assertEq(vm.getRecordedLogs().length, plain + 1);
    }

    function test_confirm() public {
        bytes32 id = post(game.leastStake());
        uint256 end = block.timestamp + 7 days;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(StandInAssertions.TooEarly.selector, end));
        assertions.confirm(id);
        vm.warp(end);
        assertions.confirm(id);
        assertEq(vault.balanceOf(proposer), game.leastStake());
        (Status status,,,) = assertions.assertionOf(id);
        assertEq(uint8(status), uint8(Status.Confirmed));
        vm.expectRevert(abi.encodeWithSelector(StandInAssertions.NotPending.selector, id));
        assertions.confirm(id);
    }

    function test_confirm_openGame_reverts() public {
        Posted memory p = postTrace("seed", 0, 0, 0, 0);
        challengeAs(p, challenger, 0);
        vm.warp(block.timestamp + 7 days);
        vm.expectRevert(abi.encodeWithSelector(StandInAssertions.GamesOpen.selector, 1));
        assertions.confirm(p.id);
    }

    function test_reject_byStranger_reverts() public {
        bytes32 id = post(game.leastStake());
        vm.expectRevert(StandInAssertions.NotGame.selector);
        assertions.reject(id);
        vm.expectRevert(StandInAssertions.NotProposer.selector);
        assertions.revokeDefender(id);
    }
}
