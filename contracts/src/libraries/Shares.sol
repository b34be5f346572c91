// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// How a lost bond is shared, in wei.
struct BondShares {
    uint256 burned;
    uint256 closer;
    uint256 defender;
    uint256 proposer;
}

/// How a lost stake is shared, in wei.
struct StakeShares {
    uint256 burned;
    uint256 closer;
    uint256 winner;
    uint256 pool;
}

/// @title How lost money is shared
/// @notice Section 5.3 of docs/protocol.md. The shares of what is lost always sum up to it, whatever it is: what would
/// not fit is cut, in order, so no share can make a game impossible to close.
library Shares {
    /// @notice The bond of a challenger who lost.
    /// @param bond What was locked.
    /// @param fee The closer's.
    /// @param answered What the defender key's answers cost.
    function ofBond(uint256 bond, uint256 fee, uint256 answered) internal pure returns (BondShares memory s) {
        s.burned = bond / 4;
        uint256 rest = bond - s.burned;
        (s.closer, rest) = take(fee, rest);
        (s.defender, s.proposer) = take(answered, rest);
    }

    /// @notice The stake of a rejected assertion.
    /// @param stake What was locked.
    /// @param fee The closer's.
    /// @param due Bounty and metered gas of the game that rejected.
    /// @param live Metered gas of all other live games.
    function ofStake(uint256 stake, uint256 fee, uint256 due, uint256 live)
        internal
        pure
        returns (StakeShares memory s)
    {
        s.burned = stake / 2;
        uint256 rest = stake - s.burned;
        (s.closer, rest) = take(fee, rest);
        (s.winner, rest) = take(due, rest);
        (s.pool, rest) = take(live, rest);
        s.burned += rest;
    }

    /// @notice What a live game gets of a rejection's pool for its metered gas.
    /// @dev Rounded down, so all that is paid is at most the pool.
    function ofPool(uint256 pool, uint256 metered, uint256 live) internal pure returns (uint256) {
        return metered == 0 ? 0 : pool * metered / live;
    }

    /// @dev As much of `due` as there is.
    function take(uint256 due, uint256 rest) private pure returns (uint256, uint256) {
        return due < rest ? (due, rest - due) : (rest, 0);
    }
}
