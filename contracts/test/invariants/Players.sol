// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GameTest} from "../support/GameTest.sol";
import {Config} from "src/game/GameBase.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Turn} from "src/libraries/Clock.sol";
import {Game, Phase} from "src/libraries/Games.sol";
import {Hashing} from "src/libraries/Hashing.sol";

/// @notice All players of the invariant tests. The honest ones act whenever time passes; everybody else whenever the
/// fuzzer says so, in any order: random and idle challengers, one who takes others' answers, one who answers first, a
/// proposer who challenges itself, one who drains refunds, a stranger who posts garbage, planted traces.
contract Players is GameTest {
    struct Known {
        Posted posted;
        bool right;
        bool watched;
        uint256 at;
    }

    struct Played {
        uint256 post;
        bytes32 id;
        address challenger;
    }

    uint256 internal constant MOST_POSTS = 5;
    uint256 internal constant MOST_GAMES = 24;
    uint256 internal constant STEP = 50 minutes;

    Known[] internal known;
    Played[] internal played;
    address internal honest = makeAddr("honest");
    uint64 internal counters;

    /// @notice The time, and the price of gas. Kept here: what a cheatcode did in a call that reverts stays done, and
    /// the reverted call is not in the sequence that forge reports.
    uint256 public time;
    uint256 internal baseFee;
    uint256 internal price;

    modifier now_() {
        vm.stopPrank();
        vm.warp(time);
        vm.fee(baseFee);
        vm.txGasPrice(price);
        _;
    }

    /// @notice Set once an honest player's move reverts.
    bytes public failure;
    /// @notice Bonds that the honest challenger has paid.
    uint256 public honestBonds;

    function parameters() internal pure override returns (Config memory config) {
        config = super.parameters();
        (config.window, config.proposerBudget) = (20 hours, 10 hours);
        (config.moveMinimum, config.traceMinimum) = (1 hours, 3 hours);
    }

    function start() external {
        deploy(6, 40, 4);
        (time, baseFee, price) = (block.timestamp, 10 gwei, 11 gwei);
        vm.deal(honest, 1000 ether);
    }

    // --- reading, for the invariants ---------------------------------------------------------------------------

    function counts() external view returns (uint256, uint256) {
        return (known.length, played.length);
    }

    function knownAt(uint256 i) external view returns (Known memory) {
        return known[i];
    }

    function playedAt(uint256 i) external view returns (Played memory) {
        return played[i];
    }

    function partners() external view returns (address, address, address) {
        return (address(game), address(assertions), address(vault));
    }

    function actors() public view returns (address[6] memory) {
        return [proposer, defender, challenger, stranger, honest, address(this)];
    }

    function latest(uint256 i) public view returns (uint256) {
        // Rounds: root, node, two of the chunk tree at most, chunk, element, segment.
        Config memory config = parameters();
        return known[i].at + config.window + config.proposerBudget + 7 * 2 * config.moveMinimum + 2
            * config.traceMinimum;
    }

    function statusOf(uint256 i) public view returns (Status status) {
        (status,,,) = assertions.assertionOf(known[i].posted.id);
    }

    function isLive(uint256 i) public view returns (bool) {
        return phaseOf(played[i].id) != Phase.Over && statusOf(played[i].post) == Status.Pending;
    }

    // --- posting -----------------------------------------------------------------------------------------------

    function post(uint256 seed, uint8 kind, uint16 at, int8 delta) external now_ {
        if (known.length == MOST_POSTS) return;
        kind %= 4;
        uint256 node = [uint256(0), 1, 2, 4, 5][at % 5];
        uint256 flat = uint256(at >> 3) % (node < 2 ? 160 : node == 4 ? 3 : 4);
        if (delta == 0) delta = 1;
        Posted memory p = kind == 3
            ? plant(bytes32(seed), node, flat, delta)
            : postTrace(bytes32(seed), node, flat, kind == 0 ? int32(0) : int32(delta), kind == 2 ? 1 : 0);
        if (kind == 1 && at % 2 == 0) p = postTrace(bytes32(~seed), 0, 0, 0, 1);
        known.push();
        Known storage k = known[known.length - 1];
        (k.posted, k.right, k.watched, k.at) = (p, kind == 0, true, time);
    }

    /// @dev A wrong trace, and garbage in the node without positions, before or after it.
    function plant(bytes32 seed, uint256 node, uint256 flat, int32 delta) internal returns (Posted memory p) {
        (p.item.modelId, p.item.tokenBits, p.item.seed) = (modelId(), 4, seed);
        p.item.topP = 65_536;
        (p.item.promptLength, p.item.outputLength) = (PROMPT, OUTPUT);
        int32[][] memory v = toy.make(p.item, node, flat, delta);
        p.committed = toy.register(v, delta % 2 == 0 ? Hashing.chunkHash(0, "") : keccak256("garbage"));
        p.honest = toy.register(toy.make(p.item, 0, 0, 0), Hashing.PAD);
        uint8[] memory tokens = new uint8[](OUTPUT);
        for (uint256 i = 0; i < OUTPUT; ++i) {
            tokens[i] = uint8(uint32(v[4][i]));
        }
        return postItem(p, p.item, tokens);
    }

    // --- the others --------------------------------------------------------------------------------------------

    /// @notice Idle, random, self-challenging, draining: whoever it is, what they do later decides.
    function challengeBy(uint256 which, uint8 who) external now_ {
        if (known.length == 0 || played.length >= MOST_GAMES) return;
        which %= known.length;
        address by = [challenger, stranger, proposer, defender][who % 4];
        played.push(Played(which, challengeAs(known[which].posted, by, ++counters), by));
    }

    function gasPrice(uint64 base, uint64 tip) external {
        baseFee = base % 200 gwei;
        price = baseFee + tip % 5 gwei;
    }

    /// @notice The cheating proposer answers as well as it can; a stranger answers what anyone may.
    function answerBy(uint256 which, uint8 who) external now_ {
        Played memory g = played[which % played.length];
        answer(known[g.post].posted, g.id, [proposer, defender, stranger, challenger][who % 4]);
    }

    /// @notice A cheating proposer who answers as far as it can, all at once, the honest players acting in between.
    function cheat(uint256 which) external now_ {
        Played memory g = played[which % played.length];
        for (uint256 i = 0; i < 8 && phaseOf(g.id) != Phase.Over; ++i) {
            try this.cheatOnce(g, i) returns (bool answered) {
                if (!answered) return;
            } catch {
                return;
            }
            honestPlayers();
        }
    }

    function cheatOnce(Played memory g, uint256 i) external returns (bool) {
        require(msg.sender == address(this), "not for the fuzzer");
        vm.stopPrank();
        return answer(known[g.post].posted, g.id, i % 2 == 0 ? defender : proposer);
    }

    /// @notice Somebody else asks in a challenger's game.
    function meddle(uint256 which, uint256 random) external now_ {
        Played memory g = played[which % played.length];
        if (g.challenger == stranger) return;
        bytes32 asked = keccak256(abi.encode(game.gameOf(g.id)));
        g.challenger = stranger;
        try this.askOnce(g, random) {} catch {}
        if (asked != keccak256(abi.encode(game.gameOf(g.id)))) failure = "a stranger asks";
    }

    function askOnce(Played memory g, uint256 random) external {
        require(msg.sender == address(this), "not for the fuzzer");
        vm.stopPrank();
        askIn(g, random);
    }

    /// @notice A challenger asks at random.
    function askAtRandom(uint256 which, uint256 random) external now_ {
        Played memory g = played[which % played.length];
        if (g.challenger != honest) askIn(g, random);
    }

    function askIn(Played memory g, uint256 random) internal {
        Posted memory p = known[g.post].posted;
        Game memory asked = game.gameOf(g.id);
        if (asked.cursor.phase == Phase.Root && random % 4 == 0) {
            vm.prank(g.challenger);
            return game.pickOutput(g.id, p.committed, uint32(random >> 8) % OUTPUT);
        }
        if (asked.cursor.phase == Phase.Root || asked.cursor.phase == Phase.Open) {
            Spot memory s = spotOf(g.id, p.committed);
            bytes32[] memory leaves = leavesOf(p.committed, g.id, s.inNode);
            return descend(p, g.id, g.challenger, s, leaves, (random >> 8) % s.count);
        }
        if (asked.cursor.phase == Phase.Chunk) {
            bytes memory data = toy.chunkOf(p.committed, asked.node, asked.cursor.index);
            uint32 slot = uint32((random >> 8) % (data.length / 4));
            vm.prank(g.challenger);
            return game.pickElement(g.id, asked.hash, slot, data);
        }
        bytes memory entries = pack(entriesOf(p, g.id, p.committed, asked.value));
        bytes32 digest = game.listOf(p.id, 0, placeOf(g.id)).digest;
        uint32 segment = uint32((random >> 8) % (entries.length / 8));
        vm.prank(g.challenger);
        game.pickSegment(g.id, digest, entries, segment);
    }

    /// @notice A stranger posts a root or a list of garbage; it must not count.
    function garbage(uint256 which) external now_ {
        Played memory g = played[which % played.length];
        Posted memory p = known[g.post].posted;
        bytes32[] memory children = new bytes32[](6);
        if (phaseOf(g.id) == Phase.Root) {
            bytes32 root = levelOf(children, 3)[0];
            vm.prank(stranger);
            (bool done,) = address(game)
                .call(abi.encodeCall(game.postRoot, (p.id, 0, root, p.item, model, children, g.id)));
            if (done) failure = "garbage became a root";
        } else {
            bytes memory entries = pack(entriesOf(p, g.id, p.committed, game.gameOf(g.id).value));
            bytes memory call = abi.encodeCall(
                game.postList, (g.id, placeOf(g.id), entries, dataOf(p.item, game.gameOf(g.id).node))
            );
            vm.prank(stranger);
            (bool done,) = address(game).call(call);
            if (done && phaseOf(g.id) != Phase.Over) failure = "garbage became a list";
        }
    }

    function timeoutBy(uint256 which, uint8 who) external now_ {
        bytes32 id = played[which % played.length].id;
        vm.prank(actors()[who % 6]);
        game.timeout(id);
    }

    function claimBy(uint256 which) external now_ {
        game.claim(played[which % played.length].id);
    }

    function confirmBy(uint256 which) external now_ {
        assertions.confirm(known[which % known.length].posted.id);
    }

    function withdrawBy(uint8 who, uint96 amount) external now_ {
        address actor = actors()[who % 5];
        if (actor == honest) return;
        uint256 balance = vault.balanceOf(actor);
        if (balance == 0) return;
        vm.prank(actor);
        vault.withdraw(amount % (balance + 1), payable(actor));
    }

    // --- time, and the honest players --------------------------------------------------------------------------

    function pass(uint32 seconds_) external now_ {
        uint256 end = time + seconds_ % 8 hours;
        honestPlayers();
        while (time < end) {
            step(end - time < STEP ? end - time : STEP);
            honestPlayers();
        }
    }

    function step(uint256 by) internal {
        time += by;
        vm.warp(time);
    }

    function honestPlayers() internal {
        for (uint256 i = 0; i < known.length; ++i) {
            bool open = time < known[i].at + 20 hours;
            if (known[i].right || !known[i].watched || !open || statusOf(i) != Status.Pending) continue;
            known[i].watched = false;
            honestBonds += game.bondOf(known[i].posted.item);
            played.push(Played(i, challengeAs(known[i].posted, honest, 0), honest));
        }
        for (uint256 i = 0; i < played.length; ++i) {
            for (uint256 moves = 0; moves < 2 && isLive(i); ++moves) {
                try this.honestMove(i) returns (bool moved) {
                    if (!moved) break;
                } catch (bytes memory reason) {
                    if (failure.length == 0) failure = bytes.concat("an honest move reverts: ", reason);
                    break;
                }
            }
        }
    }

    function honestMove(uint256 i) external returns (bool) {
        require(msg.sender == address(this), "not for the fuzzer");
        vm.stopPrank();
        Played memory g = played[i];
        Posted memory p = known[g.post].posted;
        (Turn turn, bool ended) = game.turnOf(g.id);
        bool mine = g.challenger == honest;
        if (known[g.post].right) {
            if (ended || turn == Turn.ChallengerLate) {
                vm.prank(defender);
                game.timeout(g.id);
                return true;
            }
            if (turn == Turn.ProposerLate) failure = "an honest proposer is late";
            return turn == Turn.Proposer && answer(p, g.id, i % 2 == 0 ? defender : proposer);
        }
        if (!mine) return false;
        if (ended || turn == Turn.ChallengerLate) failure = "an honest challenger loses";
        if (turn == Turn.ProposerLate) {
            vm.prank(honest);
            game.timeout(g.id);
            return true;
        }
        if (turn != Turn.Challenger) return false;
        ask(p, g.id, honest);
        return true;
    }

    /// @notice Waits until nothing can last, closes everything, pays everybody.
    function finish() external now_ {
        honestPlayers();
        for (uint256 i = 0; i < 120; ++i) {
            step(STEP);
            honestPlayers();
        }
        for (uint256 i = 0; i < played.length; ++i) {
            if (statusOf(played[i].post) == Status.Rejected) game.claim(played[i].id);
            else game.timeout(played[i].id);
        }
        for (uint256 i = 0; i < played.length; ++i) {
            if (phaseOf(played[i].id) != Phase.Over) game.claim(played[i].id);
        }
        for (uint256 i = 0; i < known.length; ++i) {
            if (statusOf(i) == Status.Pending) assertions.confirm(known[i].posted.id);
        }
    }
}
