// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepGameBase} from "./StepGame.t.sol";
import {Exits} from "src/Exits.sol";
import {Kind, StepGame} from "src/StepGame.sol";
import {Item} from "src/Types.sol";
import {Status} from "src/interfaces/IAssertions.sol";

/// @notice Adversaries with money: what they can buy, and what not.
contract AttacksTest is StepGameBase {
    address internal puppet = makeAddr("puppet");

    function setUp() public {
        start();
        vm.deal(puppet, 10_000 ether);
    }

    /// @dev A batch of the sequencer whose second step has a false root.
    function lie() internal returns (bytes32 id) {
        falseRoot = "lie";
        infer(ask(account, 0, model));
        return post();
    }

    function owned(address a, address b, address c) internal view returns (uint256) {
        return vault.balanceOf(a) + vault.balanceOf(b) + vault.balanceOf(c);
    }

    /// @notice A proposer's puppet asks first, at once, floods the assertion with questions of the highest gas price, and
    /// closes: half of the stake is gone all the same, and the honest challenger has its whole bond.
    function test_attack_puppetRejectsItsOwn() public {
        bytes32 id = lie();
        uint256 stake = game.leastStake();
        vm.txGasPrice(1000 gwei);
        vm.startPrank(puppet);
        bytes32 key = stepGame.challenge{value: BOND}(id, Kind.Ledger, 1, 0);
        bytes32[] memory keys = new bytes32[](60);
        for (uint32 i = 0; i < keys.length; ++i) {
            keys[i] = stepGame.challenge{value: BOND}(id, Kind.Shape, 1, i);
        }
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(StepGame.AlreadyAsked.selector, key));
        vm.prank(challenger);
        stepGame.challenge{value: BOND}(id, Kind.Ledger, 1, 0);
        Item memory item = postedOf[id].steps[1].item;
        uint256 bond = game.bondOf(item);
        vm.prank(challenger);
        bytes32 g = game.challenge{value: bond}(id, 0, 0, item, new bytes32[](0));
        uint256 spent = game.liveGas(id) * 1 gwei;

        vm.warp(block.timestamp + 4 days + 1);
        vm.prank(puppet);
        stepGame.timeout(key);
        for (uint256 i = 0; i < keys.length; ++i) {
            stepGame.claim(keys[i]);
        }
        game.claim(g);
        assertEq(uint8(statusOf(id)), uint8(Status.Rejected));
        assertGe(vault.burned(), stake / 2);
        uint256 theirs = owned(puppet, sequencer, defender);
        assertLe(theirs, (1 + keys.length) * BOND + stake - stake / 2, "a rejection costs half of a stake");
        assertGe(vault.balanceOf(challenger), bond, "a bond is whole");
        assertLe(vault.balanceOf(challenger), bond + spent);
        assertEq(
            owned(puppet, sequencer, challenger) + vault.burned() + vault.balanceOf(defender)
                + vault.balanceOf(address(game)) + vault.balanceOf(address(stepGame)),
            address(vault).balance
        );
    }

    /// @notice One signed withdrawal, in an assertion that becomes void and in the one that takes its place: paid once.
    function test_attack_withdrawalInTwoHistories() public {
        bytes32 wrong = lie();
        uint64 until = uint64(block.timestamp + 30 days);
        begin();
        withdraw(account, 7, 0.25 ether, alice, until, keyOf[alice]);
        bytes32 void_ = post();
        bytes memory theOrder = postedOf[void_].steps[0].parts.data;
        vm.prank(puppet);
        bytes32 key = stepGame.challenge{value: BOND}(wrong, Kind.Ledger, 1, 0);
        vm.warp(block.timestamp + 4 days + 1);
        stepGame.timeout(key);

        begin();
        take(none());
        withdraw(account, 7, 0.25 ether, alice, until, keyOf[alice]);
        bytes32 id = post();
        assertEq(theOrder, postedOf[id].steps[1].parts.data, "the very same order");
        confirm(id);
        bytes32[] memory path = pathOf(void_, 0);
        vm.expectRevert(abi.encodeWithSelector(Exits.NotConfirmed.selector, void_));
        exits.withdrawal(void_, 0, partsOf(void_, 0), path);
        path = pathOf(id, 1);
        exits.withdrawal(id, 1, partsOf(id, 1), path);
        assertEq(vault.balanceOf(alice), 0.25 ether);
        vm.expectRevert(Exits.AlreadyClaimed.selector);
        exits.withdrawal(id, 1, partsOf(id, 1), path);
    }

    /// @notice Whoever pays bonds to question all that is right delays nobody who answers, and pays for the answers.
    function test_attack_questionsAboutWhatIsRight() public {
        infer(ask(account, 0, model));
        bytes32 id = post();
        uint256 end = block.timestamp + 7 days;
        vm.warp(end - 1);
        uint256 length = postedOf[id].steps[1].item.outputLength;
        for (uint256 i = 0; i < length; ++i) {
            ask_(id, Kind.Shape, 1, i);
            answer(id, Kind.Shape, 1, i, defender);
        }
        ask_(id, Kind.Ledger, 1, 0);
        answer(id, Kind.Ledger, 1, 0, stranger);
        vm.warp(end);
        assertions.confirm(id);
        assertEq(vault.balanceOf(challenger), 0);
        uint256 stake = game.leastStake();
        uint256 earned = owned(sequencer, defender, stranger) - stake;
        assertEq(earned + vault.burned(), (length + 1) * BOND);
    }
}
