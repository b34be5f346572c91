// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashing} from "./Hashing.sol";
import {Tree} from "./Tree.sol";

/// One account, as its leaf has it.
struct Account {
    uint32 index;
    address owner;
    uint128 balance;
    uint64 next;
    uint256 used;
    uint64 delegationNonce;
    bytes32 delegation;
    uint128 spent;
}

/// What a state root is the hash of.
struct LedgerState {
    bytes32 accountsRoot;
    uint32 accounts;
    uint128 fees;
}

/// @title The ledger's state
/// @notice Section 5 of docs/rollup.md: leaves, the tree of depth 32 whose parent of two pads is pad, nonces.
library Accounts {
    /// @notice Depth of the accounts' tree.
    uint256 internal constant DEPTH = 32;

    /// @notice The nonce is used, too old, or too far ahead.
    error BadNonce(uint256 nonce);

    /// @notice The state's root.
    function stateRoot(LedgerState memory s) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("rf.state", s.accountsRoot, s.accounts, s.fees));
    }

    /// @notice An account's leaf: 136 bytes after the tag.
    function leafOf(Account memory a) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked("rf.acct_", a.index, a.owner, a.balance, a.next, a.used);
        return keccak256(abi.encodePacked(head, a.delegationNonce, a.delegation, a.spent));
    }

    /// @notice Root of the tree of `count` accounts that has this leaf.
    function rootOf(bytes32 leaf, uint256 index, uint256 count, bytes32[] calldata siblings)
        internal
        pure
        returns (bytes32)
    {
        return Tree.climb(leaf, index, count, DEPTH, siblings);
    }

    /// @notice Root of the tree of `count` accounts, from the siblings of the leaf that comes next.
    /// @dev The climb from pad, the parent of two pads being pad: the last of `count` + 1 leaves has siblings in range on
    /// its left alone, one for each bit of its index.
    function rootBefore(uint256 count, bytes32[] calldata siblings) internal pure returns (bytes32 node) {
        node = Hashing.PAD;
        uint256 taken;
        for (uint256 level = 0; level < DEPTH; ++level) {
            if ((count >> level) & 1 == 1) {
                // INVARIANT: a sibling in range is sent.
                if (taken == siblings.length) revert Tree.WrongCount(siblings.length, taken + 1);
                node = Hashing.nodeHash(siblings[taken++], node);
            } else if (node != Hashing.PAD) {
                node = Hashing.nodeHash(node, Hashing.PAD);
            }
        }
        // INVARIANT: nothing else is sent.
        if (taken != siblings.length) revert Tree.WrongCount(siblings.length, taken);
    }

    /// @notice Uses a nonce: each once, in any order within a window of 256 below the next.
    function use(Account memory a, uint64 nonce) internal pure {
        if (nonce >= a.next) {
            // Of 64 bits each, so the sum is below 2^65.
            uint256 gap = uint256(nonce) - a.next + 1;
            // INVARIANT: nobody uses the nonces up.
            if (gap > 1 << 32 || nonce == type(uint64).max) revert BadNonce(nonce);
            a.used = (gap >= 256 ? 0 : a.used << gap) | 1;
            a.next = nonce + 1;
            return;
        }
        uint256 place = uint256(a.next) - 1 - nonce;
        // INVARIANT: no nonce is used twice, and what the window has forgotten counts as used.
        if (place >= 256 || (a.used >> place) & 1 == 1) revert BadNonce(nonce);
        a.used |= uint256(1) << place;
    }
}
