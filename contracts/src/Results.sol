// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived, StepProof} from "./RollupTypes.sol";
import {Item} from "./Types.sol";
import {Status} from "./interfaces/IAssertions.sol";
import {IChain} from "./interfaces/IChain.sol";
import {IERC165, IInferenceConsumer} from "./interfaces/IInferenceConsumer.sol";
import {IResults, Result} from "./interfaces/IResults.sol";
import {Packed} from "./libraries/Packed.sol";
import {Program} from "./libraries/Program.sol";
import {Steps} from "./libraries/Steps.sol";
import {Words} from "./libraries/Words.sol";

/// Where a call back stands.
enum Delivery {
    None,
    Delivered,
    Failed
}

/// @title Final results, for contracts
/// @notice Section 13 of docs/rollup.md. Nothing is stored of a result that nobody records; whatever a consumer does,
/// nothing else waits for it.
contract Results is IResults, IERC165 {
    /// @dev What is left for this contract when a call back is over.
    uint256 private constant RESERVE = 40_000;

    /// @notice The chain.
    IChain public immutable ASSERTIONS;

    mapping(bytes32 request => Result) private _results;
    /// @notice Where the call back of a request stands.
    mapping(bytes32 request => Delivery) public deliveryOf;

    /// @notice A result was stored.
    event Recorded(bytes32 indexed request, bytes32 indexed model, bytes32 outputRoot, uint32 outputLength);
    /// @notice A consumer was called back; if it failed, it can be again.
    event CalledBack(bytes32 indexed request, address indexed consumer, bool delivered);

    /// @notice Only what is confirmed is final.
    error NotFinal(bytes32 assertion);
    /// @notice The step is a dropped request: it has no result.
    error NoItem();
    /// @notice The header is not the step's item's.
    error WrongItem();
    /// @notice The result is stored already.
    error AlreadyRecorded(bytes32 request);
    /// @notice Nobody has stored this result.
    error NotRecorded(bytes32 request);
    /// @notice Nobody is to be called back.
    error NoCallback();
    /// @notice The bytes are not the output.
    error WrongOutput();
    /// @notice The consumer has it already, or is getting it.
    error AlreadyDelivered(bytes32 request);
    /// @notice The call back needs this much gas here.
    error TooLittleGas(uint256 due);

    /// @notice Fixes the chain.
    constructor(IChain assertions) {
        ASSERTIONS = assertions;
    }

    /// @inheritdoc IResults
    function verifyInference(StepProof calldata proof)
        public
        view
        returns (bytes32 request, Item memory item)
    {
        (Status status,,,) = ASSERTIONS.assertionOf(proof.assertion);
        // INVARIANT: what can still be refuted is no result.
        if (status != Status.Confirmed) revert NotFinal(proof.assertion);
        Derived memory d = ASSERTIONS.derivedOf(proof.assertion);
        Steps.check(proof.parts, proof.step, d.steps, d.stepsRoot, proof.path);
        uint256 op = Steps.opOf(proof.parts.data);
        if (op != Steps.L1_REQUEST && op != Steps.INFERENCE) revert Steps.WrongKind(op);
        bytes32 hash = Steps.itemHashOf(proof.parts.data);
        if (hash == 0) revert NoItem();
        // INVARIANT: the header is the one that posting made.
        if (Program.itemHash(proof.item) != hash) revert WrongItem();
        return (Steps.requestOf(proof.parts.data), proof.item);
    }

    /// @inheritdoc IResults
    function record(StepProof calldata proof) external returns (bytes32 request) {
        Item memory item;
        (request, item) = verifyInference(proof);
        // INVARIANT: a request has one result.
        if (_results[request].outputLength != 0) revert AlreadyRecorded(request);
        _results[request] = Result({
            model: item.modelId,
            outputRoot: item.outputRoot,
            outputLength: item.outputLength,
            tokenBits: item.tokenBits
        });
        emit Recorded(request, item.modelId, item.outputRoot, item.outputLength);
    }

    /// @inheritdoc IResults
    function resultOf(bytes32 request) external view returns (Result memory result) {
        result = _results[request];
        // No output is empty.
        if (result.outputLength == 0) revert NotRecorded(request);
    }

    /// @inheritdoc IResults
    function deliver(StepProof calldata proof, bytes calldata output) external returns (bool delivered) {
        (bytes32 request, Item memory item) = verifyInference(proof);
        (address consumer, uint256 callbackGas) = _callback(proof.parts.data);
        // INVARIANT: a consumer gets the final output and nothing else.
        if (output.length == 0 || Packed.root(Words.start(output), output.length) != item.outputRoot) {
            revert WrongOutput();
        }
        // INVARIANT: a consumer gets it once, also if it asks for it again from within.
        if (deliveryOf[request] == Delivery.Delivered) revert AlreadyDelivered(request);
        deliveryOf[request] = Delivery.Delivered;
        bytes memory call_ = abi.encodeCall(
            IInferenceConsumer.onInference, (request, item.modelId, item.outputLength, output)
        );
        delivered = _call(consumer, callbackGas, call_);
        if (!delivered) deliveryOf[request] = Delivery.Failed;
        emit CalledBack(request, consumer, delivered);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(IResults).interfaceId;
    }

    /// @dev Whom a step calls back, and with how much gas.
    function _callback(bytes calldata data) private pure returns (address consumer, uint256 callbackGas) {
        if (Steps.opOf(data) != Steps.L1_REQUEST) revert NoCallback();
        uint256 at = Words.start(data);
        (consumer, callbackGas) = (address(uint160(Words.read(at + 9, 20))), Words.read(at + 165, 4));
        if (callbackGas == 0) revert NoCallback();
    }

    /// @dev Calls with exactly so much gas, and looks at nothing that comes back.
    function _call(address consumer, uint256 callbackGas, bytes memory data) private returns (bool ok) {
        uint256 due = callbackGas * 64 / 63 + RESERVE;
        // INVARIANT: nobody makes a call back fail by giving it too little. (All but a 64th can be passed on.)
        if (gasleft() < due) revert TooLittleGas(due);
        assembly ("memory-safe") {
            ok := call(callbackGas, consumer, 0, add(data, 32), mload(data), 0, 0)
        }
    }
}
