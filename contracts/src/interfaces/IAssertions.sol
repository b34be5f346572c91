// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Where an assertion stands.
enum Status {
    /// There is no such assertion.
    None,
    /// It can be challenged, or waits for its games.
    Pending,
    /// Nobody refuted it in time: final.
    Confirmed,
    /// A game refuted it.
    Rejected,
    /// It was built on one that was rejected: it lost its place for ever, and nobody judges it.
    Void
}

/// @title What a game must know of assertions
interface IAssertions {
    /// @notice An assertion's state and snapshot.
    /// @return status Where it stands.
    /// @return postedAt Time of posting.
    /// @return items How many items it has.
    /// @return itemsRoot Root of the tree over the hashes of their headers.
    function assertionOf(bytes32 assertion)
        external
        view
        returns (Status status, uint40 postedAt, uint32 items, bytes32 itemsRoot);

    /// @notice Who staked on an assertion.
    function proposerOf(bytes32 assertion) external view returns (address);

    /// @notice Is this the assertion's defender key, and not revoked.
    function isDefender(bytes32 assertion, address account) external view returns (bool);

    /// @notice The defender key that answers are paid to; the proposer if there is none or it is revoked.
    function defenderOf(bytes32 assertion) external view returns (address);

    /// @notice The other of the two games; none if there is one alone.
    function twinOf(address game) external view returns (address);

    /// @notice Rejects a pending assertion and gives its stake to the game, in the vault. For its games alone.
    /// @return stake What was given.
    function reject(bytes32 assertion) external returns (uint256 stake);
}
