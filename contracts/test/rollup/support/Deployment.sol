// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Assertions} from "src/Assertions.sol";
import {Batches} from "src/Batches.sol";
import {BondVault} from "src/BondVault.sol";
import {Exits} from "src/Exits.sol";
import {Inbox} from "src/Inbox.sol";
import {LedgerVerifier} from "src/LedgerVerifier.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {Receipts} from "src/Receipts.sol";
import {Results} from "src/Results.sol";
import {RollupConfig} from "src/RollupTypes.sol";
import {ShapeVerifier} from "src/ShapeVerifier.sol";
import {IConfiguredGame, StepGame} from "src/StepGame.sol";
import {ModelHeader} from "src/Types.sol";
import {Config} from "src/game/Terms.sol";
import {Views} from "src/game/Views.sol";
import {IChain} from "src/interfaces/IChain.sol";
import {IDisputeGame} from "src/interfaces/IDisputeGame.sol";

/// @notice A whole rollup, as a deployment makes it.
abstract contract Deployment is Test {
    BondVault internal vault;
    ModelRegistry internal registry;
    Inbox internal inbox;
    Assertions internal assertions;
    Batches internal batches;
    Views internal game;
    LedgerVerifier internal ledger;
    ShapeVerifier internal shape;
    StepGame internal stepGame;
    Exits internal exits;
    Results internal results;
    Receipts internal receipts;

    address internal owner = makeAddr("owner");
    address internal sequencer;
    uint256 internal sequencerKey;
    address internal defender = makeAddr("defender");
    address internal challenger = makeAddr("challenger");
    address internal stranger = makeAddr("stranger");
    uint256 internal constant ENTRY_FEE = 0.0005 ether;

    function gameConfig() internal pure virtual returns (Config memory) {
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

    function rollupConfig() internal pure virtual returns (RollupConfig memory) {
        return RollupConfig({
            slack: 15 minutes,
            forceDelay: 6 hours,
            grace: 1 hours,
            expire: 14 days,
            forcedEntries: 8,
            entryTokens: 8192,
            tokensPerHour: 200_000,
            entryFee: uint128(ENTRY_FEE),
            minDeposit: 0.001 ether
        });
    }

    function deploy() internal {
        vm.warp(1_800_000_000);
        vm.fee(10 gwei);
        vm.txGasPrice(11 gwei);
        (sequencer, sequencerKey) = makeAddrAndKey("sequencer");
        uint64 nonce = vm.getNonce(address(this));
        vault = new BondVault();
        registry = new ModelRegistry(owner, 1 days, 1 days, 10 gwei);
        inbox = new Inbox(rollupConfig(), registry, vault, at(nonce, 9));
        address[] memory sources = new address[](1);
        sources[0] = at(nonce, 4);
        assertions = new Assertions(
            IDisputeGame(at(nonce, 5)), IDisputeGame(at(nonce, 8)), inbox, vault, sources, sequencer
        );
        batches = new Batches(registry, inbox, assertions);
        game = Views(
            vm.deployCode(
                "DisputeGame.sol:DisputeGame", abi.encode(gameConfig(), assertions, vault, address(0))
            )
        );
        ledger = new LedgerVerifier(inbox.DOMAIN(), ENTRY_FEE);
        shape = new ShapeVerifier();
        stepGame = new StepGame(IConfiguredGame(address(game)), assertions, vault, ledger, shape);
        exits = new Exits(IChain(address(assertions)), inbox);
        results = new Results(IChain(address(assertions)));
        receipts = new Receipts(IChain(address(assertions)), inbox, vault, 0.1 ether, 30 days);
        require(address(exits) == at(nonce, 9), "addresses were predicted wrong");
        address[4] memory all = [sequencer, defender, challenger, stranger];
        for (uint256 i = 0; i < 4; ++i) {
            vm.deal(all[i], 1_000_000 ether);
        }
    }

    function at(uint64 nonce, uint64 i) private view returns (address) {
        return vm.computeCreateAddress(address(this), nonce + i);
    }

    // --- models ------------------------------------------------------------------------------------------------

    struct Known {
        bytes32 id;
        ModelHeader header;
        bytes face;
        uint32 version;
        uint8 kind;
        uint8 bits;
        uint32 vocabulary;
        uint32 context;
        uint64 priceIn;
        uint64 priceOut;
    }

    Known[] internal known;

    function faceOf(uint32 vocabulary, uint32 context, uint8 kind, uint32[] memory stops)
        internal
        pure
        returns (bytes memory face)
    {
        face = abi.encodePacked(vocabulary, context, kind, uint32(4), uint32(4), bytes32(0), bytes32(0));
        face = abi.encodePacked(face, uint32(stops.length));
        for (uint256 i = 0; i < stops.length; ++i) {
            face = abi.encodePacked(face, stops[i]);
        }
    }

    function headerOf(bytes memory face) internal pure returns (ModelHeader memory) {
        return ModelHeader({
            nodes: 8,
            constants: 0,
            nodesRoot: keccak256("nodes"),
            constantsRoot: keccak256("constants"),
            interfaceHash: keccak256(abi.encodePacked("rf.iface", face))
        });
    }

    /// @dev Announces, prices and lists a model; it can be used a day later.
    function announce(uint32 vocabulary, uint32 context, uint8 kind, uint32[] memory stops)
        internal
        returns (uint256 index)
    {
        Known memory k;
        k.face = faceOf(vocabulary, context, kind, stops);
        k.header = headerOf(k.face);
        k.id = registry.announce(k.header, k.face);
        (k.kind, k.vocabulary, k.context) = (kind, vocabulary, context);
        k.bits = 1;
        while (uint256(1) << k.bits < vocabulary) ++k.bits;
        (k.priceIn, k.priceOut) = (20 gwei, 50 gwei);
        vm.startPrank(owner);
        k.version = registry.schedule(k.id, k.priceIn, k.priceOut);
        registry.list(k.id, true);
        vm.stopPrank();
        index = known.length;
        known.push(k);
    }
}
