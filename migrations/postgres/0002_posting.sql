-- Posting to L1. The same as in migrations/sqlite but for the name of the type of bytes.

-- Where a receipt is posted follows from L1's chain and `batches`.
ALTER TABLE receipts DROP COLUMN batch;

-- Withdrawals that were promised, as signed.
CREATE TABLE withdrawals (
    hash BYTEA PRIMARY KEY,
    account BIGINT NOT NULL,
    body BYTEA NOT NULL,
    signature BYTEA NOT NULL
);

-- Where in the order of an epoch's numbers the inbox was read on: after number - 1 and before number, up to cursor, where its
-- accumulator was acc.
CREATE TABLE marks (
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    cursor BIGINT NOT NULL,
    acc BYTEA NOT NULL,
    PRIMARY KEY (epoch, number, cursor)
);

-- What was or may have been posted: a batch is here before it is sent, and stays. It holds the receipts from_number ..
-- to_number of epoch but for left_out, eight bytes each, which the ledger would not take.
DROP TABLE batches;
CREATE TABLE batches (
    hash BYTEA PRIMARY KEY,
    parent BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    from_number BIGINT NOT NULL,
    to_number BIGINT NOT NULL,
    left_out BYTEA NOT NULL,
    time BIGINT NOT NULL,
    data BYTEA NOT NULL
);

-- Blocks of L1 that were read: all of the last ones, and of the others those with something of the rollup.
DROP TABLE l1_cursor;
CREATE TABLE l1_blocks (
    number BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL,
    parent BYTEA NOT NULL,
    time BIGINT NOT NULL,
    logs BYTEA NOT NULL
);

-- Outputs of requests that were made on L1.
CREATE TABLE l1_results (
    request BYTEA PRIMARY KEY,
    length BIGINT NOT NULL,
    output BYTEA NOT NULL
);
