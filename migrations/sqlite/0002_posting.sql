-- Posting to L1. The same as in migrations/postgres but for the name of the type of bytes.

-- Where a receipt is posted follows from L1's chain and `batches`.
ALTER TABLE receipts DROP COLUMN batch;

-- Withdrawals that were promised, as signed.
CREATE TABLE withdrawals (
    hash BLOB PRIMARY KEY,
    account BIGINT NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL
);

-- Where in the order of an epoch's numbers the inbox was read on: after number - 1 and before number, up to cursor, where its
-- accumulator was acc.
CREATE TABLE marks (
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    cursor BIGINT NOT NULL,
    acc BLOB NOT NULL,
    PRIMARY KEY (epoch, number, cursor)
);

-- What was or may have been posted: a batch is here before it is sent, and stays. It holds the receipts from_number ..
-- to_number of epoch but for left_out, eight bytes each, which the ledger would not take.
DROP TABLE batches;
CREATE TABLE batches (
    hash BLOB PRIMARY KEY,
    parent BLOB NOT NULL,
    epoch BIGINT NOT NULL,
    from_number BIGINT NOT NULL,
    to_number BIGINT NOT NULL,
    left_out BLOB NOT NULL,
    time BIGINT NOT NULL,
    data BLOB NOT NULL
);

-- Blocks of L1 that were read: all of the last ones, and of the others those with something of the rollup.
DROP TABLE l1_cursor;
CREATE TABLE l1_blocks (
    number BIGINT PRIMARY KEY,
    hash BLOB NOT NULL,
    parent BLOB NOT NULL,
    time BIGINT NOT NULL,
    logs BLOB NOT NULL
);

-- Outputs of requests that were made on L1.
CREATE TABLE l1_results (
    request BLOB PRIMARY KEY,
    length BIGINT NOT NULL,
    output BLOB NOT NULL
);
