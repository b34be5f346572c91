// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived} from "../RollupTypes.sol";
import {IAssertions} from "./IAssertions.sol";

/// @title The chain of assertions, as its sources and readers see it
interface IChain is IAssertions {
    /// @notice Appends what a source derived from posted data. For the sources alone; the sent money is the stake.
    /// @param parent The head.
    /// @param proposer Who posted.
    /// @param defender Who may answer besides the proposer.
    /// @param derived What the data say.
    function append(bytes32 parent, address proposer, address defender, Derived calldata derived)
        external
        payable
        returns (bytes32 assertion);

    /// @notice The head: what a batch is built on.
    /// @return assertion Its id.
    /// @return stateRoot State root after it.
    /// @return cursor Entries that were taken up to it.
    function tip() external view returns (bytes32 assertion, bytes32 stateRoot, uint64 cursor);

    /// @notice What posting derived for an assertion; all 0 for the genesis but its state root.
    function derivedOf(bytes32 assertion) external view returns (Derived memory);

    /// @notice Time of posting, 0 if there is no such assertion, and height.
    function placeOf(bytes32 assertion) external view returns (uint40 postedAt, uint40 height);

    /// @notice The id at a height; what is above the head is void.
    function chain(uint256 height) external view returns (bytes32);

    /// @notice The next number of a proposer's signed steps in an epoch.
    function nextNumber(address proposer, uint32 epoch) external view returns (uint64);
}
