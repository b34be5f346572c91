// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {LedgerVerifier} from "src/LedgerVerifier.sol";
import {StepParts} from "src/RollupTypes.sol";
import {Account as Row, Accounts} from "src/libraries/Accounts.sol";
import {Steps} from "src/libraries/Steps.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice Every reason why a step is invalid, and what every valid one does.
contract LedgerTest is RollupTest {
    address internal alice;
    address internal bob;
    address internal key;
    uint256 internal model;

    function setUp() public {
        deploy();
        model = announce(11, 1000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        (alice, bob, key) = (newOwner("alice"), newOwner("bob"), newOwner("key"));
        deposit(alice, 1 ether);
        deposit(bob, 2 ether);
        begin();
        take(none());
        take(none());
    }

    function last() internal view returns (Made memory) {
        return making[making.length - 1];
    }

    function proven() internal view {
        Made memory m = last();
        ledger.prove(m.parts, time, m.witness);
    }

    function invalid(bytes memory error) internal {
        Made memory m = last();
        vm.expectRevert(error);
        ledger.prove(m.parts, time, m.witness);
    }

    function invalid(Ask memory q, bytes memory error) internal {
        uint256 snapshot = vm.snapshotState();
        unchanged = true;
        infer(q);
        invalid(error);
        vm.revertToState(snapshot);
    }

    // --- entries -----------------------------------------------------------------------------------------------

    function test_deposit() public {
        for (uint256 i = 0; i < 2; ++i) {
            ledger.prove(making[i].parts, time, making[i].witness);
        }
        for (uint256 i = 0; i < 9; ++i) {
            deposit(newOwner(vm.toString(i)), 1 ether);
            take(none());
            proven();
            deposit(alice, 1 ether);
            take(none());
            proven();
        }
        assertEq(book.accounts.length, 11);
        assertEq(book.accounts[0].balance, 10 ether);
    }

    /// @notice Deposits that the inbox never made.
    function test_deposit_wrong_reverts() public {
        Made memory m = making[1];
        bytes memory data = m.parts.data;
        data[12] = 0x02;
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.NoAccount.selector, 2));
        ledger.prove(m.parts, time, m.witness);
        data[12] = 0x00;
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, 1, 0));
        ledger.prove(m.parts, time, m.witness);
        data[12] = 0x01;
        m.witness[52] = 0x01;
        vm.expectRevert(LedgerVerifier.WrongAccount.selector);
        ledger.prove(m.parts, time, m.witness);
        m.witness[52] = 0x00;
        m.witness[0] = bytes1(uint8(m.witness[0]) ^ 1);
        vm.expectRevert(LedgerVerifier.WrongState.selector);
        ledger.prove(m.parts, time, m.witness);
        // To an account of somebody else.
        deposit(alice, 1 ether);
        take(none());
        m = last();
        data = m.parts.data;
        data[13] = bytes1(uint8(data[13]) ^ 1);
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.WrongOwner.selector, alice));
        ledger.prove(m.parts, time, m.witness);
        // Another sum.
        data[13] = bytes1(uint8(data[13]) ^ 1);
        data[48] = bytes1(uint8(data[48]) ^ 1);
        vm.expectPartialRevert(LedgerVerifier.NotProven.selector);
        ledger.prove(m.parts, time, m.witness);
    }

    function test_witness_length_reverts() public {
        Made memory m = last();
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.WrongWitnessLength.selector, 51));
        ledger.prove(m.parts, time, Trees.slice(m.witness, 0, 51));
        uint256 length = m.witness.length;
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.WrongWitnessLength.selector, length - 1));
        ledger.prove(m.parts, time, Trees.slice(m.witness, 0, length - 1));
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, 0, 1));
        ledger.prove(m.parts, time, Trees.slice(m.witness, 0, length - 32));
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, 2, 1));
        ledger.prove(m.parts, time, abi.encodePacked(m.witness, bytes32(0)));
        m.parts.data = "";
        vm.expectRevert(Steps.BadStep.selector);
        ledger.prove(m.parts, time, m.witness);
        m.parts.data = hex"06";
        vm.expectRevert(Steps.BadStep.selector);
        ledger.prove(m.parts, time, m.witness);
    }

    function test_forced() public {
        force(alice, 0, 0.4 ether);
        take(none());
        proven();
        force(alice, 0, 5 ether);
        take(none());
        proven();
        assertEq(book.accounts[0].balance, 0);
        Made memory m = last();
        m.parts.data[64] = bytes1(uint8(m.parts.data[64]) ^ 1);
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.WrongPaid.selector, 0.6 ether));
        ledger.prove(m.parts, time, m.witness);
        force(bob, 1, 0);
        take(none());
        proven();
        m = last();
        m.parts.data[13] = bytes1(uint8(m.parts.data[13]) ^ 1);
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.WrongOwner.selector, bob));
        ledger.prove(m.parts, time, m.witness);
    }

    function test_l1Request() public {
        requestOnL1(alice, model, list(1, 2, 3), 4, greedy(), 0);
        requestOnL1(alice, model, list(1, 2), 4, greedy(), 0);
        take(list(5, 6));
        proven();
        assertEq(book.fees, ENTRY_FEE + 3 * 20 gwei + 2 * 50 gwei);
        Made memory m = last();
        vm.expectRevert(
            abi.encodeWithSelector(LedgerVerifier.WrongWitnessLength.selector, m.witness.length + 32)
        );
        ledger.prove(m.parts, time, abi.encodePacked(m.witness, bytes32(0)));
        take(none());
        proven();
        assertEq(last().parts.pre, last().parts.post);
    }

    // --- inferences --------------------------------------------------------------------------------------------

    function test_inference() public {
        infer(ask(0, 0, model));
        proven();
        assertEq(book.accounts[0].balance, 1 ether - 3 * 20 gwei - 2 * 50 gwei);
        assertEq(book.fees, 3 * 20 gwei + 2 * 50 gwei);
        Ask memory q = ask(1, 0, model);
        q.maxFee = 3 * 20 gwei + 4 * 50 gwei;
        q.validUntil = time;
        infer(q);
        proven();
    }

    function test_inference_invalid_reverts() public {
        Ask memory q = ask(0, 0, model);
        q.key = keyOf[bob];
        invalid(q, abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, alice));
        q = ask(0, 0, model);
        q.validUntil = time - 1;
        invalid(q, abi.encodeWithSelector(LedgerVerifier.Expired.selector, time - 1));
        q = ask(0, 0, model);
        q.maxFee = 3 * 20 gwei + 4 * 50 gwei - 1;
        invalid(q, abi.encodeWithSelector(LedgerVerifier.FeeTooHigh.selector, 3 * 20 gwei + 4 * 50 gwei));
        q = ask(0, 0, model);
        (q.maxTokens, q.maxFee) = (type(uint32).max, type(uint128).max);
        uint256 limit = 3 * 20 gwei + 50 gwei * uint256(type(uint32).max);
        invalid(q, abi.encodeWithSelector(LedgerVerifier.Overspent.selector, limit));
        q = ask(0, 0, model);
        (q.account, q.key) = (2, keyOf[alice]);
        invalid(q, abi.encodeWithSelector(LedgerVerifier.NoAccount.selector, 2));
        q = ask(0, 0, model);
        q.flags = 4;
        q.delegation = new bytes(104);
        invalid(q, abi.encodeWithSelector(LedgerVerifier.NotDelegated.selector));
    }

    /// @notice Both forms of a signature are one person's; only one is valid.
    function test_inference_highS_reverts() public {
        infer(ask(0, 0, model));
        Made memory m = last();
        bytes memory data = m.parts.data;
        uint256 n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        uint256 vs = uint256(bytes32(Trees.slice(data, 83, 32)));
        bytes memory other = abi.encodePacked(bytes32((n - ((vs << 1) >> 1)) | ((vs >> 255) ^ 1) << 255));
        for (uint256 i = 0; i < 32; ++i) {
            data[83 + i] = other[i];
        }
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, alice));
        ledger.prove(m.parts, time, m.witness);
        for (uint256 i = 0; i < 32; ++i) {
            data[83 + i] = 0;
        }
        vm.expectRevert(abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, alice));
        ledger.prove(m.parts, time, m.witness);
    }

    function badNonce(uint64 nonce) private {
        invalid(ask(0, nonce, model), abi.encodeWithSelector(Accounts.BadNonce.selector, nonce));
    }

    function goodNonce(uint64 nonce) private {
        infer(ask(0, nonce, model));
        proven();
    }

    function test_nonces() public {
        goodNonce(3);
        badNonce(3);
        goodNonce(1);
        badNonce(1);
        goodNonce(0);
        goodNonce(2);
        goodNonce(258);
        badNonce(2);
        badNonce(3);
        goodNonce(4);
        goodNonce(257);
        goodNonce(258 + 256);
        badNonce(258);
        goodNonce(259);
        goodNonce(514 + 2 ** 32);
        badNonce(514 + 2 ** 33 + 1);
        badNonce(type(uint64).max);
    }

    // --- withdrawals and delegations ---------------------------------------------------------------------------

    function test_withdrawal() public {
        withdraw(0, 5, 0.25 ether, stranger, time, keyOf[alice]);
        proven();
        withdraw(0, 4, 0.75 ether, stranger, time + 1, keyOf[alice]);
        proven();
        assertEq(book.accounts[0].balance, 0);
        uint256 snapshot = vm.snapshotState();
        unchanged = true;
        withdraw(0, 6, 1, stranger, time, keyOf[alice]);
        invalid(abi.encodeWithSelector(LedgerVerifier.Overspent.selector, 1));
        vm.revertToState(snapshot);
        unchanged = true;
        withdraw(0, 6, 0, stranger, time - 1, keyOf[alice]);
        invalid(abi.encodeWithSelector(LedgerVerifier.Expired.selector, time - 1));
        vm.revertToState(snapshot);
        unchanged = true;
        withdraw(0, 5, 0, stranger, time, keyOf[alice]);
        invalid(abi.encodeWithSelector(Accounts.BadNonce.selector, 5));
        vm.revertToState(snapshot);
        unchanged = true;
        withdraw(0, 6, 0, stranger, time, keyOf[bob]);
        invalid(abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, alice));
        vm.revertToState(snapshot);
        // A withdrawal of nothing cancels a request.
        withdraw(0, 6, 0, stranger, time, keyOf[alice]);
        proven();
        badNonce(6);
    }

    function given() private view returns (Delegate memory g) {
        (g.nonce, g.delegate, g.cap) = (1, key, 500 gwei);
        (g.expiry, g.maxPriceIn, g.maxPriceOut) = (time, 20 gwei, 50 gwei);
    }

    function delegated(uint64 nonce, Delegate memory g) private view returns (Ask memory q) {
        q = ask(0, nonce, model);
        (q.flags, q.key, q.delegation) = (4, keyOf[key], delegationBytes(g));
    }

    function test_delegation() public {
        Delegate memory g = given();
        delegate(g, keyOf[alice]);
        proven();
        infer(delegated(0, g));
        proven();
        assertEq(book.accounts[0].spent, 160 gwei);
        // 160 and a limit of 260 leave 80.
        infer(delegated(1, g));
        proven();
        invalid(delegated(2, g), abi.encodeWithSelector(LedgerVerifier.BeyondDelegation.selector));
        // Another delegation begins again; the old one is gone.
        Delegate memory next = given();
        (next.nonce, next.model) = (2, known[model].id);
        delegate(next, keyOf[alice]);
        proven();
        infer(delegated(2, next));
        proven();
        invalid(delegated(3, g), abi.encodeWithSelector(LedgerVerifier.NotDelegated.selector));
        uint256 snapshot = vm.snapshotState();
        unchanged = true;
        delegate(g, keyOf[alice]);
        invalid(abi.encodeWithSelector(LedgerVerifier.OldDelegation.selector, 1));
        vm.revertToState(snapshot);
        g.nonce = 3;
        unchanged = true;
        delegate(g, keyOf[key]);
        invalid(abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, alice));
        vm.revertToState(snapshot);
        // Revoked.
        g.delegate = address(0);
        delegate(g, keyOf[alice]);
        proven();
        invalid(delegated(3, g), abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, address(0)));
    }

    function beyond(Delegate memory g) private {
        uint256 snapshot = vm.snapshotState();
        delegate(g, keyOf[alice]);
        proven();
        Ask memory q = delegated(0, g);
        unchanged = true;
        infer(q);
        invalid(abi.encodeWithSelector(LedgerVerifier.BeyondDelegation.selector));
        vm.revertToState(snapshot);
    }

    function test_delegation_beyond_reverts() public {
        Delegate memory g = given();
        g.expiry = time - 1;
        beyond(g);
        g = given();
        g.model = "other";
        beyond(g);
        g = given();
        g.maxPriceIn -= 1;
        beyond(g);
        g = given();
        g.maxPriceOut -= 1;
        beyond(g);
        g = given();
        g.cap = 260 gwei - 1;
        beyond(g);
        g = given();
        delegate(g, keyOf[alice]);
        Ask memory q = delegated(0, g);
        q.key = keyOf[alice];
        invalid(q, abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, key));
        // Without the flag the delegate is nobody.
        q = delegated(0, g);
        (q.flags, q.delegation) = (0, "");
        invalid(q, abi.encodeWithSelector(LedgerVerifier.NotSigned.selector, alice));
    }

    /// @notice Of all roots the right one alone is proven, whatever is wrong in leaf or witness.
    function testFuzz_inference_oneByte(uint256 at, uint8 change) public {
        vm.assume(change != 0);
        infer(ask(0, 0, model));
        Made memory m = last();
        bytes memory all = abi.encodePacked(m.parts.pre, m.parts.post, m.parts.data, m.witness);
        uint256 size = m.parts.data.length;
        at = bound(at, 0, all.length - 1);
        // Of the leaf, what does not decide: op 3's item hash, model and output length are other checks' (and the
        // length below the longest costs).
        all[at] = bytes1(uint8(all[at]) ^ change);
        m.parts = StepParts({
            pre: bytes32(Trees.slice(all, 0, 32)),
            post: bytes32(Trees.slice(all, 32, 32)),
            data: Trees.slice(all, 64, size)
        });
        m.witness = Trees.slice(all, 64 + size, all.length);
        try ledger.prove(m.parts, time, m.witness) {
            uint256 field = at - 64;
            bool free = field == 1 || field == 2 || field >= 27 && field < 51 || field >= 147 && field < 211
                || field >= 23 && field < 27;
            assertTrue(at >= 64 && free, vm.toString(field));
        } catch {}
    }
}
