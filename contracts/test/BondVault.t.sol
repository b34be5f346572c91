// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {BondVault} from "src/BondVault.sol";

/// @notice Refuses money, or asks for it again while it comes.
contract Receiver {
    BondVault internal immutable VAULT;
    bool internal immutable AGAIN;

    constructor(BondVault vault, bool again) {
        (VAULT, AGAIN) = (vault, again);
    }

    function take(uint256 amount) external {
        VAULT.withdraw(amount, payable(this));
    }

    receive() external payable {
        require(AGAIN, "no");
        VAULT.withdraw(msg.value, payable(this));
    }
}

contract BondVaultTest is Test {
    BondVault internal vault = new BondVault();

    function test_withdraw_paysOnce() public {
        vault.deposit{value: 3 ether}(address(this));
        vault.withdraw(1 ether, payable(address(1)));
        assertEq(address(1).balance, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(BondVault.BalanceTooSmall.selector, 2 ether, 3 ether));
        vault.withdraw(3 ether, payable(address(1)));
    }

    function test_transfer_moreThanOwn_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(BondVault.BalanceTooSmall.selector, 0, 1));
        vault.pay(address(1), 1);
        vm.expectRevert(abi.encodeWithSelector(BondVault.BalanceTooSmall.selector, 0, 1));
        vault.burn(1);
    }

    function test_withdraw_refusedOrAgain_reverts() public {
        for (uint256 i = 0; i < 2; ++i) {
            Receiver receiver = new Receiver(vault, i == 1);
            vault.deposit{value: 1 ether}(address(receiver));
            vm.expectRevert(abi.encodeWithSelector(BondVault.ReceiverRefused.selector, address(receiver)));
            receiver.take(1 ether);
            assertEq(vault.balanceOf(address(receiver)), 1 ether);
        }
    }

    /// @notice Whatever is done, balances and burned money sum up to what is held.
    function testFuzz_sums(uint96 a, uint96 b, uint96 c) public {
        vm.deal(address(this), 3 * uint256(type(uint96).max));
        vault.deposit{value: uint256(a) + b + c}(address(this));
        vault.pay(address(1), a);
        vault.burn(b);
        assertEq(
            vault.balanceOf(address(this)) + vault.balanceOf(address(1)) + vault.burned(),
            address(vault).balance
        );
        vault.pay(address(this), c);
        assertEq(vault.balanceOf(address(this)), c);
    }
}
