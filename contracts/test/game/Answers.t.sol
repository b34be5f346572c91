// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "../support/GameTest.sol";
import {ToyVerifier} from "../support/ToyVerifier.sol";
import {Item, ModelHeader, Place, StepData} from "src/Types.sol";
import {Answers} from "src/game/Answers.sol";
import {GameBase} from "src/game/GameBase.sol";
import {Turn} from "src/libraries/Clock.sol";
import {Game, Phase} from "src/libraries/Games.sol";
import {Hashing} from "src/libraries/Hashing.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice Every way to answer wrongly, late, twice, for others: a named error or a harmless success.
contract AnswersTest is GameTest {
    Posted internal p;
    bytes32 internal id;

    /// @notice A sum that is off.
    function setUp() public {
        deploy(70, 300, 1);
        p = postTrace("seed", 2, 3, 5, 0);
        id = challengeAs(p, challenger, 0);
    }

    function children() internal view returns (bytes32[] memory) {
        Spot memory s = spotOf(id, p.committed);
        return levelOf(toy.nodeRoots(p.committed), s.height - s.levels);
    }

    function test_postRoot_byStranger_reverts() public {
        bytes32[] memory c = children();
        address[2] memory no = [stranger, challenger];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Answers.NotDefender.selector, p.id));
            vm.prank(no[i]);
            game.postRoot(p.id, 0, p.committed, p.item, model, c, id);
        }
        vm.prank(proposer);
        assertions.revokeDefender(p.id);
        vm.expectRevert(abi.encodeWithSelector(Answers.NotDefender.selector, p.id));
        vm.prank(defender);
        game.postRoot(p.id, 0, p.committed, p.item, model, c, id);
        vm.prank(proposer);
        game.postRoot(p.id, 0, p.committed, p.item, model, c, id);
    }

    function test_postRoot_notChallenged_reverts() public {
        bytes32[] memory c = children();
        vm.expectRevert(abi.encodeWithSelector(Answers.NotChallenged.selector, p.id, 1));
        vm.prank(proposer);
        game.postRoot(p.id, 1, p.committed, p.item, model, c, id);
    }

    function test_postRoot_wrongHeaders_reverts() public {
        bytes32[] memory c = children();
        Item memory item = p.item;
        item.seed = "other";
        vm.startPrank(proposer);
        vm.expectRevert(Answers.WrongHeader.selector);
        game.postRoot(p.id, 0, p.committed, item, model, c, id);
        item.seed = p.item.seed;
        ModelHeader memory other = model;
        other.nodes = 64;
        vm.expectRevert(Answers.WrongModelHeader.selector);
        game.postRoot(p.id, 0, p.committed, p.item, other, c, id);
    }

    function test_postRoot_wrongChildren_reverts() public {
        bytes32[] memory c = children();
        vm.startPrank(proposer);
        vm.expectRevert(abi.encodeWithSelector(Answers.WrongChildren.selector, bytes32("x"), p.committed));
        game.postRoot(p.id, 0, "x", p.item, model, c, id);
        bytes32[] memory less = slice(c, 0, c.length - 1);
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, c.length - 1, c.length));
        game.postRoot(p.id, 0, p.committed, p.item, model, less, id);
    }

    function test_postRoot_twice_isFinal() public {
        answer(p, id, defender);
        uint256 at = game.claimOf(p.id, 0).postedAt;
        vm.warp(block.timestamp + 1 hours);
        bytes32[] memory c = children();
        vm.startPrank(proposer);
        game.postRoot(p.id, 0, p.committed, p.item, model, c, id);
        assertEq(game.claimOf(p.id, 0).postedAt, at);
        vm.expectRevert(abi.encodeWithSelector(Answers.RootIsFinal.selector, p.committed));
        game.postRoot(p.id, 0, p.honest, p.item, model, c, id);
    }

    /// @notice The root of one item's trace serves all its games.
    function test_postRoot_isShared() public {
        answer(p, id, defender);
        bytes32 other = challengeAs(p, stranger, 0);
        assertEq(uint8(turnOf(other)), uint8(Turn.Challenger));
    }

    function test_open_wrongChildren_reverts() public {
        until(p, id, Phase.Open, false);
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory c = slice(toy.nodeRoots(p.committed), s.index << s.levels, s.count);
        c[1] = "x";
        bytes32 sent = Tree.openingRoot(slice(c, 0, c.length), s.levels);
        vm.expectRevert(abi.encodeWithSelector(Answers.WrongChildren.selector, s.hash, sent));
        game.open(p.id, s.hash, uint8(s.levels), c, id);
        vm.expectRevert(Tree.OutOfTree.selector);
        game.open(p.id, s.hash, uint8(s.levels), new bytes32[](0), id);
        vm.expectRevert(Tree.OutOfTree.selector);
        game.open(p.id, s.hash, 1, c, id);
        vm.expectRevert(Tree.OutOfTree.selector);
        game.open(p.id, s.hash, 255, c, id);
    }

    /// @notice Another depth, or padding sent as a child, is another fact: it does not answer.
    function test_open_otherDepth_doesNotAnswer() public {
        until(p, id, Phase.Open, false);
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory level = levelOf(toy.nodeRoots(p.committed), 1);
        uint256 first = (s.index << s.levels) / 2;
        game.open(p.id, s.hash, uint8(s.levels - 1), slice(level, first, uint256(1) << (s.levels - 1)), id);
        assertEq(uint8(turnOf(id)), uint8(Turn.Proposer));
    }

    function test_open_byStrangerTwice_answers() public {
        until(p, id, Phase.Open, false);
        uint40 credited = game.gameOf(id).cursor.answered;
        vm.recordLogs();
        answer(p, id, stranger);
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(uint8(turnOf(id)), uint8(Turn.Challenger));
        answer(p, id, stranger);
        answer(p, id, defender);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(game.gameOf(id).cursor.answered, credited);
    }

    function test_openChunk_wrongBytes_reverts() public {
        until(p, id, Phase.Chunk, false);
        Game memory g = game.gameOf(id);
        bytes memory data = toy.chunkOf(p.committed, g.node, g.cursor.index);
        bytes32 sent = Hashing.chunkHash(g.cursor.index + 1, data);
        vm.expectRevert(abi.encodeWithSelector(Answers.WrongBytes.selector, g.hash, sent));
        game.openChunk(p.id, g.hash, g.cursor.index + 1, data, id);
        vm.expectRevert(abi.encodeWithSelector(Hashing.ChunkTooLong.selector, 513));
        game.openChunk(p.id, g.hash, g.cursor.index, new bytes(513), id);
    }

    function test_postList_wrong_reverts() public {
        until(p, id, Phase.Element, false);
        Game memory g = game.gameOf(id);
        Place memory place = placeOf(id);
        StepData memory data = dataOf(p.item, g.node);
        bytes memory entries = pack(entriesOf(p, id, p.committed, g.value));
        bytes memory off = pack(entriesOf(p, id, p.committed, g.value + 1));
        vm.expectRevert(abi.encodeWithSelector(Answers.NotDefender.selector, p.id));
        vm.prank(stranger);
        game.postList(id, place, entries, data);
        vm.startPrank(defender);
        vm.expectRevert(abi.encodeWithSelector(Answers.ListDoesNotCombine.selector, g.value + 1, g.value));
        game.postList(id, place, off, data);
        vm.expectRevert(abi.encodeWithSelector(Answers.BrokenEntries.selector, 7));
        game.postList(id, place, new bytes(7), data);
        vm.expectRevert(ToyVerifier.WrongEntries.selector);
        game.postList(id, place, new bytes(8), data);
        Place memory other = placeOf(id);
        other.slot += 1;
        vm.expectRevert(GameBase.NotAsked.selector);
        game.postList(id, other, entries, data);
        data.witness = "no";
        vm.expectRevert(ToyVerifier.BadWitness.selector);
        game.postList(id, place, entries, data);
        vm.expectRevert(ToyVerifier.BadWitness.selector);
        game.prove(id, place, data);
        data.witness = "ok";
        vm.expectRevert(ToyVerifier.TooManyTerms.selector);
        game.prove(id, place, data);
    }

    function test_postList_twice_isFinal() public {
        until(p, id, Phase.Element, true);
        Game memory g = game.gameOf(id);
        Place memory place = placeOf(id);
        StepData memory data = dataOf(p.item, g.node);
        bytes memory entries = pack(entriesOf(p, id, p.committed, g.value));
        bytes memory second = pack(entriesOf(p, id, p.committed, g.value));
        (second[7], second[15]) = (bytes1(uint8(second[7]) ^ 1), bytes1(uint8(second[15]) ^ 1));
        bytes32 digest = game.listOf(p.id, 0, place).digest;
        vm.startPrank(defender);
        game.postList(id, place, entries, data);
        vm.expectRevert(abi.encodeWithSelector(Answers.ListIsFinal.selector, digest));
        game.postList(id, place, second, data);
    }

    /// @notice What is not so cannot be proven; the game goes on.
    function test_prove_wrongValue_reverts() public {
        Posted memory q = postTrace("q", 1, 7, 1, 0);
        bytes32 g = challengeAs(q, challenger, 0);
        until(q, g, Phase.Element, false);
        int64 picked = game.gameOf(g).value;
        Place memory place = placeOf(g);
        StepData memory data = dataOf(q.item, 1);
        vm.expectRevert(abi.encodeWithSelector(Answers.NotProven.selector, picked - 1, picked));
        game.prove(g, place, data);
        place.slot ^= 1;
        vm.expectRevert(GameBase.NotAsked.selector);
        game.prove(g, place, data);
        vm.expectRevert(abi.encodeWithSelector(GameBase.UnknownGame.selector, bytes32("x")));
        game.prove("x", place, data);
    }

    function test_prove_beforeElement_reverts() public {
        Place memory nowhere;
        StepData memory data = dataOf(p.item, 0);
        vm.expectRevert(abi.encodeWithSelector(GameBase.WrongPhase.selector, Phase.Root));
        game.prove(id, nowhere, data);
    }

    /// @dev An honest trace with a challenger who asks about an element all the same.
    function askHonest(address who) internal returns (Posted memory q, bytes32 g) {
        q = postTrace("q", 0, 0, 0, 0);
        Posted memory blind = q;
        g = challengeAs(q, who, 0);
        answer(q, g, defender);
        walk(blind, g, who);
        answer(q, g, defender);
        walk(blind, g, who);
        while (phaseOf(g) == Phase.Open) {
            answer(q, g, defender);
            walk(blind, g, who);
        }
        answer(q, g, defender);
        ask(blind, g, who);
    }

    function test_prove_byAnyone_closes() public {
        (Posted memory q, bytes32 g) = askHonest(challenger);
        Place memory place = placeOf(g);
        StepData memory data = dataOf(q.item, place.node);
        vm.prank(stranger);
        game.prove(g, place, data);
        assertEq(uint8(phaseOf(g)), uint8(Phase.Over));
        assertEq(vault.balanceOf(stranger), 0.05 ether);
        // Again is a success and changes nothing, the witness unread.
        data.witness = "no";
        game.prove(g, place, data);
        game.timeout(g);
        game.claim(g);
        assertEq(vault.balanceOf(stranger), 0.05 ether);
    }

    /// @notice A place proven in one game is proven in all, and late proofs of another change nothing here.
    function test_prove_isShared() public {
        (Posted memory q, bytes32 g) = askHonest(challenger);
        Place memory place = placeOf(g);
        StepData memory data = dataOf(q.item, place.node);
        vm.warp(block.timestamp + 4 days + 1);
        vm.expectRevert(GameBase.ProposerIsLate.selector);
        game.prove(g, place, data);
        bytes32[2] memory others = [challengeAs(q, stranger, 0), challengeAs(q, stranger, 1)];
        for (uint256 i = 0; i < 2; ++i) {
            while (phaseOf(others[i]) != Phase.Chunk) walk(q, others[i], stranger);
            ask(q, others[i], stranger);
        }
        game.prove(others[0], place, data);
        assertEq(uint8(phaseOf(others[0])), uint8(Phase.Over));
        (Turn turn, bool ended) = game.turnOf(others[1]);
        assertTrue(ended);
        assertEq(uint8(turn), uint8(Turn.Challenger));
        data.witness = "no";
        game.prove(others[1], place, data);
        assertEq(uint8(phaseOf(others[1])), uint8(Phase.Over));
        assertEq(uint8(turnOf(g)), uint8(Turn.ProposerLate));
        game.timeout(g);
    }

    function test_proveOutput() public {
        Posted memory lie = postTrace("lie", 0, 0, 0, 1);
        bytes32 g = challengeAs(lie, challenger, 0);
        StepData memory data = dataOf(lie.item, 4);
        vm.expectRevert(abi.encodeWithSelector(Answers.NotChallenged.selector, lie.id, 0));
        game.proveOutput(lie.id, 0, 0, data, g);
        until(lie, g, Phase.Output, false);
        vm.expectRevert(abi.encodeWithSelector(Answers.OutputDiffers.selector, 0));
        game.proveOutput(lie.id, 0, 0, data, g);
        // Another output is proven, but not asked.
        game.proveOutput(lie.id, 0, 1, data, g);
        assertEq(uint8(phaseOf(g)), uint8(Phase.Output));
        vm.warp(block.timestamp + 4 days + 1);
        game.timeout(g);

        Posted memory good = postTrace("good", 0, 0, 0, 0);
        g = challengeAs(good, challenger, 0);
        until(good, g, Phase.Output, false);
        data = dataOf(good.item, 4);
        game.proveOutput(good.id, 0, 0, data, g);
        assertEq(uint8(phaseOf(g)), uint8(Phase.Over));
        game.proveOutput(good.id, 0, 0, data, g);
    }

    /// @notice Random calldata after a true selector: nothing is stored for the game, and it is not stuck.
    function testFuzz_anything_changesNothing(uint8 which, bytes calldata tail, uint8 moves) public {
        for (uint256 i = 0; i < moves % 6; ++i) {
            answer(p, id, defender);
            ask(p, id, challenger);
        }
        bytes4[6] memory selectors = [
            game.postRoot.selector,
            game.open.selector,
            game.openChunk.selector,
            game.postList.selector,
            game.prove.selector,
            game.proveOutput.selector
        ];
        bytes32 first = which > 128 ? id : p.id;
        bytes32 before = keccak256(abi.encode(game.gameOf(id), game.claimOf(p.id, 0)));
        vm.prank(which % 2 == 0 ? defender : stranger);
        (bool done,) = address(game).call(abi.encodePacked(selectors[which % 6], first, tail));
        assertFalse(done);
        assertEq(before, keccak256(abi.encode(game.gameOf(id), game.claimOf(p.id, 0))));
        assertEq(uint8(turnOf(id)), uint8(Turn.Proposer));
    }

    /// @notice Only the defender key, only for the ask, only once, and not above the cap.
    function test_credit() public {
        until(p, id, Phase.Open, false);
        uint256 before = game.gameOf(id).cursor.answered;
        assertGt(before, 0);
        Spot memory s = spotOf(id, p.committed);
        // A true opening that the game does not ask for.
        bytes32[] memory pair = new bytes32[](2);
        bytes32 node = Hashing.nodeHash(0, 0);
        vm.prank(defender);
        game.open(p.id, node, 1, pair, id);
        assertEq(game.gameOf(id).cursor.answered, before);
        assertEq(s.hash, game.gameOf(id).hash);
        answer(p, id, defender);
        uint256 credited = game.gameOf(id).cursor.answered;
        assertGt(credited, before);
        answer(p, id, defender);
        assertEq(game.gameOf(id).cursor.answered, credited);
        ask(p, id, challenger);
        answer(p, id, proposer);
        assertEq(game.gameOf(id).cursor.answered, credited);
        vm.txGasPrice(1 ether);
        vm.fee(1 ether);
        for (uint256 i = 0; i < 8 && phaseOf(id) != Phase.Segment; ++i) {
            ask(p, id, challenger);
            answer(p, id, defender);
        }
        assertLe(game.gameOf(id).cursor.answered, 0.2 ether / 1 gwei);
        assertLe(game.gameOf(id).cursor.metered, 0.2 ether / 1 gwei);
        assertGt(game.gameOf(id).cursor.answered, credited);
    }

    /// @notice A transaction's base is repaid to a plain account; code, which may make many moves in one, gets none.
    function test_meter_codeHasNoBase() public {
        bytes32 second = challengeAs(p, challenger, 7);
        (uint256 plain, uint256 code) = (metered(id), metered(second));
        answer(p, id, proposer);
        vm.prank(challenger, challenger);
        game.pickOutput(id, p.committed, 0);
        vm.etch(challenger, hex"00");
        vm.prank(challenger, challenger);
        game.pickOutput(second, p.committed, 0);
        (plain, code) = (metered(id) - plain, metered(second) - code);
        // 27,000 gas at 11 gwei, give or take what is warm the second time.
        assertGt(plain, code + 20_000 * 11);
    }

    function metered(bytes32 played) private view returns (uint256) {
        return game.gameOf(played).cursor.metered;
    }
}
