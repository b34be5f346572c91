// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Deployment} from "./Deployment.sol";
import {Trees} from "./Trees.sol";
import {Derived, Sampling, StepParts, StepProof} from "src/RollupTypes.sol";
import {Item} from "src/Types.sol";
import {Status} from "src/interfaces/IAssertions.sol";
import {Account as Row, LedgerState} from "src/libraries/Accounts.sol";

/// @notice Makes batches, and keeps the ledger as an honest proposer does: written from the text, not from the contracts.
abstract contract RollupTest is Deployment {
    /// @dev The state, and how far the inbox was taken.
    struct Book {
        Row[] accounts;
        uint128 fees;
        uint64 cursor;
    }

    /// @dev A step as it was posted.
    struct Made {
        StepParts parts;
        bytes witness;
        Item item;
        uint256 model;
        bytes output;
        bytes raw;
    }

    /// @dev A posted batch.
    struct Posted {
        bytes32 id;
        Made[] steps;
        Book book;
        Book before;
    }

    struct Ask {
        uint32 account;
        uint64 nonce;
        uint256 model;
        uint8 flags;
        uint256[] prompt;
        uint256[] output;
        uint32 maxTokens;
        uint128 maxFee;
        uint64 validUntil;
        Sampling sampling;
        uint256 key;
        bytes delegation;
    }

    Book internal book;
    mapping(bytes32 id => Posted) internal postedOf;
    bytes[] internal entries;
    mapping(address => uint256) internal keyOf;

    /// @dev The batch that is being made.
    Made[] internal making;
    Book internal beginning;
    bytes32 internal lastRoot;
    uint64 internal time;
    uint32 internal epoch;
    /// @dev Is the next step to be left out of the book, so that its post root is its pre root.
    bool internal unchanged;
    /// @dev The next step's root, if not 0.
    bytes32 internal falseRoot;
    /// @dev Models of the table, by index in `known`.
    uint256[] internal table;

    // --- accounts ----------------------------------------------------------------------------------------------

    function leavesOf() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](book.accounts.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = leafOf(book.accounts[i]);
        }
    }

    function leafOf(Row memory a) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked("rf.acct_", a.index, a.owner, a.balance, a.next, a.used);
        return keccak256(abi.encodePacked(head, a.delegationNonce, a.delegation, a.spent));
    }

    function fieldsOf() internal view returns (LedgerState memory s) {
        s.accountsRoot = Trees.deepRoot(leavesOf(), 32);
        (s.accounts, s.fees) = (uint32(book.accounts.length), book.fees);
    }

    function bookRoot() internal view returns (bytes32) {
        LedgerState memory s = fieldsOf();
        return keccak256(abi.encodePacked("rf.state", s.accountsRoot, s.accounts, s.fees));
    }

    /// @dev The witness of a step of an account, in the state of the book.
    function witnessOf(uint256 account, bytes memory delegation) internal view returns (bytes memory w) {
        LedgerState memory s = fieldsOf();
        w = abi.encodePacked(s.accountsRoot, s.accounts, s.fees);
        if (account == type(uint256).max) return w;
        Row memory a;
        if (account < book.accounts.length) a = book.accounts[account];
        w = abi.encodePacked(w, a.owner, a.balance, a.next, a.used);
        w = abi.encodePacked(w, a.delegationNonce, a.delegation, a.spent);
        w = abi.encodePacked(w, Trees.path(leavesOf(), account, 32), delegation);
    }

    function use(Row storage a, uint64 nonce) internal {
        if (nonce >= a.next) {
            uint256 gap = uint256(nonce) - a.next + 1;
            a.used = (gap >= 256 ? 0 : a.used << gap) | 1;
            a.next = nonce + 1;
        } else {
            a.used |= uint256(1) << (a.next - 1 - nonce);
        }
    }

    // --- the inbox ---------------------------------------------------------------------------------------------

    function newOwner(string memory name) internal returns (address who) {
        uint256 key;
        (who, key) = makeAddrAndKey(name);
        keyOf[who] = key;
        vm.deal(who, 100_000 ether);
    }

    function deposit(address who, uint128 amount) internal returns (uint32 account) {
        account = inbox.deposit{value: amount}(who);
        entries.push(abi.encodePacked(uint8(0), uint64(block.timestamp), account, who, amount));
    }

    function force(address who, uint32 account, uint128 amount) internal {
        vm.prank(who);
        inbox.forceWithdrawal{value: ENTRY_FEE}(account, amount);
        entries.push(abi.encodePacked(uint8(1), uint64(block.timestamp), account, who, amount));
    }

    function greedy() internal pure returns (Sampling memory s) {
        s.topP = 65_536;
    }

    function requestOnL1(
        address who,
        uint256 model,
        uint256[] memory tokens,
        uint32 maxTokens,
        Sampling memory s,
        uint32 callbackGas
    ) internal {
        Known memory k = known[model];
        bytes memory prompt = Trees.pack(tokens, k.bits);
        uint256 due = ENTRY_FEE + uint256(k.priceIn) * tokens.length + uint256(k.priceOut) * maxTokens;
        vm.prank(who);
        inbox.request{value: due}(k.id, prompt, uint32(tokens.length), maxTokens, s, callbackGas);
        bytes memory f = abi.encodePacked(
            uint8(2), uint64(block.timestamp), who, k.id, Trees.tensorRoot(prompt), uint32(tokens.length)
        );
        f = abi.encodePacked(f, maxTokens, s.temperature, s.topK, s.topP, s.minP, s.seed);
        entries.push(abi.encodePacked(f, k.priceIn, k.priceOut, callbackGas));
    }

    function entryHash(uint256 i) internal view returns (bytes32) {
        return keccak256(abi.encodePacked("rf.entry", uint64(i), entries[i]));
    }

    function accumulator(uint256 count) internal view returns (bytes32 acc) {
        for (uint256 i = 0; i < count; ++i) {
            acc = keccak256(abi.encodePacked("rf.inbox", acc, entryHash(i)));
        }
    }

    // --- making a batch ----------------------------------------------------------------------------------------

    /// @dev Begins a batch on the head. Its table has all models.
    function begin() internal {
        (bytes32 id,,) = assertions.tip();
        delete making;
        (, uint40 height) = assertions.placeOf(id);
        if (height == 0) delete book;
        else book = postedOf[id].book;
        beginning = book;
        lastRoot = bookRoot();
        time = uint64(block.timestamp);
        delete table;
        for (uint256 i = 0; i < known.length; ++i) {
            uint256 j = table.length;
            table.push(i);
            for (; j > 0 && known[table[j - 1]].id > known[i].id; --j) {
                table[j] = table[j - 1];
            }
            table[j] = i;
        }
    }

    function tableIndex(uint256 model) internal view returns (uint8) {
        for (uint256 i = 0; i < table.length; ++i) {
            if (table[i] == model) return uint8(i);
        }
        revert("the model is not in the table");
    }

    function push(bytes memory f, bytes memory extra, bytes memory d, bytes memory witness) internal {
        bytes32 after_ = falseRoot == 0 ? unchanged ? lastRoot : bookRoot() : falseRoot;
        Made storage m = making.push();
        m.parts = StepParts({pre: lastRoot, post: after_, data: abi.encodePacked(f, d)});
        m.witness = witness;
        m.raw = abi.encodePacked(after_, f, extra);
        (lastRoot, unchanged, falseRoot) = (after_, false, 0);
    }

    /// @dev The next entry; an L1 request needs an output, or none to be dropped.
    function take(uint256[] memory output) internal {
        bytes memory f = entries[book.cursor];
        uint8 op = uint8(f[0]);
        if (op == 2) return takeL1(f, output);
        uint256 account = uint32(bytes4(Trees.slice(f, 9, 4)));
        uint128 amount = uint128(bytes16(Trees.slice(f, 33, 16)));
        bytes memory witness = witnessOf(account, "");
        book.cursor += 1;
        if (op == 0) {
            if (account == book.accounts.length) {
                Row memory a;
                (a.index, a.owner) = (uint32(account), address(bytes20(Trees.slice(f, 13, 20))));
                book.accounts.push(a);
            }
            book.accounts[account].balance += amount;
            return push(f, "", "", witness);
        }
        uint128 balance = book.accounts[account].balance;
        uint128 paid = amount < balance ? amount : balance;
        book.accounts[account].balance -= paid;
        book.fees += uint128(ENTRY_FEE);
        push(f, abi.encodePacked(paid), abi.encodePacked(paid), witness);
    }

    function takeL1(bytes memory f, uint256[] memory output) internal {
        uint256 model;
        while (known[model].id != bytes32(Trees.slice(f, 29, 32))) ++model;
        Known memory k = known[model];
        bytes32 request = keccak256(
            abi.encodePacked("rf.l1req", uint64(block.chainid), address(inbox), entryHash(book.cursor))
        );
        bytes memory witness = witnessOf(type(uint256).max, "");
        bytes memory packed = k.kind == 0 ? Trees.pack(output, k.bits) : vectorOf(output);
        Item memory item;
        item.promptRoot = bytes32(Trees.slice(f, 61, 32));
        item.promptLength = uint32(bytes4(Trees.slice(f, 93, 4)));
        uint32 maxTokens = uint32(bytes4(Trees.slice(f, 97, 4)));
        item.temperature = uint32(bytes4(Trees.slice(f, 101, 4)));
        item.topK = uint32(bytes4(Trees.slice(f, 105, 4)));
        item.topP = uint32(bytes4(Trees.slice(f, 109, 4)));
        item.minP = uint32(bytes4(Trees.slice(f, 113, 4)));
        item.seed = bytes32(Trees.slice(f, 117, 32));
        bytes32 hash = output.length == 0 ? bytes32(0) : headerHash(item, k, request, packed, output.length);
        book.cursor += 1;
        if (output.length != 0) {
            uint256 paid = output.length < maxTokens ? output.length : maxTokens;
            book.fees += uint128(
                ENTRY_FEE + uint256(k.priceIn) * item.promptLength + uint256(k.priceOut) * paid
            );
        }
        uint32 length = uint32(output.length);
        push(
            f,
            abi.encodePacked(tableIndex(model), length, packed),
            abi.encodePacked(request, hash, length),
            witness
        );
        remember(item, model, packed);
    }

    function remember(Item memory item, uint256 model, bytes memory output) internal {
        Made storage m = making[making.length - 1];
        (m.item, m.model, m.output) = (item, model, output);
    }

    function vectorOf(uint256[] memory output) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < output.length; ++i) {
            uint256 x = output[i];
            packed = abi.encodePacked(packed, uint8(x), uint8(x >> 8), uint8(x >> 16), uint8(x >> 24));
        }
    }

    /// @dev Fills the rest of a header in, and hashes it.
    function headerHash(Item memory i, Known memory k, bytes32 request, bytes memory output, uint256 length)
        internal
        pure
        returns (bytes32)
    {
        (i.modelId, i.kind, i.tokenBits, i.outputLength) = (k.id, k.kind, k.bits, uint32(length));
        if (i.seed == 0 && i.temperature != 0) i.seed = keccak256(abi.encodePacked("rf.seed_", request));
        i.outputRoot = Trees.tensorRoot(output);
        bytes memory head = abi.encodePacked(
            "rf.item_", i.modelId, i.kind, i.tokenBits, i.promptLength, i.outputLength, i.temperature
        );
        return keccak256(abi.encodePacked(head, i.topK, i.topP, i.minP, i.seed, i.promptRoot, i.outputRoot));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Refute"),
                keccak256("1"),
                block.chainid,
                address(inbox)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev A greedy request that its owner signs: three tokens in, up to four out, and what it may cost.
    function ask(uint32 account, uint64 nonce, uint256 model) internal view returns (Ask memory q) {
        (q.account, q.nonce, q.model, q.maxTokens) = (account, nonce, model, 4);
        (q.maxFee, q.validUntil) = (1 ether, uint64(block.timestamp + 1 days));
        (q.prompt, q.output, q.sampling) = (list(3, 1, 2), list(5, 6), greedy());
        q.key = keyOf[inbox.ownerOf(account)];
    }

    function requestHash(Ask memory q) internal view returns (bytes32) {
        bytes memory head = abi.encode(
            keccak256(
                "Request(uint32 account,uint64 nonce,bytes32 model,bytes32 prompt,uint32 promptLength,uint32 maxTokens,uint32 temperature,uint32 topK,uint32 topP,uint32 minP,bytes32 seed,uint128 maxFee,uint64 validUntil)"
            ),
            q.account,
            q.nonce,
            known[q.model].id,
            Trees.tensorRoot(Trees.pack(q.prompt, known[q.model].bits)),
            q.prompt.length,
            q.maxTokens
        );
        Sampling memory s = q.sampling;
        return digestOf(
            keccak256(
                abi.encodePacked(
                    head, abi.encode(s.temperature, s.topK, s.topP, s.minP, s.seed, q.maxFee, q.validUntil)
                )
            )
        );
    }

    function infer(Ask memory q) internal returns (bytes32 request) {
        Known memory k = known[q.model];
        bytes memory prompt = Trees.pack(q.prompt, k.bits);
        request = requestHash(q);
        Item memory item;
        (item.promptLength, item.promptRoot) = (uint32(q.prompt.length), Trees.tensorRoot(prompt));
        (item.temperature, item.topK) = (q.sampling.temperature, q.sampling.topK);
        (item.topP, item.minP, item.seed) = (q.sampling.topP, q.sampling.minP, q.sampling.seed);
        bytes memory output = k.kind == 0 ? Trees.pack(q.output, k.bits) : vectorOf(q.output);
        bytes memory d = abi.encodePacked(
            request, headerHash(item, k, request, output, q.output.length), k.id, k.priceIn, k.priceOut
        );
        bytes memory witness = witnessOf(q.account, q.delegation);
        if (!unchanged) _charge(q, k);
        push(fieldsOf(q, request), abi.encodePacked(_samplingBytes(q), prompt, output), d, witness);
        remember(item, q.model, output);
    }

    function _charge(Ask memory q, Known memory k) private {
        uint256 paid = q.output.length < q.maxTokens ? q.output.length : q.maxTokens;
        uint256 fee = uint256(k.priceIn) * q.prompt.length + uint256(k.priceOut) * paid;
        Row storage a = book.accounts[q.account];
        use(a, q.nonce);
        if (fee > a.balance) return;
        a.balance -= uint128(fee);
        book.fees += uint128(fee);
        if (q.flags & 4 != 0) a.spent += uint128(fee);
    }

    function fieldsOf(Ask memory q, bytes32 request) internal view returns (bytes memory f) {
        f = abi.encodePacked(uint8(3), q.flags, tableIndex(q.model), q.account, q.nonce);
        f = abi.encodePacked(f, uint32(q.prompt.length), uint32(q.output.length), q.maxTokens, q.maxFee);
        f = abi.encodePacked(f, q.validUntil, sign(q.key, request));
    }

    function _samplingBytes(Ask memory q) private pure returns (bytes memory out) {
        Sampling memory s = q.sampling;
        if (q.flags & 1 != 0) out = abi.encodePacked(s.temperature, s.topK, s.topP, s.minP);
        if (q.flags & 2 != 0) out = abi.encodePacked(out, s.seed);
    }

    function withdraw(
        uint32 account,
        uint64 nonce,
        uint128 amount,
        address to,
        uint64 validUntil,
        uint256 key
    ) internal returns (bytes32 request) {
        request = digestOf(
            keccak256(
                abi.encode(
                    keccak256(
                        "Withdrawal(uint32 account,uint64 nonce,uint128 amount,address to,uint64 validUntil)"
                    ),
                    account,
                    nonce,
                    amount,
                    to,
                    validUntil
                )
            )
        );
        bytes memory witness = witnessOf(account, "");
        if (!unchanged) {
            use(book.accounts[account], nonce);
            if (amount <= book.accounts[account].balance) book.accounts[account].balance -= amount;
        }
        bytes memory f = abi.encodePacked(uint8(4), account, nonce, amount, to, validUntil);
        push(abi.encodePacked(f, sign(key, request)), "", abi.encodePacked(request), witness);
    }

    struct Delegate {
        uint32 account;
        uint64 nonce;
        address delegate;
        uint128 cap;
        uint64 expiry;
        bytes32 model;
        uint64 maxPriceIn;
        uint64 maxPriceOut;
    }

    function delegationHash(Delegate memory g) internal view returns (bytes32) {
        return digestOf(
            keccak256(
                abi.encode(
                    keccak256(
                        "Delegation(uint32 account,uint64 nonce,address delegate,uint128 cap,uint64 expiry,bytes32 model,uint64 maxPriceIn,uint64 maxPriceOut)"
                    ),
                    g
                )
            )
        );
    }

    function delegationBytes(Delegate memory g) internal pure returns (bytes memory) {
        return abi.encodePacked(
            g.account, g.nonce, g.delegate, g.cap, g.expiry, g.model, g.maxPriceIn, g.maxPriceOut
        );
    }

    function delegate(Delegate memory g, uint256 key) internal returns (bytes32 request) {
        request = delegationHash(g);
        bytes memory witness = witnessOf(g.account, "");
        if (!unchanged) {
            Row storage a = book.accounts[g.account];
            (a.delegationNonce, a.delegation, a.spent) = (g.nonce, request, 0);
        }
        bytes memory f = abi.encodePacked(uint8(5), delegationBytes(g), sign(key, request));
        push(f, "", abi.encodePacked(request), witness);
    }

    // --- posting -----------------------------------------------------------------------------------------------

    function headBytes(address proposer) internal view returns (bytes memory head) {
        uint256 taken = book.cursor - beginning.cursor;
        head = abi.encodePacked(uint8(1), time, epoch, assertions.nextNumber(proposer, epoch), book.cursor);
        head = abi.encodePacked(
            head, accumulator(book.cursor), uint8(table.length), uint16(making.length - taken)
        );
        for (uint256 i = 0; i < table.length; ++i) {
            head = abi.encodePacked(head, known[table[i]].id, known[table[i]].version);
        }
    }

    function dataOf(address proposer) internal view returns (bytes memory data) {
        bytes memory head = headBytes(proposer);
        uint256 length = head.length;
        for (uint256 i = 0; i < making.length; ++i) {
            length += making[i].raw.length;
        }
        data = new bytes(length);
        uint256 at = copyTo(data, 0, head);
        for (uint256 i = 0; i < making.length; ++i) {
            at = copyTo(data, at, making[i].raw);
        }
    }

    function copyTo(bytes memory data, uint256 at, bytes memory part) internal pure returns (uint256) {
        assembly ("memory-safe") {
            mcopy(add(add(data, 32), at), add(part, 32), mload(part))
        }
        return at + part.length;
    }

    function post() internal returns (bytes32) {
        return postAs(sequencer);
    }

    function postAs(address proposer) internal returns (bytes32 id) {
        bytes memory data = dataOf(proposer);
        uint256 stake = game.leastStake();
        (bytes32 parent,,) = assertions.tip();
        vm.prank(proposer, proposer);
        id = batches.post{value: stake}(parent, defender, data);
        Posted storage p = postedOf[id];
        p.id = id;
        for (uint256 i = 0; i < making.length; ++i) {
            p.steps.push(making[i]);
        }
        p.book = book;
        p.before = beginning;
    }

    function refused(bytes memory data, bytes memory error) internal {
        uint256 stake = game.leastStake();
        (bytes32 parent,,) = assertions.tip();
        vm.expectRevert(error);
        vm.prank(sequencer, sequencer);
        batches.post{value: stake}(parent, defender, data);
    }

    function refused(bytes memory error) internal {
        refused(dataOf(sequencer), error);
    }

    // --- what was posted ---------------------------------------------------------------------------------------

    function stepLeaves(bytes32 id) internal view returns (bytes32[] memory leaves) {
        Posted storage p = postedOf[id];
        leaves = new bytes32[](p.steps.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            StepParts memory s = p.steps[i].parts;
            leaves[i] = keccak256(abi.encodePacked("rf.step_", uint32(i), s.pre, s.post, s.data));
        }
    }

    function pathOf(bytes32 id, uint256 step) internal view returns (bytes32[] memory) {
        bytes32[] memory leaves = stepLeaves(id);
        return Trees.path(leaves, step, Trees.depthOf(leaves.length));
    }

    function partsOf(bytes32 id, uint256 step) internal view returns (StepParts memory) {
        return postedOf[id].steps[step].parts;
    }

    function proofOf(bytes32 id, uint256 step) internal view returns (StepProof memory proof) {
        (proof.assertion, proof.step, proof.parts) = (id, uint32(step), partsOf(id, step));
        (proof.path, proof.item) = (pathOf(id, step), postedOf[id].steps[step].item);
    }

    function itemHashes(bytes32 id) internal view returns (bytes32[] memory hashes) {
        Posted storage p = postedOf[id];
        bytes32[] memory all = new bytes32[](p.steps.length);
        uint256 count;
        for (uint256 i = 0; i < all.length; ++i) {
            bytes memory data = p.steps[i].parts.data;
            uint256 op = uint8(data[0]);
            if (op != 2 && op != 3) continue;
            bytes32 hash = bytes32(Trees.slice(data, op == 2 ? 201 : 147, 32));
            if (hash != 0) all[count++] = hash;
        }
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = all[i];
        }
    }

    function confirm(bytes32 id) internal {
        (uint40 postedAt,) = assertions.placeOf(id);
        if (block.timestamp < uint256(postedAt) + 7 days) vm.warp(uint256(postedAt) + 7 days);
        assertions.confirm(id);
    }

    function statusOf(bytes32 id) internal view returns (Status status) {
        (status,,,) = assertions.assertionOf(id);
    }

    function derived(bytes32 id) internal view returns (Derived memory) {
        return assertions.derivedOf(id);
    }

    function list(uint256 a, uint256 b) internal pure returns (uint256[] memory l) {
        l = new uint256[](2);
        (l[0], l[1]) = (a, b);
    }

    function list(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory l) {
        l = new uint256[](3);
        (l[0], l[1], l[2]) = (a, b, c);
    }

    function none() internal pure returns (uint256[] memory) {}
}
