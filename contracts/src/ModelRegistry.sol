// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelTerms} from "./RollupTypes.sol";
import {ModelHeader} from "./Types.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Program} from "./libraries/Program.sol";
import {Tree} from "./libraries/Tree.sol";

/// What a model's id commits to, as far as posting needs it.
struct Model {
    bool announced;
    uint8 kind;
    uint8 tokenBits;
    uint32 context;
    uint32 vocabulary;
}

/// A price, for ever; in force until the next one is.
struct Price {
    uint64 from;
    uint64 priceIn;
    uint64 priceOut;
}

/// Is a model on the public list: one way before a time, one way from then on.
struct Listing {
    bool before;
    bool afterwards;
    uint64 from;
}

/// @title Models, their prices, and the public list
/// @notice Section 4 of docs/rollup.md. The owner names prices and the public list, always with a delay, so that what is in
/// force at a batch's time is decided when it is posted; it can take nothing.
contract ModelRegistry is IModelRegistry {
    /// @dev Bytes of an interface without stop tokens, and the offset of their number.
    uint256 private constant INTERFACE_BYTES = 85;
    // Used where bytes are cut, which slither does not see.
    // slither-disable-next-line unused-state
    uint256 private constant STOPS_AT = 81;
    /// @notice The most stop tokens of a model.
    uint256 public constant MAX_STOPS = 64;

    /// @notice Who names prices and the public list.
    address public immutable OWNER;
    /// @inheritdoc IModelRegistry
    uint64 public immutable PRICE_DELAY;
    /// @inheritdoc IModelRegistry
    uint64 public immutable LIST_DELAY;
    /// @notice The least price of a model on the public list, wei a token.
    uint64 public immutable MIN_PRICE;

    /// @notice What was announced.
    mapping(bytes32 model => Model) public models;
    /// @notice All prices, by version.
    mapping(bytes32 model => Price[]) public prices;
    /// @notice The public list.
    mapping(bytes32 model => Listing) public listings;

    /// @notice A model can be asked once it has a price.
    event ModelAnnounced(bytes32 indexed model, ModelHeader header, bytes encoded);
    /// @notice Where the artefact is; for humans.
    event ModelDescribed(bytes32 indexed model, string uri, bytes32 artefactHash, uint64 size);
    /// @notice A price will be in force.
    event PriceScheduled(
        bytes32 indexed model, uint32 indexed version, uint64 from, uint64 priceIn, uint64 priceOut
    );
    /// @notice The public list will change.
    event ListingScheduled(bytes32 indexed model, bool listed, uint64 from);

    /// @notice Only the owner does that.
    error NotOwner();
    /// @notice A deployment has an owner.
    error BadRegistryConfig();
    /// @notice The interface is not what the header commits to, or has not the length of its stop tokens.
    error WrongInterface();
    /// @notice The model has no nodes, no vocabulary, an unknown kind, or more than 64 stop tokens.
    error BadModel();
    /// @notice Announce the model first.
    error UnknownModel(bytes32 model);
    /// @notice The model has no such price, or another one is in force then.
    error NotInForce(bytes32 model, uint256 version);
    /// @notice The model is not on the public list.
    error NotListed(bytes32 model);
    /// @notice A public model's prices are at least this.
    error PriceTooLow(uint256 least);

    modifier onlyOwner() {
        _checkOwner();
        _;
    }

    /// @notice Fixes the owner and what it must wait for. The delays must exceed the inbox's SLACK, which checks it.
    constructor(address owner, uint64 priceDelay, uint64 listDelay, uint64 minPrice) {
        if (owner == address(0)) revert BadRegistryConfig();
        (OWNER, PRICE_DELAY, LIST_DELAY, MIN_PRICE) = (owner, priceDelay, listDelay, minPrice);
    }

    /// @notice Makes a model known. Anyone may, as often as they like.
    /// @param header What its id is the hash of.
    /// @param encoded Its interface, as the specification encodes it.
    function announce(ModelHeader calldata header, bytes calldata encoded) external returns (bytes32 model) {
        // INVARIANT: vocabulary, context, kind and stop tokens are those that the model's id commits to.
        if (
            encoded.length < INTERFACE_BYTES
                || keccak256(abi.encodePacked("rf.iface", encoded)) != header.interfaceHash
        ) revert WrongInterface();
        uint256 stops = uint32(bytes4(encoded[STOPS_AT:INTERFACE_BYTES]));
        if (encoded.length != INTERFACE_BYTES + 4 * stops) revert WrongInterface();
        uint256 vocabulary = uint32(bytes4(encoded[0:4]));
        uint8 kind = uint8(encoded[8]);
        // INVARIANT: a trace has a node, a token a bit, and a proof of shape a bounded list to look through.
        if (header.nodes == 0 || vocabulary == 0 || kind > 1 || stops > MAX_STOPS) revert BadModel();
        model = Program.modelId(header);
        models[model] = Model({
            announced: true,
            kind: kind,
            tokenBits: vocabulary == 1 ? 1 : uint8(Tree.depth(vocabulary)),
            context: uint32(bytes4(encoded[4:8])),
            vocabulary: uint32(vocabulary)
        });
        emit ModelAnnounced(model, header, encoded);
    }

    /// @notice Says where an artefact is. No rule reads it.
    function describe(bytes32 model, string calldata uri, bytes32 artefactHash, uint64 size)
        external
        onlyOwner
    {
        _announced(model);
        emit ModelDescribed(model, uri, artefactHash, size);
    }

    /// @notice Names the next price of a model, in force after the delay.
    /// @return version Its number.
    function schedule(bytes32 model, uint64 priceIn, uint64 priceOut)
        external
        onlyOwner
        returns (uint32 version)
    {
        _announced(model);
        // INVARIANT: who is served by everybody pays for it.
        if (isListed(model, block.timestamp) || listings[model].afterwards) {
            _atLeastMinimum(priceIn, priceOut);
        }
        version = uint32(prices[model].length);
        uint64 from = uint64(block.timestamp) + PRICE_DELAY;
        prices[model].push(Price({from: from, priceIn: priceIn, priceOut: priceOut}));
        emit PriceScheduled(model, version, from, priceIn, priceOut);
    }

    /// @notice Puts a model on the public list, or takes it off, after the delay. Only list models whose artefact
    /// anybody can get and, for a vector, whose row is at most ENTRY_TOKENS wide.
    function list(bytes32 model, bool listed) external onlyOwner {
        _announced(model);
        if (listed) {
            Price[] storage all = prices[model];
            for (uint256 i = all.length; i > 0; --i) {
                Price memory price = all[i - 1];
                // INVARIANT: whatever is or will be in force is not below the minimum.
                _atLeastMinimum(price.priceIn, price.priceOut);
                // What came before this one is over.
                if (price.from <= block.timestamp) break;
            }
        }
        bool before = isListed(model, block.timestamp);
        uint64 from = uint64(block.timestamp) + LIST_DELAY;
        listings[model] = Listing({before: before, afterwards: listed, from: from});
        emit ListingScheduled(model, listed, from);
    }

    /// @notice Is a model on the public list at a time, as decided so far.
    function isListed(bytes32 model, uint256 time) public view returns (bool) {
        Listing memory listing = listings[model];
        return time >= listing.from ? listing.afterwards : listing.before;
    }

    /// @notice Number of prices that were named.
    function versions(bytes32 model) external view returns (uint256) {
        return prices[model].length;
    }

    /// @inheritdoc IModelRegistry
    function termsAt(bytes32 model, uint32 version, uint256 time) external view returns (ModelTerms memory) {
        Price[] storage all = prices[model];
        _announced(model);
        // INVARIANT: a price in a batch is the one in force at its time.
        if (version >= all.length || all[version].from > time) revert NotInForce(model, version);
        if (uint256(version) + 1 < all.length && all[uint256(version) + 1].from <= time) {
            revert NotInForce(model, version);
        }
        return _terms(model, all[version]);
    }

    /// @inheritdoc IModelRegistry
    function quote(bytes32 model) external view returns (ModelTerms memory) {
        _announced(model);
        // INVARIANT: everybody can be made to serve only what everybody can get.
        if (!isListed(model, block.timestamp)) revert NotListed(model);
        Price[] storage all = prices[model];
        // Only as many prices are looked at as were named within the delay.
        for (uint256 i = all.length; i > 0; --i) {
            if (all[i - 1].from <= block.timestamp) return _terms(model, all[i - 1]);
        }
        revert NotInForce(model, 0);
    }

    /// @dev A model with a price.
    function _terms(bytes32 id, Price memory price) private view returns (ModelTerms memory) {
        Model memory model = models[id];
        return ModelTerms({
            kind: model.kind,
            tokenBits: model.tokenBits,
            context: model.context,
            vocabulary: model.vocabulary,
            priceIn: price.priceIn,
            priceOut: price.priceOut
        });
    }

    function _announced(bytes32 model) private view {
        if (!models[model].announced) revert UnknownModel(model);
    }

    function _atLeastMinimum(uint64 priceIn, uint64 priceOut) private view {
        if (priceIn < MIN_PRICE || priceOut < MIN_PRICE) revert PriceTooLow(MIN_PRICE);
    }

    function _checkOwner() private view {
        // INVARIANT: nobody else names a price.
        if (msg.sender != OWNER) revert NotOwner();
    }
}
