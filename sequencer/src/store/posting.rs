//! What posting keeps: marks, batches, blocks of L1, outputs of requests made there.

use super::read::array;
use super::{Db, StoreError, with_reader};

/// Where the inbox was read on: after the receipt before `number`, up to `cursor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The number that came next.
    pub number: u64,
    /// Entries taken.
    pub cursor: u64,
    /// The inbox's accumulator there.
    pub acc: [u8; 32],
}

/// What a receipt stands for, as it is posted.
#[derive(Clone, Debug)]
pub struct Promised {
    /// The receipt's number.
    pub number: u64,
    /// When it was asked for, if it is an inference; else 0.
    pub created: u64,
    /// What it is.
    pub what: Signed,
}

/// A signed item, with the fields in the store's encoding.
#[derive(Clone, Debug)]
pub enum Signed {
    /// Op 3.
    Inference {
        /// The request's fields.
        body: Vec<u8>,
        /// Did a delegate sign.
        delegated: bool,
        /// Of the request.
        signature: [u8; 64],
        /// Packed.
        prompt: Vec<u8>,
        /// Tokens, or elements.
        length: u32,
        /// Packed.
        output: Vec<u8>,
        /// What it cost, in wei.
        fee: u128,
    },
    /// Op 4.
    Withdrawal {
        /// Its fields.
        body: Vec<u8>,
        /// Of the owner.
        signature: [u8; 64],
    },
    /// Op 5.
    Delegation {
        /// Its fields.
        body: Vec<u8>,
        /// Of the owner.
        signature: [u8; 64],
    },
}

/// A batch that was or may have been posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Batch hash.
    pub hash: [u8; 32],
    /// Assertion that it is built on.
    pub parent: [u8; 32],
    /// First receipt.
    pub from: u64,
    /// After the last.
    pub to: u64,
    /// Receipts that are not in it.
    pub left_out: Vec<u64>,
    /// The batch's time.
    pub time: u64,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A block of L1, with the logs of the rollup's contracts as the reader encodes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its parent's.
    pub parent: [u8; 32],
    /// Seconds.
    pub time: u64,
    /// Empty if there is nothing of the rollup in it.
    pub logs: Vec<u8>,
}

/// Which receipts a batch was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRow {
    /// Batch hash.
    pub hash: [u8; 32],
    /// First receipt.
    pub from: u64,
    /// After the last.
    pub to: u64,
    /// Receipts that are not in it.
    pub left_out: Vec<u64>,
}

type SpanColumns = (Vec<u8>, i64, i64, Vec<u8>);
type BatchColumns = (Vec<u8>, Vec<u8>, i64, i64, Vec<u8>, i64, Vec<u8>);
type BlockColumns = (i64, Vec<u8>, Vec<u8>, i64, Vec<u8>);
type PromisedColumns = (
    (i64, i16),
    (Option<Vec<u8>>, Option<i16>, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>),
    (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>),
    (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>),
);

const DAMAGED: StoreError = StoreError::Damaged("a receipt without what it promises");

fn promised(row: PromisedColumns) -> Result<Promised, StoreError> {
    let ((number, op), (body, delegated, signature, prompt, created), (length, output, fee), rest) = row;
    let (d_body, d_signature, w_body, w_signature) = rest;
    let both = |body: Option<Vec<u8>>, signature: Option<Vec<u8>>| {
        Ok::<_, StoreError>((body.ok_or(DAMAGED)?, array(&signature.ok_or(DAMAGED)?, "a signature")?))
    };
    let what = match op {
        3 => {
            let (body, signature) = both(body, signature)?;
            Signed::Inference {
                body,
                delegated: delegated.ok_or(DAMAGED)? != 0,
                signature,
                prompt: prompt.ok_or(DAMAGED)?,
                length: length.ok_or(DAMAGED)? as u32,
                output: output.ok_or(DAMAGED)?,
                fee: u128::from_be_bytes(array(&fee.ok_or(DAMAGED)?, "a fee")?),
            }
        }
        4 => {
            let (body, signature) = both(w_body, w_signature)?;
            Signed::Withdrawal { body, signature }
        }
        _ => {
            let (body, signature) = both(d_body, d_signature)?;
            Signed::Delegation { body, signature }
        }
    };
    Ok(Promised { number: number as u64, created: created.unwrap_or_default() as u64, what })
}

/// Eight bytes each.
fn numbers(bytes: &[u8]) -> Result<Vec<u64>, StoreError> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(StoreError::Damaged("a batch"));
    }
    Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
}

macro_rules! read_promised {
    ($pool:expr, $epoch:expr, $from:expr, $to:expr) => {{
        use sqlx::Row as _;
        let rows = sqlx::query(
            "SELECT r.number, r.op, q.body, q.delegated, q.signature, q.prompt, q.created, s.length, s.output, s.fee, \
             d.body, d.signature, w.body, w.signature FROM receipts r \
             LEFT JOIN requests q ON q.hash = r.request \
             LEFT JOIN results s ON s.epoch = r.epoch AND s.number = r.number \
             LEFT JOIN delegations d ON d.hash = r.request LEFT JOIN withdrawals w ON w.hash = r.request \
             WHERE r.epoch = $1 AND r.number >= $2 AND r.number < $3 ORDER BY r.number",
        )
        .bind(i64::from($epoch))
        .bind($from as i64)
        .bind($to as i64)
        .fetch_all($pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                promised((
                    (row.try_get(0)?, row.try_get(1)?),
                    (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, row.try_get(6)?),
                    (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?),
                    (row.try_get(10)?, row.try_get(11)?, row.try_get(12)?, row.try_get(13)?),
                ))
            })
            .collect()
    }};
}

/// Runs a body with `$pool` being what writes, of either kind.
macro_rules! with_writer {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            Db::Sqlite { write: $pool, .. } => $body,
            Db::Postgres($pool) => $body,
        }
    };
}

impl Db {
    /// What the receipts `from .. to` of an epoch promise, in order.
    pub async fn promised(&self, epoch: u32, from: u64, to: u64) -> Result<Vec<Promised>, StoreError> {
        with_reader!(self, pool => read_promised!(pool, epoch, from, to))
    }

    /// An epoch's marks, in order.
    pub async fn marks(&self, epoch: u32) -> Result<Vec<Mark>, StoreError> {
        let select = "SELECT number, cursor, acc FROM marks WHERE epoch = $1 ORDER BY number, cursor";
        let rows: Vec<(i64, i64, Vec<u8>)> = with_reader!(self, pool => {
            sqlx::query_as(select).bind(i64::from(epoch)).fetch_all(pool).await?
        });
        let mark = |(number, cursor, acc): (i64, i64, Vec<u8>)| {
            let acc = array(&acc, "a mark")?;
            Ok(Mark { number: number as u64, cursor: cursor as u64, acc })
        };
        rows.into_iter().map(mark).collect()
    }

    /// Another history of L1 has another accumulator at a mark.
    pub async fn move_mark(&self, epoch: u32, mark: &Mark) -> Result<(), StoreError> {
        let update = "UPDATE marks SET acc = $1 WHERE epoch = $2 AND number = $3 AND cursor = $4";
        with_writer!(self, pool => {
            let update = sqlx::query(update).bind(mark.acc.as_slice()).bind(i64::from(epoch));
            update.bind(mark.number as i64).bind(mark.cursor as i64).execute(pool).await?;
        });
        Ok(())
    }

    /// Keeps a batch before it is sent.
    pub async fn keep_batch(&self, epoch: u32, row: &BatchRow) -> Result<(), StoreError> {
        let insert = "INSERT INTO batches (hash, parent, epoch, from_number, to_number, left_out, time, data) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (hash) DO NOTHING";
        let left_out: Vec<u8> = row.left_out.iter().flat_map(|n| n.to_be_bytes()).collect();
        with_writer!(self, pool => {
            let insert = sqlx::query(insert).bind(row.hash.as_slice()).bind(row.parent.as_slice());
            let insert = insert.bind(i64::from(epoch)).bind(row.from as i64).bind(row.to as i64);
            let insert = insert.bind(left_out.as_slice()).bind(row.time as i64).bind(row.data.as_slice());
            insert.execute(pool).await?;
        });
        Ok(())
    }

    /// What the batches hold that an epoch's receipts were ever put in. Without their bytes: there may be many.
    pub async fn spans(&self, epoch: u32) -> Result<Vec<SpanRow>, StoreError> {
        let select = "SELECT hash, from_number, to_number, left_out FROM batches WHERE epoch = $1";
        let rows: Vec<SpanColumns> = with_reader!(self, pool => {
            sqlx::query_as(select).bind(i64::from(epoch)).fetch_all(pool).await?
        });
        let span = |(hash, from, to, left_out): SpanColumns| {
            let (hash, left_out) = (array(&hash, "a batch")?, numbers(&left_out)?);
            Ok(SpanRow { hash, from: from as u64, to: to as u64, left_out })
        };
        rows.into_iter().map(span).collect()
    }

    /// The batch of an epoch with the latest time.
    pub async fn last_batch(&self, epoch: u32) -> Result<Option<BatchRow>, StoreError> {
        let select = "SELECT hash, parent, from_number, to_number, left_out, time, data FROM batches \
                      WHERE epoch = $1 ORDER BY time DESC, to_number DESC LIMIT 1";
        let row: Option<BatchColumns> = with_reader!(self, pool => {
            sqlx::query_as(select).bind(i64::from(epoch)).fetch_optional(pool).await?
        });
        let batch = |(hash, parent, from, to, left_out, time, data): BatchColumns| {
            Ok(BatchRow {
                hash: array(&hash, "a batch")?,
                parent: array(&parent, "a batch")?,
                from: from as u64,
                to: to as u64,
                left_out: numbers(&left_out)?,
                time: time as u64,
                data,
            })
        };
        row.map(batch).transpose()
    }

    /// The bytes of a batch.
    pub async fn batch_data(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let select = "SELECT data FROM batches WHERE hash = $1";
        Ok(with_reader!(self, pool => {
            sqlx::query_scalar(select).bind(hash.as_slice()).fetch_optional(pool).await?
        }))
    }

    /// The blocks that were read, from a number on, in order, and so many at the most.
    pub async fn blocks(&self, from: u64, most: u32) -> Result<Vec<BlockRow>, StoreError> {
        let select = "SELECT number, hash, parent, time, logs FROM l1_blocks WHERE number >= $1 \
                      ORDER BY number LIMIT $2";
        let rows: Vec<BlockColumns> = with_reader!(self, pool => {
            sqlx::query_as(select).bind(from as i64).bind(i64::from(most)).fetch_all(pool).await?
        });
        let block = |(number, hash, parent, time, logs): BlockColumns| {
            let (hash, parent) = (array(&hash, "a block")?, array(&parent, "a block")?);
            Ok(BlockRow { number: number as u64, hash, parent, time: time as u64, logs })
        };
        rows.into_iter().map(block).collect()
    }

    /// A block was read. Those before `keep` in which there is nothing are forgotten.
    pub async fn keep_block(&self, row: &BlockRow, keep: u64) -> Result<(), StoreError> {
        let insert = "INSERT INTO l1_blocks (number, hash, parent, time, logs) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT (number) DO UPDATE SET hash = excluded.hash, parent = excluded.parent, \
                      time = excluded.time, logs = excluded.logs";
        let delete = "DELETE FROM l1_blocks WHERE number < $1 AND length(logs) = 0";
        with_writer!(self, pool => {
            let insert = sqlx::query(insert).bind(row.number as i64).bind(row.hash.as_slice());
            let insert = insert.bind(row.parent.as_slice()).bind(row.time as i64).bind(row.logs.as_slice());
            insert.execute(pool).await?;
            if row.number.is_multiple_of(64) {
                sqlx::query(delete).bind(keep as i64).execute(pool).await?;
            }
        });
        Ok(())
    }

    /// A reorganisation took this block, and so whatever came after it, and a checkpoint that has it.
    pub async fn forget_blocks(&self, from: u64) -> Result<(), StoreError> {
        let blocks = "DELETE FROM l1_blocks WHERE number >= $1";
        let checkpoint = "DELETE FROM l1_checkpoint WHERE block >= $1";
        with_writer!(self, pool => {
            let mut both = pool.begin().await?;
            sqlx::query(checkpoint).bind(from as i64).execute(&mut *both).await?;
            sqlx::query(blocks).bind(from as i64).execute(&mut *both).await?;
            both.commit().await?;
        });
        Ok(())
    }

    /// What the blocks up to one come to, as the reader encodes it.
    pub async fn checkpoint(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let select = "SELECT block, view FROM l1_checkpoint";
        let row: Option<(i64, Vec<u8>)> =
            with_reader!(self, pool => sqlx::query_as(select).fetch_optional(pool).await?);
        Ok(row.map(|(block, view)| (block as u64, view)))
    }

    /// Keeps a checkpoint in the place of the last one.
    pub async fn keep_checkpoint(&self, block: u64, view: &[u8]) -> Result<(), StoreError> {
        let insert = "INSERT INTO l1_checkpoint (id, block, view) VALUES (1, $1, $2) \
                      ON CONFLICT (id) DO UPDATE SET block = excluded.block, view = excluded.view";
        with_writer!(self, pool => {
            sqlx::query(insert).bind(block as i64).bind(view).execute(pool).await?;
        });
        Ok(())
    }

    /// Outputs of requests made on L1: request hash, length, packed output.
    pub async fn l1_results(&self) -> Result<Vec<([u8; 32], u32, Vec<u8>)>, StoreError> {
        let select = "SELECT request, length, output FROM l1_results";
        let rows: Vec<(Vec<u8>, i64, Vec<u8>)> =
            with_reader!(self, pool => sqlx::query_as(select).fetch_all(pool).await?);
        rows.into_iter().map(|(hash, n, output)| Ok((array(&hash, "a result")?, n as u32, output))).collect()
    }

    /// Keeps an output of a request made on L1.
    pub async fn keep_l1_result(
        &self,
        request: &[u8; 32],
        length: u32,
        output: &[u8],
    ) -> Result<(), StoreError> {
        let insert = "INSERT INTO l1_results (request, length, output) VALUES ($1, $2, $3) \
                      ON CONFLICT (request) DO NOTHING";
        with_writer!(self, pool => {
            let insert = sqlx::query(insert).bind(request.as_slice()).bind(i64::from(length));
            insert.bind(output).execute(pool).await?;
        });
        Ok(())
    }
}
