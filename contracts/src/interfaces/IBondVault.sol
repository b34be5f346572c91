// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title A ledger of who may take how much
interface IBondVault {
    /// @notice Adds what is sent to somebody's balance.
    function deposit(address to) external payable;
    /// @notice Moves part of the caller's balance to somebody else's.
    function pay(address to, uint256 amount) external;
    /// @notice Takes part of the caller's balance out of circulation for ever.
    function burn(uint256 amount) external;
    /// @notice Pays part of the caller's balance out.
    function withdraw(uint256 amount, address payable to) external;
    /// @notice What an account may withdraw.
    function balanceOf(address account) external view returns (uint256);
}
