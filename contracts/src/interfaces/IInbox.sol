// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupConfig} from "../RollupTypes.sol";

/// @title The inbox, as its readers see it
interface IInbox {
    /// @notice All parameters.
    function config() external view returns (RollupConfig memory);
    /// @notice EIP-712 domain separator of everything that is signed.
    function DOMAIN() external view returns (bytes32);
    /// @notice Number of entries.
    function count() external view returns (uint64);
    /// @notice The accumulator before entry `index`.
    function accumulator(uint64 index) external view returns (bytes32);
    /// @notice When entry `index` was made; 0 if it does not exist.
    function timeOf(uint64 index) external view returns (uint64);
    /// @notice Pays out what a confirmed step owes, into the vault. For the exits alone.
    function pay(address to, uint256 amount) external;
}
