-- The sequencer's tables. The same as in migrations/postgres but for the name of the type of bytes.
-- Hashes have 32 bytes, addresses 20; amounts are 16 bytes, big-endian; times are seconds.

-- The next number of each epoch. Whoever finds another value than expected is not the only writer.
-- Numbers are a proposer's, and signatures are for one domain (EIP-712): neither changes within an epoch.
CREATE TABLE epochs (
    epoch BIGINT PRIMARY KEY,
    next BIGINT NOT NULL,
    proposer BLOB NOT NULL,
    domain BLOB NOT NULL
);

-- The state after the last number: docs/rollup.md, 5.
CREATE TABLE accounts (
    account BIGINT PRIMARY KEY,
    leaf BLOB NOT NULL
);

-- API keys: what a delegate may do. The delegate's address stands for the key; the key itself is nowhere.
CREATE TABLE delegations (
    hash BLOB PRIMARY KEY,
    account BIGINT NOT NULL,
    delegate BLOB NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL
);

-- What was asked. status: 0 received, 1 executed, 2 given up.
CREATE TABLE requests (
    hash BLOB PRIMARY KEY,
    account BIGINT NOT NULL,
    delegated SMALLINT NOT NULL,
    body BLOB NOT NULL,
    prompt BLOB NOT NULL,
    signature BLOB NOT NULL,
    created BIGINT NOT NULL,
    status SMALLINT NOT NULL
);

CREATE INDEX requests_received ON requests (created) WHERE status = 0;

-- What was promised, in the order of the ledger. op: 3 inference, 5 delegation. root: 0 where there is no output.
CREATE TABLE receipts (
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    op SMALLINT NOT NULL,
    request BLOB NOT NULL UNIQUE,
    root BLOB NOT NULL,
    deadline BIGINT NOT NULL,
    payee BLOB NOT NULL,
    signature BLOB NOT NULL,
    batch BIGINT,
    PRIMARY KEY (epoch, number)
);

-- What came out, packed as it is posted. finish: 0 stop, 1 length, 2 vector.
CREATE TABLE results (
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    length BIGINT NOT NULL,
    output BLOB NOT NULL,
    fee BLOB NOT NULL,
    finish SMALLINT NOT NULL,
    PRIMARY KEY (epoch, number)
);

-- What was posted. status: 0 posted, 1 challenged, 2 final, 3 rejected.
CREATE TABLE batches (
    batch BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    first_number BIGINT NOT NULL,
    numbers BIGINT NOT NULL,
    hash BLOB NOT NULL,
    assertion BLOB,
    data BLOB NOT NULL,
    status SMALLINT NOT NULL
);

-- How far L1 was read.
CREATE TABLE l1_cursor (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    block BIGINT NOT NULL,
    hash BLOB NOT NULL
);
