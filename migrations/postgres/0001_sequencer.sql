-- The sequencer's tables. The same as in migrations/sqlite but for the name of the type of bytes.
-- Hashes have 32 bytes, addresses 20; amounts are 16 bytes, big-endian; times are seconds.

-- The next number of each epoch. Whoever finds another value than expected is not the only writer.
-- Numbers are a proposer's, and signatures are for one domain (EIP-712): neither changes within an epoch.
CREATE TABLE epochs (
    epoch BIGINT PRIMARY KEY,
    next BIGINT NOT NULL,
    proposer BYTEA NOT NULL,
    domain BYTEA NOT NULL
);

-- The state after the last number: docs/rollup.md, 5.
CREATE TABLE accounts (
    account BIGINT PRIMARY KEY,
    leaf BYTEA NOT NULL
);

-- API keys: what a delegate may do. The delegate's address stands for the key; the key itself is nowhere.
CREATE TABLE delegations (
    hash BYTEA PRIMARY KEY,
    account BIGINT NOT NULL,
    delegate BYTEA NOT NULL,
    body BYTEA NOT NULL,
    signature BYTEA NOT NULL
);

-- What was asked. status: 0 received, 1 executed, 2 given up.
CREATE TABLE requests (
    hash BYTEA PRIMARY KEY,
    account BIGINT NOT NULL,
    delegated SMALLINT NOT NULL,
    body BYTEA NOT NULL,
    prompt BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    created BIGINT NOT NULL,
    status SMALLINT NOT NULL
);

CREATE INDEX requests_received ON requests (created) WHERE status = 0;

-- What was promised, in the order of the ledger. op: 3 inference, 5 delegation. root: 0 where there is no output.
CREATE TABLE receipts (
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    op SMALLINT NOT NULL,
    request BYTEA NOT NULL UNIQUE,
    root BYTEA NOT NULL,
    deadline BIGINT NOT NULL,
    payee BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    batch BIGINT,
    PRIMARY KEY (epoch, number)
);

-- What came out, packed as it is posted. finish: 0 stop, 1 length, 2 vector.
CREATE TABLE results (
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    length BIGINT NOT NULL,
    output BYTEA NOT NULL,
    fee BYTEA NOT NULL,
    finish SMALLINT NOT NULL,
    PRIMARY KEY (epoch, number)
);

-- What was posted. status: 0 posted, 1 challenged, 2 final, 3 rejected.
CREATE TABLE batches (
    batch BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    first_number BIGINT NOT NULL,
    numbers BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    assertion BYTEA,
    data BYTEA NOT NULL,
    status SMALLINT NOT NULL
);

-- How far L1 was read.
CREATE TABLE l1_cursor (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    block BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
