// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Item} from "./Types.sol";

/// What posting derives from a batch; all that is stored of it. docs/rollup.md, 8.3.
struct Derived {
    /// Hash of head and table and the steps' root: it determines every byte of the data.
    bytes32 batchHash;
    /// Root over the hashes of the items' headers.
    bytes32 itemsRoot;
    /// Root over the step leaves.
    bytes32 stepsRoot;
    /// State root after the last step.
    bytes32 stateRoot;
    /// By which everything timed in the ledger is judged. Never far ahead of the block's, so 48 bits hold it.
    uint48 time;
    /// Entries of the inbox that were taken, from the first of all.
    uint64 cursor;
    /// The proposer's series of numbers.
    uint32 epoch;
    /// Number of the first signed step in it.
    uint64 firstNumber;
    /// Leaves of the items' tree.
    uint16 items;
    /// Leaves of the steps' tree.
    uint16 steps;
    /// How many of the steps are entries: the first ones.
    uint16 entries;
}

/// What a step leaf is the hash of, besides its index. docs/rollup.md, 8.3.
struct StepParts {
    /// State root before.
    bytes32 pre;
    /// State root after.
    bytes32 post;
    /// F || D: what is in the batch, and what posting derived.
    bytes data;
}

/// A step that was posted. docs/rollup.md, 11 to 13.
struct StepProof {
    /// The assertion.
    bytes32 assertion;
    /// Index of the step.
    uint32 step;
    /// What its leaf is the hash of.
    StepParts parts;
    /// Path of the leaf, out-of-range siblings left out.
    bytes32[] path;
    /// The header of the step's item; not read if it has none.
    Item item;
}

/// What a receipt promises. docs/rollup.md, 12.
struct Receipt {
    /// Who promises.
    address proposer;
    /// Series of numbers.
    uint32 epoch;
    /// Under which number.
    uint64 number;
    /// Which request stands.
    bytes32 request;
    /// Root of its output; 0 for withdrawals and delegations.
    bytes32 output;
    /// Posted by then.
    uint64 deadline;
    /// Who is paid if not.
    address payee;
}

/// What posting and pricing need of a model at a time.
struct ModelTerms {
    /// 0 tokens, 1 vector.
    uint8 kind;
    /// Bits of a packed token.
    uint8 tokenBits;
    /// Most tokens of prompt and output.
    uint32 context;
    /// Tokens that there are.
    uint32 vocabulary;
    /// Wei a token of the prompt.
    uint64 priceIn;
    /// Wei a token of the output.
    uint64 priceOut;
}

/// Sampling values of a request. docs/rollup.md, 6.
struct Sampling {
    /// In units of 2^-16; 0 is greedy.
    uint32 temperature;
    /// 0 keeps all.
    uint32 topK;
    /// In units of 2^-16; 65,536 keeps all.
    uint32 topP;
    /// In units of 2^-16; 0 keeps all.
    uint32 minP;
    /// Fixes every draw; 0 leaves it to the request's hash.
    bytes32 seed;
}

/// What a rollup's deployment fixes besides the games' parameters. docs/rollup.md, 3. Times in seconds, money in wei.
struct RollupConfig {
    /// How far a batch's time may lie ahead.
    uint64 slack;
    /// Age at which an entry is overdue.
    uint64 forceDelay;
    /// Age beyond that at which the sequencer is late.
    uint64 grace;
    /// Age at which an L1 request may be dropped.
    uint64 expire;
    /// Overdue entries that a batch must take (K).
    uint32 forcedEntries;
    /// Most tokens of an L1 request.
    uint32 entryTokens;
    /// Most tokens of L1 requests in one hour.
    uint32 tokensPerHour;
    /// What a request on L1 or a forced withdrawal pays its proposer.
    uint128 entryFee;
    /// The least deposit.
    uint128 minDeposit;
}
