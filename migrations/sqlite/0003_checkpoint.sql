-- A start that reads only what is new. The same as in migrations/postgres but for the name of the type of bytes.

-- What the blocks up to this one come to, once everything in it is final: the rows of l1_blocks after it are all that has to be
-- read then. They stay in any case: without a checkpoint, or with one that cannot be read, all of them are.
CREATE TABLE l1_checkpoint (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    block BIGINT NOT NULL,
    view BLOB NOT NULL
);
