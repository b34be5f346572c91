// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ToyVerifier} from "./ToyVerifier.sol";
import {Test} from "forge-std/Test.sol";
import {BondVault} from "src/BondVault.sol";
import {PostedItem, StandInAssertions} from "src/StandInAssertions.sol";
import {Item, ModelHeader, NodeProof, Place, StepData} from "src/Types.sol";
import {Config} from "src/game/GameBase.sol";
import {Views} from "src/game/Views.sol";
import {IDisputeGame} from "src/interfaces/IDisputeGame.sol";
import {Turn} from "src/libraries/Clock.sol";
import {Claim, Cursor, Game, Games, List, Phase} from "src/libraries/Games.sol";
import {Hashing} from "src/libraries/Hashing.sol";
import {Tree} from "src/libraries/Tree.sol";

/// @notice A deployment over the toy machine, and both sides' strategies: what an honest challenger asks, and what a
/// proposer that committed to some trace answers.
abstract contract GameTest is Test {
    uint32 internal constant PROMPT = 2;
    uint32 internal constant OUTPUT = 3;
    bytes32 internal constant PARENT = keccak256("parent");

    /// @dev The type is not `DisputeGame`: importing that makes the tests compile through the intermediate
    /// representation, which takes minutes.
    Views internal game;
    StandInAssertions internal assertions;
    BondVault internal vault;
    ToyVerifier internal toy;
    ModelHeader internal model;

    address internal proposer = makeAddr("proposer");
    address internal defender = makeAddr("defender");
    address internal challenger = makeAddr("challenger");
    address internal stranger = makeAddr("stranger");

    /// @dev Are answers to name no game.
    bool internal uncredited;

    /// @dev What was posted: kept to answer and to ask.
    struct Posted {
        bytes32 id;
        Item item;
        bytes32 honest;
        bytes32 committed;
    }

    function parameters() internal pure virtual returns (Config memory) {
        return Config({
            window: 7 days,
            proposerBudget: 4 days,
            moveMinimum: 1 hours,
            traceMinimum: 12 hours,
            bondBase: 1 ether,
            bondPerToken: 0.001 ether,
            bounty: 2 ether,
            closerFee: 0.05 ether,
            gasRepaid: 0.2 ether,
            gasPriceCap: 100 gwei,
            gasTip: 2 gwei
        });
    }

    function deploy(uint256 nodes, uint256 width, uint256 s) internal {
        vm.warp(1_800_000_000);
        vm.fee(10 gwei);
        vm.txGasPrice(11 gwei);
        vault = new BondVault();
        toy = new ToyVerifier(nodes, width, s);
        address at = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        assertions = new StandInAssertions(IDisputeGame(at), vault);
        game = Views(
            vm.deployCode("DisputeGame.sol:DisputeGame", abi.encode(parameters(), assertions, vault, toy))
        );
        require(address(game) == at, "the game's address was predicted wrong");
        bytes memory encoded = interfaceEncoding();
        model = ModelHeader({
            nodes: uint32(nodes),
            constants: 0,
            nodesRoot: keccak256("nodes"),
            constantsRoot: keccak256("constants"),
            interfaceHash: keccak256(abi.encodePacked("rf.iface", encoded))
        });
        assertions.announce(model, encoded);
        address[4] memory all = [proposer, defender, challenger, stranger];
        for (uint256 i = 0; i < 4; ++i) {
            vm.deal(all[i], 1000 ether);
        }
    }

    function interfaceEncoding() internal pure returns (bytes memory) {
        return abi.encodePacked(
            uint32(16), uint32(1000), uint8(0), uint32(4), uint32(4), bytes32(0), bytes32(0), uint32(0)
        );
    }

    // --- posting -----------------------------------------------------------------------------------------------

    /// @dev Posts an item whose trace is off by `delta` at one element; the outputs are the trace's samples, the first
    /// of them off by `lie`.
    function postTrace(bytes32 seed, uint256 node, uint256 flat, int32 delta, uint8 lie)
        internal
        returns (Posted memory p)
    {
        Item memory item;
        (item.modelId, item.tokenBits, item.promptLength, item.outputLength, item.seed) =
        (modelId(), 4, PROMPT, OUTPUT, seed);
        item.topP = 65_536;
        int32[][] memory v = toy.make(item, node, flat, delta);
        p.committed = toy.register(v, Hashing.PAD);
        p.honest = delta == 0 ? p.committed : toy.register(toy.make(item, 0, 0, 0), Hashing.PAD);
        uint8[] memory tokens = new uint8[](OUTPUT);
        for (uint256 i = 0; i < OUTPUT; ++i) {
            tokens[i] = uint8(uint32(v[4][i]));
        }
        tokens[0] = (tokens[0] + lie) % 16;
        return postItem(p, item, tokens);
    }

    function postItem(Posted memory p, Item memory item, uint8[] memory tokens)
        internal
        returns (Posted memory)
    {
        PostedItem[] memory posted = new PostedItem[](1);
        posted[0] = PostedItem({
            modelId: item.modelId,
            promptLength: item.promptLength,
            outputLength: item.outputLength,
            temperature: 0,
            topK: 0,
            topP: 65_536,
            minP: 0,
            seed: item.seed,
            prompt: hex"12",
            output: abi.encodePacked(uint8((tokens[0] << 4) | tokens[1]), uint8(tokens[2] << 4))
        });
        item.promptRoot = Hashing.chunkHash(0, posted[0].prompt);
        item.outputRoot = Hashing.chunkHash(0, posted[0].output);
        p.item = item;
        uint256 stake = game.leastStake();
        vm.prank(proposer, proposer);
        p.id = assertions.post{value: stake}(PARENT, defender, posted);
        toy.publish(headerHash(item), tokens);
        return p;
    }

    function modelId() internal view returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                "rf.model",
                model.nodes,
                model.constants,
                model.nodesRoot,
                model.constantsRoot,
                model.interfaceHash
            )
        );
    }

    function headerHash(Item memory i) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked(
            "rf.item_", i.modelId, i.kind, i.tokenBits, i.promptLength, i.outputLength, i.temperature
        );
        return keccak256(abi.encodePacked(head, i.topK, i.topP, i.minP, i.seed, i.promptRoot, i.outputRoot));
    }

    function challengeAs(Posted memory p, address who, uint64 counter) internal returns (bytes32 id) {
        uint256 bond = game.bondOf(p.item);
        vm.prank(who);
        return game.challenge{value: bond}(p.id, 0, counter, p.item, new bytes32[](0));
    }

    // --- trees -------------------------------------------------------------------------------------------------

    function levelOf(bytes32[] memory leaves, uint256 up) internal pure returns (bytes32[] memory level) {
        level = leaves;
        for (; up > 0; --up) {
            bytes32[] memory next = new bytes32[]((level.length + 1) / 2);
            for (uint256 i = 0; i < next.length; ++i) {
                bytes32 right = 2 * i + 1 < level.length ? level[2 * i + 1] : Hashing.PAD;
                next[i] = Hashing.nodeHash(level[2 * i], right);
            }
            level = next;
        }
    }

    function siblingsOf(bytes32[] memory leaves, uint256 height, uint256 index, uint256 levels)
        internal
        pure
        returns (bytes32[] memory siblings)
    {
        bytes32[] memory level = levelOf(leaves, height);
        bytes32[] memory all = new bytes32[](levels);
        uint256 used;
        for (uint256 i = 0; i < levels; ++i) {
            if (index ^ 1 < level.length) all[used++] = level[index ^ 1];
            level = levelOf(level, 1);
            index >>= 1;
        }
        siblings = new bytes32[](used);
        for (uint256 i = 0; i < used; ++i) {
            siblings[i] = all[i];
        }
    }

    function slice(bytes32[] memory level, uint256 from, uint256 count)
        internal
        pure
        returns (bytes32[] memory part)
    {
        part = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            part[i] = level[from + i];
        }
    }

    // --- what a game asks --------------------------------------------------------------------------------------

    /// @dev The asked hash's place in its tree, as `_descend` has it: also after the root.
    struct Spot {
        bytes32 hash;
        bool inNode;
        uint256 height;
        uint256 index;
        uint256 levels;
        uint256 count;
        uint256 leaves;
    }

    function spotOf(bytes32 id, bytes32 root) internal view returns (Spot memory s) {
        Game memory g = game.gameOf(id);
        uint256 perOpening;
        if (g.cursor.phase == Phase.Root) {
            s.hash = root;
            s.leaves = toy.NODES();
            s.height = Tree.depth(s.leaves);
            perOpening = Tree.openingLevels(s.height);
        } else {
            (s.hash, s.inNode, s.height, s.index) = (g.hash, g.cursor.inNode, g.cursor.height, g.cursor.index);
            (s.leaves, perOpening) = (g.leaves, g.levels);
        }
        s.levels = perOpening < s.height ? perOpening : s.height;
        s.count = Tree.childrenInRange(s.leaves, s.height, s.index, s.levels);
    }

    function leavesOf(bytes32 root, bytes32 id, bool inNode) internal view returns (bytes32[] memory) {
        return inNode ? toy.chunkHashes(root, game.gameOf(id).node) : toy.nodeRoots(root);
    }

    function proofOf(uint256 node) internal view returns (NodeProof memory proof) {
        proof.model = model;
        proof.record = abi.encode(node);
    }

    function dataOf(Item memory item, uint256 node) internal view returns (StepData memory data) {
        data.item = item;
        data.node = proofOf(node);
        data.witness = "ok";
    }

    function placeOf(bytes32 id) internal view returns (Place memory) {
        Game memory g = game.gameOf(id);
        return Place({node: g.node, chunk: g.chunk, slot: g.slot, from: g.from, to: g.to});
    }

    // --- the honest challenger ---------------------------------------------------------------------------------

    /// @dev The move of a challenger that knows the honest trace. Only when the ask is answered.
    function ask(Posted memory p, bytes32 id, address who) internal virtual {
        Game memory g = game.gameOf(id);
        Phase phase = g.cursor.phase;
        if (phase == Phase.Root && p.honest == p.committed) {
            vm.prank(who);
            return game.pickOutput(id, p.committed, 0);
        }
        if (phase == Phase.Root || phase == Phase.Open) return walk(p, id, who);
        if (phase == Phase.Chunk) {
            bytes memory theirs = toy.chunkOf(p.committed, g.node, g.cursor.index);
            bytes memory mine = toy.chunkOf(p.honest, g.node, g.cursor.index);
            uint256 at;
            while (at + 1 < mine.length && theirs[at] == mine[at]) ++at;
            vm.prank(who);
            return game.pickElement(id, g.hash, uint32(at / 4), theirs);
        }
        List memory list = game.listOf(p.id, 0, placeOf(id));
        int64[] memory posted = entriesOf(p, id, p.committed, g.value);
        int64[] memory right = entriesOf(p, id, p.honest, 0);
        uint32 wrong;
        while (wrong + 1 < posted.length && posted[wrong] == right[wrong]) ++wrong;
        vm.prank(who);
        game.pickSegment(id, list.digest, pack(posted), wrong);
    }

    function walk(Posted memory p, bytes32 id, address who) internal virtual {
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory theirs = leavesOf(p.committed, id, s.inNode);
        bytes32[] memory mine = leavesOf(p.honest, id, s.inNode);
        uint256 child = differing(s, theirs, mine);
        descend(p, id, who, s, theirs, child);
    }

    function differing(Spot memory s, bytes32[] memory theirs, bytes32[] memory mine)
        internal
        pure
        returns (uint256 child)
    {
        uint256 at = s.height - s.levels;
        bytes32[] memory a = levelOf(theirs, at);
        bytes32[] memory b = levelOf(mine, at);
        uint256 first = s.index << s.levels;
        while (child + 1 < s.count && a[first + child] == b[first + child]) ++child;
    }

    function descend(
        Posted memory p,
        bytes32 id,
        address who,
        Spot memory s,
        bytes32[] memory leaves,
        uint256 child
    ) internal {
        (bytes32 hash, bytes32[] memory siblings) = childOf(s, leaves, child);
        if (s.height == s.levels && !s.inNode) return enterNode(p, id, who, s, child, hash, siblings);
        vm.prank(who);
        game.pick(id, s.hash, child, hash, siblings);
    }

    function enterNode(
        Posted memory p,
        bytes32 id,
        address who,
        Spot memory s,
        uint256 child,
        bytes32 hash,
        bytes32[] memory siblings
    ) internal {
        NodeProof memory proof = proofOf((s.index << s.levels) + child);
        vm.prank(who);
        game.pickNode(id, s.hash, child, hash, siblings, p.item, proof);
    }

    function childOf(Spot memory s, bytes32[] memory leaves, uint256 child)
        internal
        pure
        returns (bytes32 hash, bytes32[] memory siblings)
    {
        uint256 at = s.height - s.levels;
        uint256 index = (s.index << s.levels) + child;
        return (levelOf(leaves, at)[index], siblingsOf(leaves, at, index, s.levels));
    }

    // --- a proposer over its committed trace -------------------------------------------------------------------

    /// @dev Answers what the game asks, as far as the committed trace can. False if there is no answer.
    function answer(Posted memory p, bytes32 id, address who) internal virtual returns (bool) {
        Game memory g = game.gameOf(id);
        Phase phase = g.cursor.phase;
        if (phase == Phase.Root) {
            rootAs(p, id, who);
        } else if (phase == Phase.Open) {
            Spot memory s = spotOf(id, p.committed);
            bytes32[] memory level = levelOf(leavesOf(p.committed, id, s.inNode), s.height - s.levels);
            level = slice(level, s.index << s.levels, s.count);
            vm.prank(who);
            game.open(p.id, s.hash, uint8(s.levels), level, uncredited ? bytes32(0) : id);
        } else if (phase == Phase.Chunk) {
            bytes memory data = toy.chunkOf(p.committed, g.node, g.cursor.index);
            vm.prank(who);
            game.openChunk(p.id, g.hash, g.cursor.index, data, uncredited ? bytes32(0) : id);
        } else if (phase == Phase.Output) {
            return outputAs(p, id, who);
        } else {
            return proveAs(p, id, who);
        }
        return true;
    }

    function rootAs(Posted memory p, bytes32 id, address who) internal {
        Spot memory s = spotOf(id, p.committed);
        bytes32[] memory children = levelOf(toy.nodeRoots(p.committed), s.height - s.levels);
        vm.prank(who);
        game.postRoot(p.id, 0, p.committed, p.item, model, children, id);
    }

    function outputAs(Posted memory p, bytes32 id, address who) internal returns (bool) {
        uint32 index = uint32(game.gameOf(id).cursor.index);
        StepData memory data = dataOf(p.item, 4);
        vm.prank(who);
        try game.proveOutput(p.id, 0, index, data, id) {
            return true;
        } catch {
            return false;
        }
    }

    function proveAs(Posted memory p, bytes32 id, address who) internal returns (bool) {
        Game memory g = game.gameOf(id);
        Place memory place = placeOf(id);
        StepData memory data = dataOf(p.item, g.node);
        uint256 terms = place.to != 0 ? place.to - place.from : g.node == 2 ? toy.WIDTH() : 1;
        if (terms <= toy.S()) {
            vm.prank(who);
            try game.prove(id, place, data) {
                return true;
            } catch {
                return false;
            }
        }
        bytes memory entries = pack(entriesOf(p, id, p.committed, g.value));
        vm.prank(who);
        game.postList(id, place, entries, data);
        return true;
    }

    /// @dev The partial sums of the asked place over a trace, the last but one (or only) changed so that they amount to
    /// `value`: what a liar has to do. With the honest trace they stay honest.
    function entriesOf(Posted memory p, bytes32 id, bytes32 root, int64 value)
        internal
        view
        returns (int64[] memory entries)
    {
        Place memory place = placeOf(id);
        int32[] memory row = toy.nodeValues(root, 1);
        uint256 width = toy.WIDTH();
        uint256 base = (uint256(place.chunk) * 128 + place.slot) * width;
        (uint256 from, uint256 to) = (place.from, place.to == 0 ? width : place.to);
        uint256 segment = toy.segmentLength(to - from);
        entries = new int64[]((to - from + segment - 1) / segment);
        int64 total = place.to == 0 ? int64(7) : int64(0);
        for (uint256 i = from; i < to; ++i) {
            entries[(i - from) / segment] += row[base + i];
            total += row[base + i];
        }
        if (root != p.honest) entries[entries.length > 1 ? entries.length - 2 : 0] += value - total;
    }

    function pack(int64[] memory entries) internal pure returns (bytes memory data) {
        for (uint256 i = 0; i < entries.length; ++i) {
            data = abi.encodePacked(data, uint64(entries[i]));
        }
    }

    // --- whole games -------------------------------------------------------------------------------------------

    /// @dev Plays on until the game is over or a side has no move; returns the rounds.
    function play(Posted memory p, bytes32 id, address asker, address answerer)
        internal
        returns (uint256 rounds)
    {
        for (; rounds < 64; ++rounds) {
            if (!answer(p, id, answerer)) return rounds;
            if (phaseOf(id) == Phase.Over) return rounds + 1;
            ask(p, id, asker);
            if (phaseOf(id) == Phase.Over) return rounds + 1;
        }
        revert("the game does not end");
    }

    /// @dev Plays on until the game asks in a phase, and on until that is answered if it is to be.
    function until(Posted memory p, bytes32 id, Phase phase, bool answered) internal {
        for (uint256 i = 0; phaseOf(id) != phase; ++i) {
            require(i < 64, "the game never asks that");
            answer(p, id, defender);
            ask(p, id, challenger);
        }
        if (answered) answer(p, id, defender);
    }

    function phaseOf(bytes32 id) internal view returns (Phase) {
        return game.gameOf(id).cursor.phase;
    }

    function turnOf(bytes32 id) internal view returns (Turn turn) {
        (turn,) = game.turnOf(id);
    }
}
