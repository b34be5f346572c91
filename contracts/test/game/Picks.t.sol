// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "../support/GameTest.sol";
import {Item, NodeProof} from "src/Types.sol";
import {Answers} from "src/game/Answers.sol";
import {GameBase} from "src/game/GameBase.sol";
import {Picks} from "src/game/Picks.sol";
import {Terms} from "src/game/Terms.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Turn} from "src/libraries/Clock.sol";
import {Game, Phase} from "src/libraries/Games.sol";
import {Hashing} from "src/libraries/Hashing.sol";
import {Layout} from "src/libraries/Layout.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice Every way to ask wrongly: a named error, and a game that goes on as if nothing had been sent.
contract PicksTest is GameTest {
    Posted internal p;
    bytes32 internal id;
    bytes32[] internal none;

    /// @notice A sum that is off: the game goes through every phase but Output.
    function setUp() public {
        deploy(70, 300, 1);
        p = postTrace("seed", 2, 3, 5, 0);
        id = challengeAs(p, challenger, 0);
    }

    function test_challenge_wrongBond_reverts() public {
        uint256 bond = game.bondOf(p.item);
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(Picks.WrongBond.selector, bond));
        game.challenge{value: bond - 1}(p.id, 0, 1, p.item, none);
        vm.expectRevert(abi.encodeWithSelector(Picks.WrongBond.selector, bond));
        game.challenge{value: bond + 1}(p.id, 0, 1, p.item, none);
    }

    function test_challenge_twice_reverts() public {
        uint256 bond = game.bondOf(p.item);
        vm.expectRevert(abi.encodeWithSelector(Picks.GameExists.selector, id));
        vm.prank(challenger);
        game.challenge{value: bond}(p.id, 0, 0, p.item, none);
        assertNotEq(challengeAs(p, challenger, 1), id);
        assertNotEq(challengeAs(p, stranger, 0), id);
    }

    function test_challenge_wrongItem_reverts() public {
        uint256 bond = game.bondOf(p.item);
        Item memory other = p.item;
        other.seed = "other";
        vm.expectRevert(Picks.WrongItem.selector);
        vm.prank(challenger);
        game.challenge{value: bond}(p.id, 0, 1, other, none);
        other.seed = "seed";
        vm.expectRevert(Tree.OutOfTree.selector);
        vm.prank(challenger);
        game.challenge{value: bond}(p.id, 1, 1, other, none);
        vm.expectRevert(abi.encodeWithSelector(Tree.WrongCount.selector, 1, 0));
        vm.prank(challenger);
        game.challenge{value: bond}(p.id, 0, 1, other, new bytes32[](1));
    }

    function test_challenge_unknownAssertion_reverts() public {
        uint256 bond = game.bondOf(p.item);
        vm.expectRevert(abi.encodeWithSelector(Terms.NotPending.selector, bytes32("x")));
        vm.prank(challenger);
        game.challenge{value: bond}("x", 0, 1, p.item, none);
    }

    function test_challenge_afterWindow_reverts() public {
        uint256 bond = game.bondOf(p.item);
        uint256 end = block.timestamp + 7 days;
        vm.warp(end - 1);
        challengeAs(p, challenger, 1);
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(Picks.WindowOver.selector, end));
        vm.prank(challenger);
        game.challenge{value: bond}(p.id, 0, 2, p.item, none);
    }

    function test_pick_unknownGame_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(GameBase.UnknownGame.selector, bytes32("x")));
        game.pick("x", p.committed, 0, 0, none);
    }

    function test_pick_byStranger_reverts() public {
        until(p, id, Phase.Open, true);
        vm.expectRevert(abi.encodeWithSelector(GameBase.NotChallenger.selector, challenger));
        vm.prank(stranger);
        game.pick(id, p.committed, 0, 0, none);
    }

    function test_pick_beforeAnswer_reverts() public {
        bytes32 key = keccak256(abi.encodePacked("rf.froot", p.id, uint32(0)));
        vm.expectRevert(abi.encodeWithSelector(GameBase.NotAnswered.selector, key, block.timestamp + 4 days));
        vm.prank(challenger);
        game.pick(id, p.committed, 0, 0, none);
    }

    function test_pick_afterLateAnswer_reverts() public {
        vm.warp(block.timestamp + 4 days + 1);
        answer(p, id, defender);
        vm.expectRevert(GameBase.ProposerIsLate.selector);
        vm.prank(challenger);
        game.pick(id, p.committed, 0, 0, none);
        game.timeout(id);
    }

    function test_pick_late_reverts() public {
        answer(p, id, defender);
        vm.warp(block.timestamp + 7 days + 1);
        vm.expectRevert(GameBase.ChallengerIsLate.selector);
        vm.prank(challenger);
        game.pick(id, p.committed, 0, 0, none);
    }

    function test_pick_overGame_reverts() public {
        vm.warp(block.timestamp + 4 days + 1);
        game.timeout(id);
        vm.expectRevert(abi.encodeWithSelector(GameBase.GameOver.selector, id));
        vm.prank(challenger);
        game.pick(id, p.committed, 0, 0, none);
    }

    function test_pick_rejectedByAnother_reverts() public {
        bytes32 other = challengeAs(p, stranger, 0);
        vm.warp(block.timestamp + 4 days + 1);
        game.timeout(other);
        vm.expectRevert(abi.encodeWithSelector(GameBase.AssertionRejected.selector, p.id));
        vm.prank(challenger);
        game.pick(id, p.committed, 0, 0, none);
    }

    /// @notice A pick moved to another history, or sent twice, names a hash that is not asked.
    function test_pick_otherHash_reverts() public {
        answer(p, id, defender);
        vm.expectRevert(GameBase.NotAsked.selector);
        vm.prank(challenger);
        game.pick(id, "other", 0, 0, none);
        ask(p, id, challenger);
        answer(p, id, defender);
        vm.expectRevert(GameBase.NotAsked.selector);
        vm.prank(challenger);
        game.pick(id, p.committed, 0, 0, none);
    }

    function test_pick_wrongChild_reverts() public {
        answer(p, id, defender);
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory leaves = leavesOf(p.committed, id, false);
        uint256 at = s.height - s.levels;
        bytes32[] memory level = levelOf(leaves, at);
        bytes32[] memory siblings = siblingsOf(leaves, at, 0, s.levels);
        vm.startPrank(challenger);
        vm.expectRevert(Picks.WrongChild.selector);
        game.pick(id, s.hash, 0, "x", siblings);
        vm.expectRevert(Picks.WrongChild.selector);
        game.pick(id, s.hash, 1, level[0], siblings);
        vm.expectRevert();
        game.pick(id, s.hash, 0, level[0], none);
        vm.expectRevert(abi.encodeWithSelector(Picks.OutOfRange.selector, s.count, s.count));
        game.pick(id, s.hash, s.count, Hashing.PAD, siblings);
        vm.expectRevert(abi.encodeWithSelector(Picks.OutOfRange.selector, type(uint256).max, s.count));
        game.pick(id, s.hash, type(uint256).max, Hashing.PAD, siblings);
        NodeProof memory proof = proofOf(0);
        vm.expectRevert(Picks.ChildIsNotNode.selector);
        game.pickNode(id, s.hash, 0, level[0], siblings, p.item, proof);
        game.pick(id, s.hash, 0, level[0], siblings);
    }

    function test_pickNode_wrongRecord_reverts() public {
        answer(p, id, defender);
        ask(p, id, challenger);
        answer(p, id, defender);
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory leaves = leavesOf(p.committed, id, false);
        uint256 index = (s.index << s.levels) + 2;
        bytes32[] memory siblings = siblingsOf(leaves, 0, index, s.levels);
        vm.startPrank(challenger);
        vm.expectRevert(Picks.ChildIsNode.selector);
        game.pick(id, s.hash, 2, leaves[index], siblings);
        NodeProof memory proof = proofOf(1);
        vm.expectRevert();
        game.pickNode(id, s.hash, 2, leaves[index], siblings, p.item, proof);
        Item memory other = p.item;
        other.outputLength += 1;
        proof = proofOf(index);
        vm.expectRevert();
        game.pickNode(id, s.hash, 2, leaves[index], siblings, other, proof);
        game.pickNode(id, s.hash, 2, leaves[index], siblings, p.item, proof);
    }

    /// @notice A node without positions, honestly committed, is no question.
    function test_pickNode_withoutPositions_reverts() public {
        answer(p, id, defender);
        ask(p, id, challenger);
        answer(p, id, defender);
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory leaves = leavesOf(p.committed, id, false);
        bytes32[] memory siblings = siblingsOf(leaves, 0, 3, s.levels);
        NodeProof memory proof = proofOf(3);
        vm.expectRevert(abi.encodeWithSelector(Picks.NodeWithoutPositions.selector, 3));
        vm.prank(challenger);
        game.pickNode(id, s.hash, 3, Hashing.PAD, siblings, p.item, proof);
    }

    /// @notice A difference hidden in a node without positions, before the real one: seen is rejected.
    function test_pickNode_garbageWithoutPositions_hasNoAnswer() public {
        int32[][] memory v = toy.make(p.item, 4, 1, 1);
        bytes32[2] memory garbage = [bytes32("garbage"), Hashing.chunkHash(0, "")];
        for (uint256 i = 0; i < 2; ++i) {
            Posted memory q;
            Item memory item = p.item;
            item.seed = bytes32(i);
            v = toy.make(item, 4, 1, 1);
            (q.committed, q.honest) =
            (toy.register(v, garbage[i]), toy.register(toy.make(item, 0, 0, 0), Hashing.PAD));
            q = postItem(q, item, new uint8[](3));
            bytes32 g = challengeAs(q, challenger, 0);
            for (uint256 j = 0; phaseOf(g) != Phase.Chunk; ++j) {
                answer(q, g, defender);
                ask(q, g, challenger);
            }
            vm.expectRevert(Answers.EmptyChunk.selector);
            game.openChunk(q.id, garbage[i], 0, "", g);
            vm.warp(block.timestamp + 4 days + 1);
            game.timeout(g);
            (Status status,,,) = assertions.assertionOf(q.id);
            assertEq(uint8(status), uint8(Status.Rejected));
            assertEq(uint8(phaseOf(g)), uint8(Phase.Over));
        }
    }

    function test_pickElement_wrong_reverts() public {
        until(p, id, Phase.Chunk, true);
        Game memory g = game.gameOf(id);
        bytes memory data = toy.chunkOf(p.committed, g.node, g.cursor.index);
        vm.startPrank(challenger);
        vm.expectRevert(GameBase.NotAsked.selector);
        game.pickElement(id, "other", 0, data);
        vm.expectRevert(Picks.WrongChunk.selector);
        game.pickElement(id, g.hash, 0, bytes.concat(data, hex"00"));
        vm.expectRevert(abi.encodeWithSelector(Hashing.ChunkTooLong.selector, 513));
        game.pickElement(id, g.hash, 0, new bytes(513));
        vm.expectRevert(Layout.OutOfShape.selector);
        game.pickElement(id, g.hash, uint32(data.length / 4), data);
        vm.expectRevert(abi.encodeWithSelector(GameBase.WrongPhase.selector, Phase.Chunk));
        game.pick(id, g.hash, 0, 0, none);
        vm.expectRevert(abi.encodeWithSelector(GameBase.WrongPhase.selector, Phase.Chunk));
        game.pickSegment(id, 0, "", 0);
        game.pickElement(id, g.hash, 3, data);
    }

    function test_pickSegment_wrong_reverts() public {
        until(p, id, Phase.Element, true);
        bytes memory entries = pack(entriesOf(p, id, p.committed, game.gameOf(id).value));
        bytes32 digest = game.listOf(p.id, 0, placeOf(id)).digest;
        vm.startPrank(challenger);
        vm.expectRevert(GameBase.NotAsked.selector);
        game.pickSegment(id, "other", entries, 0);
        vm.expectRevert(Picks.WrongEntries.selector);
        game.pickSegment(id, digest, bytes.concat(entries, hex"0000000000000000"), 0);
        vm.expectRevert(Picks.WrongEntries.selector);
        game.pickSegment(id, digest, "", 0);
        vm.expectRevert(
            abi.encodeWithSelector(Picks.OutOfRange.selector, type(uint32).max, entries.length / 8)
        );
        game.pickSegment(id, digest, entries, type(uint32).max);
        vm.expectRevert(abi.encodeWithSelector(GameBase.WrongPhase.selector, Phase.Element));
        game.pickElement(id, 0, 0, "");
        game.pickSegment(id, digest, entries, 2);
        Game memory g = game.gameOf(id);
        // 300 terms at S = 1 are three segments of 128, 128 and 44.
        assertEq(g.from, 256);
        assertEq(g.to, 300);
    }

    function test_pickOutput_wrong_reverts() public {
        answer(p, id, defender);
        vm.startPrank(challenger);
        vm.expectRevert(GameBase.NotAsked.selector);
        game.pickOutput(id, "other", 0);
        vm.expectRevert(abi.encodeWithSelector(Picks.OutOfRange.selector, 3, 3));
        game.pickOutput(id, p.committed, 3);
        vm.stopPrank();
        ask(p, id, challenger);
        answer(p, id, defender);
        vm.expectRevert(abi.encodeWithSelector(GameBase.WrongPhase.selector, Phase.Open));
        vm.prank(challenger);
        game.pickOutput(id, p.committed, 0);
    }

    /// @notice Calldata that does not decode, or decodes to nonsense, reverts and changes nothing.
    function testFuzz_anything_changesNothing(uint8 which, bytes calldata tail, bool answered) public {
        if (answered) answer(p, id, defender);
        bytes4[8] memory selectors = [
            game.challenge.selector,
            game.pick.selector,
            game.pickNode.selector,
            game.pickElement.selector,
            game.pickSegment.selector,
            game.pickOutput.selector,
            game.timeout.selector,
            game.claim.selector
        ];
        bytes32 before = keccak256(abi.encode(game.gameOf(id), game.tallyOf(p.id)));
        vm.prank(challenger);
        (bool done,) = address(game).call(abi.encodePacked(selectors[which % 8], id, tail));
        if (done) return assertGt(which % 8, 5);
        assertEq(before, keccak256(abi.encode(game.gameOf(id), game.tallyOf(p.id))));
    }

    /// @notice A challenger who moves in time spends its budget and no more.
    function test_clock_ofMoves() public {
        vm.warp(block.timestamp + 1 days);
        answer(p, id, defender);
        vm.warp(block.timestamp + 2 days);
        ask(p, id, challenger);
        Game memory g = game.gameOf(id);
        assertEq(g.cursor.proposerLeft, 3 days);
        assertEq(g.cursor.challengerLeft, 5 days);
        assertEq(uint8(turnOf(id)), uint8(Turn.Proposer));
        vm.warp(block.timestamp + 3 days);
        assertEq(uint8(turnOf(id)), uint8(Turn.Proposer));
        vm.warp(block.timestamp + 1);
        assertEq(uint8(turnOf(id)), uint8(Turn.ProposerLate));
    }
}
