// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupTest} from "./support/RollupTest.sol";
import {Trees} from "./support/Trees.sol";
import {Assertions} from "src/Assertions.sol";
import {LedgerVerifier} from "src/LedgerVerifier.sol";
import {ShapeVerifier} from "src/ShapeVerifier.sol";
import {Kind, StepGame} from "src/StepGame.sol";
import {Item} from "src/Types.sol";
import {Closing} from "src/game/Closing.sol";
import {Terms} from "src/game/Terms.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Steps} from "src/libraries/Steps.sol";

/// @notice Plays questions about steps.
abstract contract StepGameBase is RollupTest {
    address internal alice;
    uint32 internal account;
    uint256 internal model;
    uint256 internal constant BOND = 1 ether;

    function start() internal {
        deploy();
        uint32[] memory stops = new uint32[](2);
        (stops[0], stops[1]) = (6, 9);
        model = announce(11, 8, 0, stops);
        vm.warp(block.timestamp + 1 days);
        alice = newOwner("alice");
        account = deposit(alice, 1 ether);
        begin();
        take(none());
    }

    function ask_(bytes32 id, Kind kind, uint256 step, uint256 index) internal returns (bytes32) {
        vm.prank(challenger);
        return stepGame.challenge{value: BOND}(id, kind, uint32(step), uint32(index));
    }

    function witness(bytes32 id, Kind kind, uint256 step, uint256 index)
        internal
        view
        returns (bytes memory)
    {
        return kind == Kind.Ledger ? postedOf[id].steps[step].witness : shapeWitness(id, step, index);
    }

    function shapeWitness(bytes32 id, uint256 step, uint256 index) internal view returns (bytes memory w) {
        Made memory m = postedOf[id].steps[step];
        uint256 op = uint8(m.parts.data[0]);
        if (op != 2 && op != 3 || m.item.outputLength == 0) return "";
        w = headerBytes(m.item);
        if (m.item.kind == 1 || index >= m.item.outputLength) return w;
        Known memory k = known[m.model];
        w = abi.encodePacked(w, k.header.nodes, k.header.constants, k.header.nodesRoot);
        w = abi.encodePacked(w, k.header.constantsRoot, k.header.interfaceHash, k.face);
        // The chunks that the token touches, and the siblings of that range.
        uint256 lo = index * k.bits / 4096;
        uint256 hi = (index * k.bits + k.bits - 1) / 4096 + 1;
        w = abi.encodePacked(w, Trees.slice(m.output, 512 * lo, 512 * (hi - lo)));
        bytes32[] memory level = new bytes32[]((m.output.length + 511) / 512);
        for (uint256 i = 0; i < level.length; ++i) {
            level[i] = Trees.chunkHash(i, Trees.slice(m.output, 512 * i, 512));
        }
        while (level.length > 1) {
            if (lo & 1 == 1) w = abi.encodePacked(w, level[lo - 1]);
            if (hi & 1 == 1 && hi < level.length) w = abi.encodePacked(w, level[hi]);
            (lo, hi, level) = (lo / 2, (hi + 1) / 2, Trees.parents(level));
        }
    }

    function headerBytes(Item memory i) internal pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            i.modelId, i.kind, i.tokenBits, i.promptLength, i.outputLength, i.temperature, i.topK
        );
        return abi.encodePacked(head, i.topP, i.minP, i.seed, i.promptRoot, i.outputRoot);
    }

    function answer(bytes32 id, Kind kind, uint256 step, uint256 index, address who) internal {
        bytes32 key = stepGame.keyOf(id, kind, uint32(step), uint32(index));
        bytes memory w = witness(id, kind, step, index);
        bytes32[] memory path = pathOf(id, step);
        vm.prank(who);
        stepGame.prove(key, partsOf(id, step), path, w);
    }

    /// @dev Asked and answered: the step is right.
    function defended(bytes32 id, Kind kind, uint256 step, uint256 index) internal {
        ask_(id, kind, step, index);
        answer(id, kind, step, index, stranger);
    }

    /// @dev Asked, has no proof, and rejects.
    function refuted(bytes32 id, Kind kind, uint256 step, uint256 index, bytes4 error) internal {
        bytes32 key = ask_(id, kind, step, index);
        bytes memory w = witness(id, kind, step, index);
        bytes32[] memory path = pathOf(id, step);
        vm.expectPartialRevert(error);
        stepGame.prove(key, partsOf(id, step), path, w);
        vm.warp(block.timestamp + 4 days);
        vm.expectRevert(abi.encodeWithSelector(StepGame.TooEarly.selector, block.timestamp));
        stepGame.timeout(key);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(StepGame.ProposerIsLate.selector);
        stepGame.prove(key, partsOf(id, step), path, w);
        stepGame.timeout(key);
        assertEq(uint8(statusOf(id)), uint8(Status.Rejected));
    }
}

/// @notice Every cheat, and that nothing right is refuted.
contract CheatsTest is StepGameBase {
    function setUp() public {
        start();
    }

    /// @dev All questions that can be asked about a batch have answers.
    function allDefended(bytes32 id) internal {
        for (uint256 i = 0; i < postedOf[id].steps.length; ++i) {
            defended(id, Kind.Ledger, i, 0);
            uint256 length = postedOf[id].steps[i].item.outputLength;
            for (uint256 j = 0; j < length + 2; ++j) {
                defended(id, Kind.Shape, i, j);
            }
        }
        confirm(id);
    }

    function test_right_isDefended() public {
        requestOnL1(alice, model, list(1, 2, 3), 2, greedy(), 0);
        uint256 vector = announce(16, 4, 1, new uint32[](0));
        vm.warp(block.timestamp + 1 days - 6 hours);
        requestOnL1(alice, model, list(1, 2, 3), 4, greedy(), 0);
        vm.warp(block.timestamp + 6 hours);
        force(alice, account, 1);
        begin();
        take(none());
        take(list(5, 8));
        take(list(5, 9));
        take(none());
        // Ends with a stop; the longest that the request allows; the longest that the context allows.
        infer(ask(account, 0, model));
        Ask memory q = ask(account, 1, model);
        (q.maxTokens, q.output) = (3, list(1, 2, 3));
        infer(q);
        q = ask(account, 2, model);
        (q.maxTokens, q.prompt, q.output) = (100, new uint256[](5), list(1, 2, 3));
        infer(q);
        q = ask(account, 3, vector);
        q.maxTokens = 0;
        infer(q);
        withdraw(account, 4, 1, stranger, time, keyOf[alice]);
        Delegate memory g;
        (g.account, g.nonce) = (account, 1);
        delegate(g, keyOf[alice]);
        allDefended(post());
    }

    /// @notice A token that two chunks hold, and the chunks' range proof.
    function test_right_longOutput() public {
        uint256 long = announce(1 << 19, 5000, 0, new uint32[](0));
        vm.warp(block.timestamp + 1 days);
        begin();
        take(none());
        Ask memory q = ask(account, 0, long);
        (q.maxTokens, q.output) = (700, new uint256[](700));
        for (uint256 i = 0; i < 700; ++i) {
            q.output[i] = i * 7;
        }
        infer(q);
        bytes32 id = post();
        uint256[6] memory at = [uint256(0), 215, 216, 431, 646, 699];
        for (uint256 i = 0; i < 6; ++i) {
            defended(id, Kind.Shape, 1, at[i]);
        }
    }

    function test_wrongRoot() public {
        falseRoot = keccak256("money");
        infer(ask(account, 0, model));
        refuted(post(), Kind.Ledger, 1, 0, LedgerVerifier.NotProven.selector);
    }

    /// @notice Whatever follows a false root has no known state to begin with; the false step itself is what is asked.
    function test_wrongRoot_before() public {
        falseRoot = keccak256("money");
        infer(ask(account, 0, model));
        infer(ask(account, 1, model));
        refuted(post(), Kind.Ledger, 2, 0, LedgerVerifier.WrongState.selector);
    }

    function cheat(Ask memory q, bytes4 error) private {
        unchanged = true;
        infer(q);
        refuted(post(), Kind.Ledger, 1, 0, error);
    }

    function test_forgedSignature() public {
        Ask memory q = ask(account, 0, model);
        q.key = 7;
        cheat(q, LedgerVerifier.NotSigned.selector);
    }

    function test_overspent() public {
        Ask memory q = ask(account, 0, model);
        (q.maxTokens, q.maxFee) = (30_000_000, type(uint128).max);
        cheat(q, LedgerVerifier.Overspent.selector);
    }

    function test_expired() public {
        Ask memory q = ask(account, 0, model);
        q.validUntil = time - 1;
        cheat(q, LedgerVerifier.Expired.selector);
    }

    function test_replayed() public {
        infer(ask(account, 0, model));
        unchanged = true;
        infer(ask(account, 0, model));
        refuted(post(), Kind.Ledger, 2, 0, bytes4(keccak256("BadNonce(uint256)")));
    }

    function test_wrongFee() public {
        book.fees += 1;
        infer(ask(account, 0, model));
        refuted(post(), Kind.Ledger, 1, 0, LedgerVerifier.WrongState.selector);
    }

    function test_endsEarly() public {
        Ask memory q = ask(account, 0, model);
        q.output = list(5, 7);
        infer(q);
        bytes32 id = post();
        defended(id, Kind.Shape, 1, 0);
        refuted(id, Kind.Shape, 1, 1, ShapeVerifier.EndsEarly.selector);
    }

    function test_runsOn() public {
        Ask memory q = ask(account, 0, model);
        q.output = list(5, 6, 9);
        infer(q);
        bytes32 id = post();
        defended(id, Kind.Shape, 1, 2);
        refuted(id, Kind.Shape, 1, 1, ShapeVerifier.RunsOn.selector);
    }

    function test_tokenOutside() public {
        Ask memory q = ask(account, 0, model);
        q.output = list(11, 6);
        infer(q);
        bytes32 id = post();
        defended(id, Kind.Shape, 1, 1);
        refuted(id, Kind.Shape, 1, 0, ShapeVerifier.NoSuchToken.selector);
    }

    function test_shapeWitness_wrong_reverts() public {
        infer(ask(account, 0, model));
        bytes32 id = post();
        bytes memory data = partsOf(id, 1).data;
        bytes memory w = shapeWitness(id, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ShapeVerifier.WrongWitnessLength.selector, 153));
        shape.prove(data, 0, Trees.slice(w, 0, 153));
        vm.expectRevert(abi.encodeWithSelector(ShapeVerifier.WrongWitnessLength.selector, 300));
        shape.prove(data, 0, Trees.slice(w, 0, 300));
        vm.expectRevert(abi.encodeWithSelector(ShapeVerifier.WrongWitnessLength.selector, w.length));
        shape.prove(data, 2, w);
        for (uint256 i = 0; i < w.length; ++i) {
            w[i] = bytes1(uint8(w[i]) ^ 1);
            vm.expectRevert();
            shape.prove(data, 0, w);
            w[i] = bytes1(uint8(w[i]) ^ 1);
        }
        vm.expectRevert();
        shape.prove(data, 0, abi.encodePacked(w, hex"00"));
        shape.prove(data, 0, w);
    }
}

/// @notice Who may ask and answer when, and who gets what.
contract StepGameTest is StepGameBase {
    bytes32 internal id;
    bytes32 internal key;

    function setUp() public {
        start();
        falseRoot = keccak256("money");
        infer(ask(account, 0, model));
        id = post();
    }

    function test_challenge_wrong_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Terms.NotPending.selector, bytes32("x")));
        stepGame.challenge("x", Kind.Ledger, 0, 0);
        vm.expectRevert(StepGame.BadKind.selector);
        stepGame.challenge(id, Kind.None, 0, 0);
        vm.expectRevert(StepGame.BadKind.selector);
        stepGame.challenge(id, Kind.Ledger, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(StepGame.OutOfRange.selector, 2, 2));
        stepGame.challenge(id, Kind.Ledger, 2, 0);
        vm.expectRevert(abi.encodeWithSelector(StepGame.WrongBond.selector, BOND));
        stepGame.challenge{value: BOND - 1}(id, Kind.Ledger, 1, 0);
        key = ask_(id, Kind.Ledger, 1, 0);
        assertEq(key, keccak256(abi.encodePacked("rf.fques", id, uint8(1), uint32(1), uint32(0))));
        vm.expectRevert(abi.encodeWithSelector(StepGame.AlreadyAsked.selector, key));
        stepGame.challenge{value: BOND}(id, Kind.Ledger, 1, 0);
        vm.warp(block.timestamp + 7 days);
        vm.expectRevert(abi.encodeWithSelector(StepGame.WindowOver.selector, block.timestamp));
        stepGame.challenge{value: BOND}(id, Kind.Ledger, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Assertions.GamesOpen.selector, 1));
        assertions.confirm(id);
    }

    function test_prove_wrong_reverts() public {
        key = ask_(id, Kind.Ledger, 0, 0);
        bytes memory w = witness(id, Kind.Ledger, 0, 0);
        bytes32[] memory path = pathOf(id, 1);
        vm.expectRevert(Steps.WrongStep.selector);
        stepGame.prove(key, partsOf(id, 1), path, w);
        path = pathOf(id, 0);
        vm.expectRevert(Steps.WrongStep.selector);
        stepGame.prove(key, partsOf(id, 1), path, w);
        vm.expectRevert(abi.encodeWithSelector(StepGame.UnknownQuestion.selector, bytes32("x")));
        stepGame.prove("x", partsOf(id, 0), path, w);
        vm.expectRevert(abi.encodeWithSelector(StepGame.UnknownQuestion.selector, bytes32("x")));
        stepGame.claim("x");
        vm.expectRevert(abi.encodeWithSelector(StepGame.NotRejected.selector, id));
        stepGame.claim(key);
        stepGame.prove(key, partsOf(id, 0), path, w);
        vm.expectRevert(abi.encodeWithSelector(StepGame.QuestionOver.selector, key));
        stepGame.prove(key, partsOf(id, 0), path, w);
        stepGame.claim(key);
        vm.expectRevert(abi.encodeWithSelector(StepGame.AlreadyAsked.selector, key));
        stepGame.challenge{value: BOND}(id, Kind.Ledger, 0, 0);
    }

    /// @notice A quarter burned, the closer's fee, the defender key's gas, the rest the proposer's.
    function test_prove_splitsBond() public {
        key = ask_(id, Kind.Ledger, 0, 0);
        answer(id, Kind.Ledger, 0, 0, defender);
        assertEq(vault.burned(), BOND / 4);
        uint256 gas = vault.balanceOf(defender) - 0.05 ether;
        // The test is its own sender: no transaction's base is repaid.
        assertGt(gas, 40_000 * 11 gwei);
        assertEq(vault.balanceOf(sequencer), BOND - BOND / 4 - 0.05 ether - gas);
        assertEq(vault.balanceOf(address(stepGame)), 0);
        assertEq(stepGame.openGames(id), 0);
        assertEq(stepGame.liveGas(id), 0);
        // A stranger's answer is not repaid.
        key = ask_(id, Kind.Shape, 1, 0);
        uint256 had = vault.balanceOf(sequencer);
        answer(id, Kind.Shape, 1, 0, stranger);
        assertEq(vault.balanceOf(stranger), 0.05 ether);
        assertEq(vault.balanceOf(sequencer), had + BOND - BOND / 4 - 0.05 ether);
    }

    function playInference(address who, uint64 counter) private returns (bytes32 g) {
        Item memory item = postedOf[id].steps[1].item;
        uint256 bond = game.bondOf(item);
        vm.prank(who);
        return game.challenge{value: bond}(id, 0, counter, item, new bytes32[](0));
    }

    /// @notice The steps' game rejects; games of both contracts share what is left by their gas.
    function test_settle_fromSteps() public {
        key = ask_(id, Kind.Ledger, 1, 0);
        bytes32 other = ask_(id, Kind.Shape, 1, 0);
        bytes32 g = playInference(stranger, 0);
        uint256 own = uint256(stepGame.questionOf(key).metered) * 1 gwei;
        uint256 others = uint256(stepGame.questionOf(other).metered) * 1 gwei;
        uint256 games = game.liveGas(id) * 1 gwei;
        assertGt(games, 0);
        vm.warp(block.timestamp + 4 days + 1);
        vm.prank(defender);
        stepGame.timeout(key);
        uint256 stake = game.leastStake();
        uint256 rest = stake - stake / 2 - 0.05 ether - 2 ether - own - others - games;
        assertEq(vault.burned(), stake / 2 + rest);
        assertEq(vault.balanceOf(challenger), BOND + 2 ether + own);
        assertTrue(game.tallyOf(id).rejected);
        stepGame.claim(other);
        stepGame.claim(other);
        assertEq(vault.balanceOf(challenger), 2 * BOND + 2 ether + own + others);
        game.claim(g);
        game.claim(g);
        assertEq(vault.balanceOf(stranger), game.bondOf(postedOf[id].steps[1].item) + games);
        assertEq(vault.balanceOf(address(game)), 0);
        assertEq(vault.balanceOf(address(stepGame)), 0);
        vm.expectRevert(abi.encodeWithSelector(StepGame.QuestionOver.selector, key));
        stepGame.timeout(key);
        vm.expectRevert(Terms.NotTwin.selector);
        stepGame.settle(id, 0);
        vm.expectRevert(Terms.NotTwin.selector);
        game.settle(id, 0);
    }

    /// @notice The inferences' game rejects; the same the other way.
    function test_settle_fromInferences() public {
        key = ask_(id, Kind.Ledger, 1, 0);
        bytes32 g = playInference(stranger, 0);
        bytes32 second = playInference(challenger, 0);
        uint256 mine = stepGame.liveGas(id) * 1 gwei;
        uint256 seconds_ = uint256(game.gameOf(second).cursor.metered) * 1 gwei;
        vm.warp(block.timestamp + 4 days + 1);
        game.timeout(g);
        assertEq(uint8(statusOf(id)), uint8(Status.Rejected));
        assertTrue(stepGame.tallyOf(id).rejected);
        vm.expectRevert(abi.encodeWithSelector(Terms.NotPending.selector, id));
        stepGame.timeout(key);
        stepGame.claim(key);
        game.claim(second);
        uint256 bond = game.bondOf(postedOf[id].steps[1].item);
        assertEq(vault.balanceOf(challenger), BOND + mine + bond + seconds_);
        assertEq(vault.balanceOf(address(game)), 0);
        assertEq(vault.balanceOf(address(stepGame)), 0);
    }

    /// @notice What was built on a wrong assertion is void at once: stakes and bonds go back, nobody judges it.
    function test_void() public {
        begin();
        infer(ask(account, 1, model));
        bytes32 child = post();
        begin();
        infer(ask(account, 2, model));
        bytes32 grandchild = post();
        bytes32 asked = ask_(child, Kind.Ledger, 0, 0);
        bytes32 late = ask_(grandchild, Kind.Ledger, 0, 0);
        Item memory item = postedOf[child].steps[0].item;
        uint256 bond = game.bondOf(item);
        vm.prank(stranger);
        bytes32 g = game.challenge{value: bond}(child, 0, 0, item, new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotVoid.selector, child));
        assertions.reclaim(child);
        refuted(id, Kind.Ledger, 1, 0, LedgerVerifier.NotProven.selector);
        assertEq(uint8(statusOf(child)), uint8(Status.Void));
        assertEq(uint8(statusOf(grandchild)), uint8(Status.Void));
        vm.expectRevert(abi.encodeWithSelector(Terms.NotPending.selector, child));
        stepGame.timeout(asked);
        bytes32[] memory path = pathOf(child, 0);
        vm.expectRevert(abi.encodeWithSelector(Terms.NotPending.selector, child));
        stepGame.prove(asked, partsOf(child, 0), path, "");
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotPending.selector, child));
        game.timeout(g);
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotNext.selector, bytes32(0)));
        assertions.confirm(child);
        vm.expectRevert(abi.encodeWithSelector(Terms.NotPending.selector, child));
        stepGame.challenge{value: BOND}(child, Kind.Shape, 0, 0);
        uint256 had = vault.balanceOf(challenger);
        stepGame.claim(asked);
        stepGame.claim(late);
        game.claim(g);
        assertEq(vault.balanceOf(challenger), had + 2 * BOND);
        assertEq(vault.balanceOf(stranger), bond);
        had = vault.balanceOf(sequencer);
        assertions.reclaim(child);
        assertions.reclaim(grandchild);
        assertEq(vault.balanceOf(sequencer), had + 2 * game.leastStake());
        vm.expectRevert(abi.encodeWithSelector(Assertions.AlreadyReclaimed.selector, child));
        assertions.reclaim(child);
        vm.expectRevert(abi.encodeWithSelector(Assertions.NotVoid.selector, id));
        assertions.reclaim(id);
        assertEq(vault.balanceOf(address(assertions)), 0);
        // The entries are taken again, and what was void stays so.
        begin();
        take(none());
        bytes32 next = post();
        assertEq(uint8(statusOf(child)), uint8(Status.Void));
        confirm(next);
        assertEq(uint8(statusOf(child)), uint8(Status.Void));
    }

    /// @notice A challenger of a void assertion whose ask is answered loses nothing, even by being late.
    function test_void_lateChallenger() public {
        begin();
        infer(ask(account, 1, model));
        bytes32 child = post();
        Item memory item = postedOf[child].steps[0].item;
        uint256 bond = game.bondOf(item);
        vm.prank(stranger);
        bytes32 g = game.challenge{value: bond}(child, 0, 0, item, new bytes32[](0));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Closing.NotRejected.selector, child));
        game.claim(g);
        refuted(id, Kind.Ledger, 1, 0, LedgerVerifier.NotProven.selector);
        vm.warp(block.timestamp + 30 days);
        vm.expectRevert();
        game.timeout(g);
        game.claim(g);
        assertEq(vault.balanceOf(stranger), bond);
    }
}
