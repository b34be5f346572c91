// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item, ModelHeader} from "./Types.sol";
import {IAssertions, Status} from "./interfaces/IAssertions.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {Hashing} from "./libraries/Hashing.sol";
import {Program} from "./libraries/Program.sol";
import {Tree} from "./libraries/Tree.sol";

/// What a proposer says of one inference. The contract makes its header.
struct PostedItem {
    bytes32 modelId;
    uint32 promptLength;
    uint32 outputLength;
    uint32 temperature;
    uint32 topK;
    uint32 topP;
    uint32 minP;
    bytes32 seed;
    /// Packed tokens.
    bytes prompt;
    /// Packed tokens, or the vector's i32 elements, little-endian.
    bytes output;
}

/// What a header's making needs of a model.
struct Model {
    bool announced;
    uint8 kind;
    uint8 tokenBits;
    uint32 context;
    uint32 vocabulary;
}

/// A stake on some items.
struct Assertion {
    address proposer;
    uint40 postedAt;
    uint32 items;
    Status status;
    address defender;
    bool revoked;
    uint88 stake;
    bytes32 itemsRoot;
}

/// @title A stand-in for the chain of assertions, for one dispute alone
/// @notice Assertions here stand alone: the parent is part of the id and nothing else; there is no ledger, no signed
/// request, no queue. What a game needs is all here: posted data, a snapshot, a stake, confirmation and rejection.
contract StandInAssertions is IAssertions {
    /// @notice The one contract that can reject.
    IDisputeGame public immutable GAME;
    /// @notice Holds the stakes.
    IBondVault public immutable VAULT;

    /// @notice Models that can be asked.
    mapping(bytes32 modelId => Model) public models;
    mapping(bytes32 assertion => Assertion) private _assertions;

    /// @notice A model can be asked from now on.
    event ModelAnnounced(bytes32 indexed modelId, ModelHeader header, bytes encoded);
    /// @notice An assertion was posted.
    event AssertionPosted(
        bytes32 indexed assertion,
        address indexed proposer,
        bytes32 parent,
        address defender,
        uint256 items,
        bytes32 itemsRoot
    );
    /// @notice The posted data, where they are not the calldata of a plain account's transaction.
    event AssertionData(bytes32 indexed assertion, bytes data);
    /// @notice Nobody refuted the assertion in time.
    event AssertionConfirmed(bytes32 indexed assertion);
    /// @notice A game refuted the assertion.
    event AssertionRejected(bytes32 indexed assertion);
    /// @notice The defender key can no longer answer.
    event DefenderRevoked(bytes32 indexed assertion);

    /// @notice The interface's encoding is not what the model's header commits to.
    error WrongInterface();
    /// @notice The model has no nodes, an unknown kind, or no vocabulary.
    error BadModel();
    /// @notice Announce the model first.
    error UnknownModel(bytes32 modelId);
    /// @notice An assertion has at least one item.
    error NoItems();
    /// @notice The stake must be exactly this.
    error WrongStake(uint256 due);
    /// @notice An item needs a prompt and an output, and no more positions than the model's context.
    error BadLength(uint256 index);
    /// @notice Sampling values are out of range: temperature 0 or 656 to 6,553,600, topP 1 to 65,536, minP at most 65,536;
    /// for a vector 0, 0, 65,536, 0 and no seed.
    error BadSampling(uint256 index);
    /// @notice The prompt has a token that the model does not have.
    error BadToken(uint256 index, uint256 token);
    /// @notice The packed data must have this many bytes.
    error WrongDataLength(uint256 sent, uint256 due);
    /// @notice The last byte's unused bits must be zero.
    error LooseBits();
    /// @notice This very assertion is posted already.
    error AlreadyPosted(bytes32 assertion);
    /// @notice The assertion is not pending.
    error NotPending(bytes32 assertion);
    /// @notice The window lasts until then.
    error TooEarly(uint256 end);
    /// @notice Games are open: close them first.
    error GamesOpen(uint256 count);
    /// @notice Only the game rejects.
    error NotGame();
    /// @notice Only the proposer revokes its key.
    error NotProposer();

    /// @notice Fixes the partners. The game's address is known before it is made.
    constructor(IDisputeGame game, IBondVault vault) {
        GAME = game;
        VAULT = vault;
    }

    /// @notice Makes a model known. Anyone may.
    /// @param header What its id is the hash of.
    /// @param encoded Its interface, as the specification encodes it.
    function announce(ModelHeader calldata header, bytes calldata encoded)
        external
        returns (bytes32 modelId)
    {
        // INVARIANT: vocabulary and kind are those that the model's id commits to.
        if (encoded.length < 85 || keccak256(abi.encodePacked("rf.iface", encoded)) != header.interfaceHash) {
            revert WrongInterface();
        }
        uint256 vocabulary = uint32(bytes4(encoded[0:4]));
        uint8 kind = uint8(encoded[8]);
        // INVARIANT: a trace has a node, and a token a bit.
        if (header.nodes == 0 || vocabulary == 0 || kind > 1) revert BadModel();
        modelId = Program.modelId(header);
        models[modelId] = Model({
            announced: true,
            kind: kind,
            tokenBits: vocabulary == 1 ? 1 : uint8(Tree.depth(vocabulary)),
            context: uint32(bytes4(encoded[4:8])),
            vocabulary: uint32(vocabulary)
        });
        emit ModelAnnounced(modelId, header, encoded);
    }

    /// @notice Stakes on items. The sent money is the stake.
    /// @param parent The assertion before: part of the id.
    /// @param defender Who may answer besides the proposer; the proposer itself if nobody else.
    /// @param items The inferences.
    /// @return assertion keccak of parent, items, proposer and snapshot: after a reorganisation it is another one.
    function post(bytes32 parent, address defender, PostedItem[] calldata items)
        external
        payable
        returns (bytes32 assertion)
    {
        uint256 due = GAME.leastStake();
        // INVARIANT: half of the stake pays closer, bounty and gas.
        if (msg.value != due) revert WrongStake(due);
        if (items.length == 0) revert NoItems();
        bytes32[] memory hashes = new bytes32[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            hashes[i] = _itemHash(i, items[i]);
        }
        bytes32 root = Tree.openingRoot(hashes, Tree.depth(items.length));
        assertion = keccak256(abi.encode(parent, root, msg.sender, block.timestamp, defender));
        Assertion storage a = _assertions[assertion];
        // INVARIANT: an id has one stake.
        if (a.status != Status.None) revert AlreadyPosted(assertion);
        (a.proposer, a.postedAt, a.items) = (msg.sender, uint40(block.timestamp), uint32(items.length));
        (a.defender, a.stake, a.itemsRoot, a.status) = (defender, uint88(due), root, Status.Pending);
        emit AssertionPosted(assertion, msg.sender, parent, defender, items.length, root);
        // INVARIANT: a watcher of an ordinary RPC sees all data: as a transaction's calldata, or in the log.
        // slither-disable-next-line tx-origin
        if (msg.sender != tx.origin || msg.sender.code.length != 0) emit AssertionData(assertion, msg.data);
        VAULT.deposit{value: due}(address(this));
    }

    /// @notice Confirms an assertion that nobody refuted. Anyone may. The stake is the proposer's again, in the vault.
    function confirm(bytes32 assertion) external {
        Assertion storage a = _pending(assertion);
        uint256 end = uint256(a.postedAt) + GAME.window();
        // INVARIANT: everybody had the whole window to challenge.
        if (block.timestamp < end) revert TooEarly(end);
        uint256 games = GAME.openGames(assertion);
        // INVARIANT: no question is left open.
        if (games != 0) revert GamesOpen(games);
        a.status = Status.Confirmed;
        emit AssertionConfirmed(assertion);
        VAULT.pay(a.proposer, a.stake);
    }

    /// @notice Takes the defender key's right to answer. It cannot be given to another.
    function revokeDefender(bytes32 assertion) external {
        Assertion storage a = _assertions[assertion];
        // INVARIANT: a stolen key cannot lock its owner out.
        if (msg.sender != a.proposer) revert NotProposer();
        a.revoked = true;
        emit DefenderRevoked(assertion);
    }

    /// @inheritdoc IAssertions
    function reject(bytes32 assertion) external returns (uint256 stake) {
        // INVARIANT: only a game that its proposer lost rejects.
        if (msg.sender != address(GAME)) revert NotGame();
        Assertion storage a = _pending(assertion);
        a.status = Status.Rejected;
        stake = a.stake;
        emit AssertionRejected(assertion);
        VAULT.pay(msg.sender, stake);
    }

    /// @inheritdoc IAssertions
    function assertionOf(bytes32 assertion)
        external
        view
        returns (Status status, uint40 postedAt, uint32 items, bytes32 itemsRoot)
    {
        Assertion storage a = _assertions[assertion];
        return (a.status, a.postedAt, a.items, a.itemsRoot);
    }

    /// @inheritdoc IAssertions
    function proposerOf(bytes32 assertion) external view returns (address) {
        return _assertions[assertion].proposer;
    }

    /// @inheritdoc IAssertions
    function isDefender(bytes32 assertion, address account) external view returns (bool) {
        Assertion storage a = _assertions[assertion];
        return a.status != Status.None && a.defender == account && !a.revoked;
    }

    /// @inheritdoc IAssertions
    function defenderOf(bytes32 assertion) external view returns (address) {
        Assertion storage a = _assertions[assertion];
        return a.revoked ? a.proposer : a.defender;
    }

    /// @inheritdoc IAssertions
    function twinOf(address) external pure returns (address) {
        return address(0);
    }

    /// @dev An assertion that is not settled.
    function _pending(bytes32 assertion) private view returns (Assertion storage a) {
        a = _assertions[assertion];
        // INVARIANT: an assertion is settled once.
        if (a.status != Status.Pending) revert NotPending(assertion);
    }

    /// @dev Hash of the header that the posted data make.
    function _itemHash(uint256 index, PostedItem calldata posted) private view returns (bytes32) {
        Model memory model = models[posted.modelId];
        if (!model.announced) revert UnknownModel(posted.modelId);
        uint256 tokens = uint256(posted.promptLength) + (model.kind == 0 ? posted.outputLength : 0);
        // INVARIANT: every item has a last position, and a model can run it.
        if (posted.promptLength == 0 || posted.outputLength == 0 || tokens > model.context) {
            revert BadLength(index);
        }
        // INVARIANT: every machine can trace what is posted: sampling values of the specification, nothing to sample in a
        // vector, and a row for each token of the prompt.
        if (!_validSampling(model.kind, posted)) revert BadSampling(index);
        uint256 outputBits = model.kind == 0 ? model.tokenBits : 32;
        _checkPrompt(index, model, posted);
        return _headerHash(
            Item({
                modelId: posted.modelId,
                kind: model.kind,
                tokenBits: model.tokenBits,
                promptLength: posted.promptLength,
                outputLength: posted.outputLength,
                temperature: posted.temperature,
                topK: posted.topK,
                topP: posted.topP,
                minP: posted.minP,
                seed: posted.seed,
                promptRoot: _packedRoot(posted.prompt, uint256(posted.promptLength) * model.tokenBits),
                outputRoot: _packedRoot(posted.output, uint256(posted.outputLength) * outputBits)
            })
        );
    }

    /// @dev The sampling values that the specification, 3.5, allows; a vector has none.
    function _validSampling(uint8 kind, PostedItem calldata posted) private pure returns (bool) {
        if (kind != 0) {
            return posted.temperature == 0 && posted.topK == 0 && posted.topP == 65_536 && posted.minP == 0
                && posted.seed == 0;
        }
        return (posted.temperature == 0 || posted.temperature >= 656 && posted.temperature <= 6_553_600)
            && posted.topP >= 1 && posted.topP <= 65_536 && posted.minP <= 65_536;
    }

    /// @dev Every token of the prompt is one of the vocabulary. (Of the output the samples say it.)
    function _checkPrompt(uint256 index, Model memory model, PostedItem calldata posted) private pure {
        uint256 bits = model.tokenBits;
        if (uint256(1) << bits == model.vocabulary) return;
        bytes calldata prompt = posted.prompt;
        uint256 due = (uint256(posted.promptLength) * bits + 7) / 8;
        if (prompt.length != due) revert WrongDataLength(prompt.length, due);
        for (uint256 i = 0; i < posted.promptLength; ++i) {
            uint256 word;
            // A word from the token's first byte: it holds the token's at most 32 bits, and what follows is cut off.
            assembly ("memory-safe") {
                word := calldataload(add(prompt.offset, shr(3, mul(i, bits))))
            }
            uint256 token = (word << (i * bits) % 8) >> (256 - bits);
            if (token >= model.vocabulary) revert BadToken(index, token);
        }
    }

    /// @dev `Program.itemHash` of a header in memory.
    function _headerHash(Item memory item) private pure returns (bytes32) {
        bytes memory head = abi.encodePacked(
            "rf.item_",
            item.modelId,
            item.kind,
            item.tokenBits,
            item.promptLength,
            item.outputLength,
            item.temperature
        );
        return keccak256(
            abi.encodePacked(
                head, item.topK, item.topP, item.minP, item.seed, item.promptRoot, item.outputRoot
            )
        );
    }

    /// @dev Tensor root of packed bits.
    function _packedRoot(bytes calldata data, uint256 bits) private pure returns (bytes32) {
        uint256 due = (bits + 7) / 8;
        // INVARIANT: data have one encoding.
        if (data.length != due) revert WrongDataLength(data.length, due);
        uint256 loose = 8 * due - bits;
        if (uint8(data[due - 1]) & ((uint256(1) << loose) - 1) != 0) revert LooseBits();
        bytes32[] memory chunks = new bytes32[]((due + Hashing.CHUNK - 1) / Hashing.CHUNK);
        for (uint256 i = 0; i < chunks.length; ++i) {
            uint256 end = (i + 1) * Hashing.CHUNK;
            chunks[i] = Hashing.chunkHashCalldata(i, data[i * Hashing.CHUNK:end < due ? end : due]);
        }
        return Tree.openingRoot(chunks, Tree.depth(chunks.length));
    }
}
