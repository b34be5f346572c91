// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IBondVault} from "./interfaces/IBondVault.sol";

/// @title Holds every stake and every bond; pays only when asked
/// @notice Payments are pulled, so nobody can block a game by refusing money. Whoever holds money here, contracts too,
/// holds a balance; a transfer only moves a balance, so the sum of all balances and of what was burned never exceeds
/// what the vault holds.
/// @dev Burned money stays here for ever and is counted in `burned`: sending it to an address that nobody has would be
/// an external call more, and no more final.
contract BondVault is IBondVault {
    /// @inheritdoc IBondVault
    mapping(address account => uint256) public balanceOf;
    /// @notice What was taken out of circulation.
    uint256 public burned;

    /// @notice Money came in.
    event Deposited(address indexed from, address indexed to, uint256 amount);
    /// @notice A balance moved.
    event Paid(address indexed from, address indexed to, uint256 amount);
    /// @notice Money went out of circulation.
    event Burned(address indexed from, uint256 amount);
    /// @notice Money was paid out.
    event Withdrawn(address indexed from, address indexed to, uint256 amount);

    /// @notice The balance is less than that.
    error BalanceTooSmall(uint256 balance, uint256 amount);
    /// @notice The receiver refuses money: name another one.
    error ReceiverRefused(address to);

    /// @inheritdoc IBondVault
    function deposit(address to) external payable {
        balanceOf[to] += msg.value;
        emit Deposited(msg.sender, to, msg.value);
    }

    /// @inheritdoc IBondVault
    function pay(address to, uint256 amount) external {
        take(amount);
        balanceOf[to] += amount;
        emit Paid(msg.sender, to, amount);
    }

    /// @inheritdoc IBondVault
    function burn(uint256 amount) external {
        take(amount);
        burned += amount;
        emit Burned(msg.sender, amount);
    }

    /// @inheritdoc IBondVault
    // slither-disable-next-line missing-zero-check
    function withdraw(uint256 amount, address payable to) external {
        // Before the call, so that a receiver who calls back finds the balance reduced.
        take(amount);
        emit Withdrawn(msg.sender, to, amount);
        // Whoever has a balance says where it goes.
        // slither-disable-next-line arbitrary-send-eth,low-level-calls,missing-zero-check
        (bool paid,) = to.call{value: amount}("");
        // INVARIANT: a balance goes down only by what was paid.
        if (!paid) revert ReceiverRefused(to);
    }

    /// @dev Takes from the caller's balance.
    function take(uint256 amount) private {
        uint256 balance = balanceOf[msg.sender];
        // INVARIANT: nobody spends what is not theirs.
        if (amount > balance) revert BalanceTooSmall(balance, amount);
        unchecked {
            balanceOf[msg.sender] = balance - amount;
        }
    }
}
