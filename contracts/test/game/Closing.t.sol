// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "../support/GameTest.sol";
import {StandInAssertions} from "src/StandInAssertions.sol";
import {Closing} from "src/game/Closing.sol";
import {GameBase} from "src/game/GameBase.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Turn} from "src/libraries/Clock.sol";
import {Phase, Tally} from "src/libraries/Games.sol";

/// @notice Who gets what, to the wei.
contract ClosingTest is GameTest {
    Posted internal p;
    bytes32 internal id;
    uint256 internal bond;
    uint256 internal stake;

    /// @notice A sum that is off.
    function setUp() public {
        deploy(70, 300, 1);
        p = postTrace("seed", 2, 3, 5, 0);
        bond = game.bondOf(p.item);
        stake = game.leastStake();
        id = challengeAs(p, challenger, 0);
    }

    function test_timeout_early_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Closing.NothingToClose.selector, Turn.Proposer));
        game.timeout(id);
        vm.warp(block.timestamp + 4 days);
        vm.expectRevert(abi.encodeWithSelector(Closing.NothingToClose.selector, Turn.Proposer));
        game.timeout(id);
        answer(p, id, defender);
        vm.expectRevert(abi.encodeWithSelector(Closing.NothingToClose.selector, Turn.Challenger));
        game.timeout(id);
        vm.expectRevert(abi.encodeWithSelector(GameBase.UnknownGame.selector, bytes32("x")));
        game.timeout("x");
        vm.expectRevert(abi.encodeWithSelector(GameBase.UnknownGame.selector, bytes32("x")));
        game.claim("x");
        vm.expectRevert(abi.encodeWithSelector(Closing.NotRejected.selector, p.id));
        game.claim(id);
    }

    /// @notice The bond of an idle challenger: a quarter burned, fee, gas of the defender key, the rest the proposer's.
    function test_timeout_challengerLate_splitsBond() public {
        answer(p, id, defender);
        uint256 gas = uint256(game.gameOf(id).cursor.answered) * 1 gwei;
        assertGt(gas, 0);
        vm.warp(block.timestamp + 7 days + 1);
        vm.prank(stranger);
        game.timeout(id);
        assertEq(vault.burned(), bond / 4);
        assertEq(vault.balanceOf(stranger), 0.05 ether);
        assertEq(vault.balanceOf(defender), gas);
        assertEq(vault.balanceOf(proposer), bond - bond / 4 - 0.05 ether - gas);
        assertEq(vault.balanceOf(address(game)), 0);
        assertEq(game.openGames(p.id), 0);
        game.timeout(id);
        assertions.confirm(p.id);
    }

    /// @notice Nothing is paid to a key that was revoked: a thief may hold it.
    function test_timeout_revokedKey_paysProposer() public {
        answer(p, id, defender);
        vm.prank(proposer);
        assertions.revokeDefender(p.id);
        vm.warp(block.timestamp + 7 days + 1);
        vm.prank(stranger);
        game.timeout(id);
        assertEq(vault.balanceOf(defender), 0);
        assertEq(vault.balanceOf(proposer), bond - bond / 4 - 0.05 ether);
    }

    /// @notice Half of the stake burned, fee, bounty and gas in full, every other live game its bond and gas, rest burned.
    function test_timeout_proposerLate_splitsStake() public {
        bytes32 second = challengeAs(p, stranger, 0);
        bytes32 third = challengeAs(p, stranger, 1);
        answer(p, id, defender);
        ask(p, id, challenger);
        ask(p, second, stranger);
        uint256 own = uint256(game.gameOf(id).cursor.metered) * 1 gwei;
        uint256 seconds_ = uint256(game.gameOf(second).cursor.metered) * 1 gwei;
        uint256 thirds = uint256(game.gameOf(third).cursor.metered) * 1 gwei;
        assertEq(uint256(game.tallyOf(p.id).live) * 1 gwei, own + seconds_ + thirds);
        vm.warp(block.timestamp + 4 days + 1);
        vm.prank(defender);
        game.timeout(id);
        assertEq(vault.balanceOf(defender), 0.05 ether);
        assertEq(vault.balanceOf(challenger), bond + 2 ether + own);
        uint256 rest = stake - stake / 2 - 0.05 ether - 2 ether - own - seconds_ - thirds;
        assertEq(vault.burned(), stake / 2 + rest);
        game.claim(second);
        assertEq(vault.balanceOf(stranger), bond + seconds_);
        game.claim(second);
        game.claim(third);
        assertEq(vault.balanceOf(stranger), 2 * bond + seconds_ + thirds);
        assertEq(vault.balanceOf(address(game)), 0);
        vm.expectRevert(abi.encodeWithSelector(StandInAssertions.NotPending.selector, p.id));
        assertions.confirm(p.id);
    }

    /// @notice More gas than the pool: everybody gets their part, no wei is paid that is not there.
    function test_claim_proRata() public {
        vm.txGasPrice(100 gwei);
        vm.fee(98 gwei);
        bytes32[] memory ids = new bytes32[](20);
        for (uint256 i = 0; i < 20; ++i) {
            ids[i] = challengeAs(p, stranger, uint64(i));
        }
        // Every game meters the most: 0.2 ether, of which the stake holds two in all.
        vm.warp(block.timestamp + 1);
        for (uint256 i = 0; i < 20; ++i) {
            meterTo(ids[i], 0.2 ether / 1 gwei);
        }
        setLive(20 * 0.2 ether / 1 gwei + game.gameOf(id).cursor.metered);
        vm.warp(block.timestamp + 4 days);
        game.timeout(id);
        Tally memory account = game.tallyOf(p.id);
        assertLt(account.pool, uint256(account.live) * 1 gwei);
        for (uint256 i = 0; i < 20; ++i) {
            uint256 had = vault.balanceOf(stranger);
            game.claim(ids[i]);
            assertEq(vault.balanceOf(stranger) - had, bond + account.pool / 20);
        }
        assertLt(vault.balanceOf(address(game)), 20);
    }

    /// @dev Writes a meter: the first 216 bits of slot 2 of a game are not it.
    function meterTo(bytes32 g, uint256 gwei_) internal {
        bytes32 slot = bytes32(uint256(keccak256(abi.encode(g, uint256(0)))) + 2);
        uint256 word = uint256(vm.load(address(game), slot));
        uint256 at = 176;
        word = (word & ~(uint256(type(uint40).max) << at)) | (gwei_ << at);
        vm.store(address(game), slot, bytes32(word));
        assertEq(game.gameOf(g).cursor.metered, gwei_);
    }

    function setLive(uint256 gwei_) internal {
        bytes32 slot = keccak256(abi.encode(p.id, uint256(2)));
        uint256 word = uint256(vm.load(address(game), slot));
        word = (word & ~(uint256(type(uint64).max) << 40)) | (gwei_ << 40);
        vm.store(address(game), slot, bytes32(word));
        assertEq(game.tallyOf(p.id).live, gwei_);
    }
}
