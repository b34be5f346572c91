// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Derived, Receipt, StepProof} from "./RollupTypes.sol";
import {Status} from "./interfaces/IAssertions.sol";
import {IBondVault} from "./interfaces/IBondVault.sol";
import {IChain} from "./interfaces/IChain.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {Program} from "./libraries/Program.sol";
import {Requests} from "./libraries/Requests.sol";
import {Steps} from "./libraries/Steps.sol";
import {Words} from "./libraries/Words.sol";

/// What shows that a receipt is broken.
enum Breach {
    /// Another receipt for its number.
    Receipt,
    /// A posted step of its number.
    Step,
    /// Nothing was posted in time.
    Missing,
    /// A final result of its request.
    Result
}

/// The breach, and what shows it; the other fields are not read.
struct Evidence {
    Breach breach;
    Receipt other;
    bytes otherSignature;
    /// Of `Missing` only the assertion is read, and 0 is none.
    StepProof proof;
}

/// A proposer's bond for its receipts.
struct ReceiptBond {
    uint128 amount;
    /// When it may leave; 0 if it was not called back.
    uint64 leaves;
}

/// @title What a receipt is worth
/// @notice Section 12 of docs/rollup.md. A broken promise costs its maker: half is burned, half goes to whom the receipt
/// names, so nobody gains by copying a claim.
contract Receipts {
    /// @notice The chain.
    IChain public immutable ASSERTIONS;
    /// @notice Holds the bonds.
    IBondVault public immutable VAULT;
    /// @notice EIP-712 domain separator of what is signed: the inbox's.
    bytes32 public immutable DOMAIN;
    /// @notice What a broken receipt costs.
    uint128 public immutable PENALTY;
    /// @notice How long a bond stays after it is called back. Must exceed D_max: the deployer sees to it.
    uint64 public immutable EXIT_DELAY;

    /// @notice Bonds.
    mapping(address proposer => ReceiptBond) public bondOf;
    /// @notice Keys that may sign receipts for a proposer, for ever.
    mapping(address proposer => mapping(address key => bool)) public isAppointed;
    /// @notice Receipts that were claimed.
    mapping(bytes32 receipt => bool) public isClaimed;

    /// @notice A key may sign receipts for a proposer.
    event Appointed(address indexed proposer, address indexed key);
    /// @notice A bond grew.
    event Bonded(address indexed proposer, uint256 amount);
    /// @notice A bond will leave.
    event BondCalledBack(address indexed proposer, uint256 leaves);
    /// @notice A bond has left.
    event BondLeft(address indexed proposer, uint256 amount);
    /// @notice A receipt was broken.
    event Broken(
        bytes32 indexed receipt, address indexed proposer, Breach breach, uint256 burned, uint256 toPayee
    );

    /// @notice There is no bond, or nothing is left of it.
    error NoBond(address proposer);
    /// @notice The bond stays until then; 0 if it was not called back.
    error TooEarly(uint256 leaves);
    /// @notice The bond was called back: it cannot grow.
    error CalledBack();
    /// @notice This receipt was claimed already.
    error AlreadyClaimed(bytes32 receipt);
    /// @notice Neither the proposer nor a key that it has appointed signed the receipt.
    error NotSigned();
    /// @notice The evidence is about something else.
    error NotAboutThis();
    /// @notice The receipt was kept.
    error NotBroken();
    /// @notice The header is not the step's item's.
    error WrongItem();

    /// @notice Fixes partners and parameters.
    constructor(IChain assertions, IInbox inbox, IBondVault vault, uint128 penalty, uint64 exitDelay) {
        (ASSERTIONS, VAULT, DOMAIN) = (assertions, vault, inbox.DOMAIN());
        (PENALTY, EXIT_DELAY) = (penalty, exitDelay);
    }

    /// @notice Lets a key sign receipts for the sender, for ever: what it signed stays signed.
    function appoint(address key) external {
        isAppointed[msg.sender][key] = true;
        emit Appointed(msg.sender, key);
    }

    /// @notice Adds to the sender's bond.
    function deposit() external payable {
        ReceiptBond storage b = bondOf[msg.sender];
        // INVARIANT: a bond that is called back counts until it leaves and is not counted on beyond.
        if (b.leaves != 0) revert CalledBack();
        // A sum of ether.
        b.amount += uint128(msg.value);
        emit Bonded(msg.sender, msg.value);
        VAULT.deposit{value: msg.value}(address(this));
    }

    /// @notice Calls the sender's bond back.
    function callBack() external {
        ReceiptBond storage b = bondOf[msg.sender];
        if (b.amount == 0) revert NoBond(msg.sender);
        // INVARIANT: what was promised is claimed before the bond leaves; calling again changes nothing.
        if (b.leaves != 0) return;
        b.leaves = uint64(block.timestamp) + EXIT_DELAY;
        emit BondCalledBack(msg.sender, b.leaves);
    }

    /// @notice Pays out the sender's bond, a while after it was called back.
    function leave() external {
        ReceiptBond memory b = bondOf[msg.sender];
        if (b.leaves == 0 || block.timestamp < b.leaves) revert TooEarly(b.leaves);
        delete bondOf[msg.sender];
        emit BondLeft(msg.sender, b.amount);
        VAULT.pay(msg.sender, b.amount);
    }

    /// @notice Claims the penalty of a broken receipt for its payee. Anyone may; each receipt once.
    /// @param signature 64 bytes, of the proposer or a key that it has appointed.
    function claim(Receipt calldata receipt, bytes calldata signature, Evidence calldata evidence) external {
        bytes32 digest = _signed(receipt, signature);
        // INVARIANT: a promise is broken once.
        if (isClaimed[digest]) revert AlreadyClaimed(digest);
        isClaimed[digest] = true;
        Breach breach = evidence.breach;
        if (breach == Breach.Receipt) _otherReceipt(receipt, evidence.other, evidence.otherSignature);
        else if (breach == Breach.Step) _otherStep(receipt, evidence.proof);
        else if (breach == Breach.Missing) _missing(receipt, evidence.proof.assertion);
        else _otherResult(receipt, evidence.proof);
        ReceiptBond storage b = bondOf[receipt.proposer];
        uint256 penalty = b.amount < PENALTY ? b.amount : PENALTY;
        // INVARIANT: a claim that pays nothing is not used up.
        if (penalty == 0) revert NoBond(receipt.proposer);
        // At most the bond.
        b.amount -= uint128(penalty);
        uint256 toPayee = penalty / 2;
        emit Broken(digest, receipt.proposer, breach, penalty - toPayee, toPayee);
        VAULT.burn(penalty - toPayee);
        VAULT.pay(receipt.payee, toPayee);
    }

    /// @notice What a receipt's signer signs.
    function digestOf(Receipt calldata receipt) public view returns (bytes32) {
        return Requests.receiptHash(DOMAIN, receipt);
    }

    /// @dev Two promises for one number.
    function _otherReceipt(Receipt calldata r, Receipt calldata other, bytes calldata signature)
        private
        view
    {
        _signed(other, signature);
        // INVARIANT: only a promise for the very same number contradicts.
        if (r.proposer != other.proposer || r.epoch != other.epoch || r.number != other.number) {
            revert NotAboutThis();
        }
        if (r.request == other.request && r.output == other.output) revert NotBroken();
    }

    /// @dev The number's step is another one, whatever became of its assertion.
    function _otherStep(Receipt calldata r, StepProof calldata proof) private view {
        Derived memory d = ASSERTIONS.derivedOf(proof.assertion);
        if (!_holds(r, proof.assertion, d)) revert NotAboutThis();
        // INVARIANT: the step is the number's: entries come first. (`_holds` has seen that it is one of the batch's.)
        if (proof.step != d.entries + (r.number - d.firstNumber)) revert NotAboutThis();
        Steps.check(proof.parts, proof.step, d.steps, d.stepsRoot, proof.path);
        if (Steps.requestOf(proof.parts.data) != r.request) return;
        if (_outputOf(proof) == r.output) revert NotBroken();
    }

    /// @dev Nothing was posted under the number, or too late.
    function _missing(Receipt calldata r, bytes32 assertion) private view {
        // INVARIANT: a promise lasts to its deadline.
        if (block.timestamp <= r.deadline) revert NotBroken();
        if (ASSERTIONS.nextNumber(r.proposer, r.epoch) <= r.number) return;
        Derived memory d = ASSERTIONS.derivedOf(assertion);
        if (!_holds(r, assertion, d)) revert NotAboutThis();
        (uint40 postedAt,) = ASSERTIONS.placeOf(assertion);
        if (postedAt <= r.deadline) revert NotBroken();
    }

    /// @dev The request has another final output, whoever proposed it.
    function _otherResult(Receipt calldata r, StepProof calldata proof) private view {
        (Status status,,,) = ASSERTIONS.assertionOf(proof.assertion);
        // INVARIANT: what can still be refuted shows nothing.
        if (status != Status.Confirmed) revert NotAboutThis();
        Derived memory d = ASSERTIONS.derivedOf(proof.assertion);
        Steps.check(proof.parts, proof.step, d.steps, d.stepsRoot, proof.path);
        if (Steps.requestOf(proof.parts.data) != r.request) revert NotAboutThis();
        if (_outputOf(proof) == r.output) revert NotBroken();
    }

    /// @dev Is the receipt's number one of an assertion's.
    function _holds(Receipt calldata r, bytes32 assertion, Derived memory d) private view returns (bool) {
        return ASSERTIONS.proposerOf(assertion) == r.proposer && r.proposer != address(0)
            && d.epoch == r.epoch && r.number >= d.firstNumber
            && r.number - d.firstNumber < uint256(d.steps) - d.entries;
    }

    /// @dev Root of a step's output; 0 if it has none.
    function _outputOf(StepProof calldata proof) private pure returns (bytes32) {
        bytes32 hash = Steps.itemHashOf(proof.parts.data);
        if (hash == 0) return 0;
        // INVARIANT: the header is the one that posting made.
        if (Program.itemHash(proof.item) != hash) revert WrongItem();
        return proof.item.outputRoot;
    }

    /// @dev The receipt's digest, if it is signed for its proposer.
    function _signed(Receipt calldata receipt, bytes calldata signature)
        private
        view
        returns (bytes32 digest)
    {
        digest = digestOf(receipt);
        if (signature.length != 64) revert NotSigned();
        uint256 at = Words.start(signature);
        address signer = Requests.signer(digest, Words.readHash(at), Words.read(at + 32, 32));
        // INVARIANT: nobody pays for what was not promised in their name.
        if (signer == address(0)) revert NotSigned();
        if (signer != receipt.proposer && !isAppointed[receipt.proposer][signer]) revert NotSigned();
    }
}
