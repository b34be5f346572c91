// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title What assertions must know of the game
interface IDisputeGame {
    /// @notice How long an assertion can be challenged.
    function window() external view returns (uint256);
    /// @notice The least stake of an assertion.
    function leastStake() external view returns (uint256);
    /// @notice Games of an assertion that are not over.
    function openGames(bytes32 assertion) external view returns (uint256);
}

/// @title What the two games of an assertion must know of each other
interface ITwin {
    /// @notice Metered gas of an assertion's games that are not over, in gwei.
    function liveGas(bytes32 assertion) external view returns (uint256);
    /// @notice Marks an assertion that the other game rejected, whose pool for the games here it has paid. For it alone.
    function settle(bytes32 assertion, uint256 pool) external;
}
