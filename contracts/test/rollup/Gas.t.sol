// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {console} from "forge-std/console.sol";

/// @notice What posting costs.
contract BatchGasTest is RollupTest {
    uint256 internal constant ITEMS = 100;

    /// @notice 100 requests of 300 tokens with outputs of 100, 16 bits a token: below the floor of the calldata, so that
    /// execution is free.
    /// forge-config: default.isolate = true
    function test_gas_batch() public {
        deploy();
        // The vocabulary of the small model that the documentation measures with.
        uint256 model = announce(49_152, 2048, 0, new uint32[](1));
        vm.warp(block.timestamp + 1 days);
        address alice = newOwner("alice");
        uint32 account = deposit(alice, 10 ether);
        begin();
        take(none());
        post();
        begin();
        for (uint256 i = 0; i < ITEMS; ++i) {
            // In a call of its own, whose memory is freed.
            this.inferOne(account, i, model);
        }
        bytes memory data = dataOf(sequencer);
        bytes memory call = abi.encodeCall(batches.post, (assertions.chain(1), defender, data));
        uint256 zeros;
        for (uint256 i = 0; i < call.length; ++i) {
            if (call[i] == 0) ++zeros;
        }
        uint256 floor = 21_000 + 40 * (call.length - zeros) + 10 * zeros;
        uint256 stake = game.leastStake();
        bytes32 parent = assertions.chain(1);
        batches.derive(parent, data);
        uint256 execution = vm.lastCallGas().gasTotalUsed;
        vm.prank(sequencer, sequencer);
        batches.post{value: stake}(parent, defender, data);
        uint256 charged = vm.lastCallGas().gasTotalUsed;
        console.log("bytes an item", data.length / ITEMS);
        console.log("gas an item, floor of the calldata", floor / ITEMS);
        console.log("gas an item, charged", charged / ITEMS);
        console.log("gas an item, deriving", execution / ITEMS);
        assertEq(charged, floor);
        assertLe(charged, 37_000 * ITEMS);
    }

    function inferOne(uint32 account, uint256 i, uint256 model) external {
        Ask memory q = ask(account, uint64(i), model);
        (q.prompt, q.output, q.maxTokens) = (tokens(i, 300), tokens(i + 1000, 100), 100);
        infer(q);
    }

    /// @dev Tokens as random as a text's are: below the vocabulary, few zero bytes.
    function tokens(uint256 seed, uint256 count) private pure returns (uint256[] memory out) {
        out = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            out[i] = uint256(keccak256(abi.encode(seed, i))) % 49_152;
        }
    }
}
