// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Derived} from "src/RollupTypes.sol";
import {Status} from "src/interfaces/IAssertions.sol";

/// @notice Whole ways through the rollup, with an honest proposer.
contract HappyTest is RollupTest {
    address internal alice;
    uint32 internal account;
    uint256 internal model;

    function setUp() public {
        deploy();
        uint32[] memory stops = new uint32[](1);
        stops[0] = 6;
        model = announce(11, 1000, 0, stops);
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
        begin();
        take(none());
    }

    /// @notice Deposit, request, batch, confirmation, fees.
    function test_happy() public {
        infer(ask(account, 0, model));
        bytes32 id = post();
        Derived memory d = derived(id);
        assertEq(d.stateRoot, bookRoot());
        assertEq(d.stepsRoot, Trees.root(stepLeaves(id)));
        assertEq(d.itemsRoot, Trees.root(itemHashes(id)));
        assertEq(d.cursor, 1);
        confirm(id);
        assertEq(uint8(statusOf(id)), uint8(Status.Confirmed));
        for (uint256 i = 0; i < 2; ++i) {
            ledger.prove(partsOf(id, i), d.time, postedOf[id].steps[i].witness);
        }
    }
}
