//! What goes in: one transaction for everything that is ready.

use sqlx::{QueryBuilder, Transaction};

use super::{Db, Mark, StoreError};

/// A receipt.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Its number.
    pub number: u64,
    /// 3 inference, 4 withdrawal, 5 delegation.
    pub op: u8,
    /// Of which request.
    pub request: [u8; 32],
    /// Output root, or 0.
    pub root: [u8; 32],
    /// Posted by then.
    pub deadline: u64,
    /// Who is compensated.
    pub payee: [u8; 20],
    /// Of the receipt.
    pub signature: [u8; 64],
}

/// A request that waits to be executed, or was.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its hash.
    pub hash: [u8; 32],
    /// Whose.
    pub account: u32,
    /// Signed by a delegate.
    pub delegated: bool,
    /// The signed fields.
    pub body: Vec<u8>,
    /// The packed prompt.
    pub prompt: Vec<u8>,
    /// Of the request.
    pub signature: [u8; 64],
    /// When it came.
    pub created: u64,
}

/// An executed request.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// What was asked.
    pub request: Received,
    /// Its number.
    pub number: u64,
    /// Tokens, or elements.
    pub length: u32,
    /// Packed as it is posted.
    pub output: Vec<u8>,
    /// What it cost.
    pub fee: u128,
    /// 0 stop, 1 length, 2 vector.
    pub finish: u8,
}

/// A delegation.
#[derive(Clone, Debug)]
pub struct Delegated {
    /// Its hash.
    pub hash: [u8; 32],
    /// Whose.
    pub account: u32,
    /// Who may sign.
    pub delegate: [u8; 20],
    /// The signed fields.
    pub body: Vec<u8>,
    /// Of the delegation.
    pub signature: [u8; 64],
}

/// A withdrawal.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// Its hash.
    pub hash: [u8; 32],
    /// Whose.
    pub account: u32,
    /// The signed fields.
    pub body: Vec<u8>,
    /// Of the withdrawal.
    pub signature: [u8; 64],
}

/// What is committed together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Whose numbers.
    pub epoch: u32,
    /// The first number, which must be the store's next one.
    pub first: u64,
    /// One for each number from `first` on, in order.
    pub receipts: Vec<Numbered>,
    /// The inferences among them.
    pub inferred: Vec<Inferred>,
    /// The delegations among them.
    pub delegated: Vec<Delegated>,
    /// The withdrawals among them.
    pub withdrawn: Vec<Withdrawn>,
    /// Where the inbox was read on, among the numbers.
    pub marks: Vec<Mark>,
    /// Accounts as they are after the last number.
    pub accounts: Vec<(u32, Vec<u8>)>,
    /// Requests that are to be executed later.
    pub received: Vec<Received>,
    /// Requests that cannot be executed after all.
    pub given_up: Vec<[u8; 32]>,
}

/// Rows of one statement: few sizes, so that statements are prepared once.
fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let n = [64, 16, 4, 1].into_iter().find(|n| *n <= rows.len())?;
        let (portion, rest) = rows.split_at(n);
        rows = rest;
        Some(portion)
    })
}

macro_rules! write_group {
    ($name:ident, $db:ty) => {
        async fn $name(tx: &mut Transaction<'static, $db>, group: &Group) -> Result<(), StoreError> {
            let epoch = i64::from(group.epoch);
            for rows in portions(&group.received) {
                let mut sql = QueryBuilder::<$db>::new(
                    "INSERT INTO requests (hash, account, delegated, body, prompt, signature, created, status) ",
                );
                sql.push_values(rows, |mut row, r| {
                    row.push_bind(r.hash.as_slice()).push_bind(i64::from(r.account));
                    row.push_bind(i16::from(r.delegated)).push_bind(r.body.as_slice());
                    row.push_bind(r.prompt.as_slice()).push_bind(r.signature.as_slice());
                    row.push_bind(r.created as i64).push_bind(0_i16);
                });
                // One that was given up is asked again.
                sql.push(" ON CONFLICT (hash) DO UPDATE SET status = 0 WHERE requests.status = 2");
                sql.build().execute(&mut **tx).await?;
            }
            for rows in portions(&group.inferred) {
                let mut sql = QueryBuilder::<$db>::new(
                    "INSERT INTO requests (hash, account, delegated, body, prompt, signature, created, status) ",
                );
                sql.push_values(rows, |mut row, i| {
                    let r = &i.request;
                    row.push_bind(r.hash.as_slice()).push_bind(i64::from(r.account));
                    row.push_bind(i16::from(r.delegated)).push_bind(r.body.as_slice());
                    row.push_bind(r.prompt.as_slice()).push_bind(r.signature.as_slice());
                    row.push_bind(r.created as i64).push_bind(1_i16);
                });
                sql.push(" ON CONFLICT (hash) DO UPDATE SET status = excluded.status");
                sql.build().execute(&mut **tx).await?;
            }
            for rows in portions(&group.inferred) {
                let mut sql = QueryBuilder::<$db>::new(
                    "INSERT INTO results (epoch, number, length, output, fee, finish) ",
                );
                sql.push_values(rows, |mut row, i| {
                    row.push_bind(epoch).push_bind(i.number as i64).push_bind(i64::from(i.length));
                    row.push_bind(i.output.as_slice()).push_bind(i.fee.to_be_bytes().to_vec());
                    row.push_bind(i16::from(i.finish));
                });
                sql.build().execute(&mut **tx).await?;
            }
            for d in &group.delegated {
                let insert = "INSERT INTO delegations (hash, account, delegate, body, signature) \
                              VALUES ($1, $2, $3, $4, $5)";
                let insert = sqlx::query(insert).bind(d.hash.as_slice()).bind(i64::from(d.account));
                let insert = insert.bind(d.delegate.as_slice()).bind(d.body.as_slice());
                insert.bind(d.signature.as_slice()).execute(&mut **tx).await?;
            }
            for w in &group.withdrawn {
                let insert = "INSERT INTO withdrawals (hash, account, body, signature) VALUES ($1, $2, $3, $4)";
                let insert = sqlx::query(insert).bind(w.hash.as_slice()).bind(i64::from(w.account));
                let insert = insert.bind(w.body.as_slice()).bind(w.signature.as_slice());
                insert.execute(&mut **tx).await?;
            }
            for mark in &group.marks {
                // Repeated after an answer that was lost, it is the same.
                let insert = "INSERT INTO marks (epoch, number, cursor, acc) VALUES ($1, $2, $3, $4) \
                              ON CONFLICT (epoch, number, cursor) DO NOTHING";
                let insert = sqlx::query(insert).bind(epoch).bind(mark.number as i64);
                insert.bind(mark.cursor as i64).bind(mark.acc.as_slice()).execute(&mut **tx).await?;
            }
            for rows in portions(&group.receipts) {
                let mut sql = QueryBuilder::<$db>::new(
                    "INSERT INTO receipts (epoch, number, op, request, root, deadline, payee, signature) ",
                );
                sql.push_values(rows, |mut row, r| {
                    row.push_bind(epoch).push_bind(r.number as i64).push_bind(i16::from(r.op));
                    row.push_bind(r.request.as_slice()).push_bind(r.root.as_slice());
                    row.push_bind(r.deadline as i64).push_bind(r.payee.as_slice());
                    row.push_bind(r.signature.as_slice());
                });
                sql.build().execute(&mut **tx).await?;
            }
            for rows in portions(&group.accounts) {
                let mut sql = QueryBuilder::<$db>::new("INSERT INTO accounts (account, leaf) ");
                sql.push_values(rows, |mut row, (account, leaf)| {
                    row.push_bind(i64::from(*account)).push_bind(leaf.as_slice());
                });
                sql.push(" ON CONFLICT (account) DO UPDATE SET leaf = excluded.leaf");
                sql.build().execute(&mut **tx).await?;
            }
            for hash in &group.given_up {
                let update = "UPDATE requests SET status = 2 WHERE hash = $1 AND status = 0";
                sqlx::query(update).bind(hash.as_slice()).execute(&mut **tx).await?;
            }
            // Where the inbox was read on is told by numbers, so it needs the only writer too.
            if !group.receipts.is_empty() || !group.marks.is_empty() {
                let next = group.first + group.receipts.len() as u64;
                let update = "UPDATE epochs SET next = $1 WHERE epoch = $2 AND next = $3";
                let update = sqlx::query(update).bind(next as i64).bind(epoch).bind(group.first as i64);
                if update.execute(&mut **tx).await?.rows_affected() != 1 {
                    let found: i64 = sqlx::query_scalar("SELECT next FROM epochs WHERE epoch = $1")
                        .bind(epoch)
                        .fetch_one(&mut **tx)
                        .await?;
                    let (epoch, expected, found) = (group.epoch, group.first, found as u64);
                    return Err(StoreError::Fenced { epoch, expected, found });
                }
            }
            Ok(())
        }
    };
}

write_group!(write_sqlite, sqlx::Sqlite);
write_group!(write_postgres, sqlx::Postgres);

impl Db {
    /// Commits a group: all of it is on the disk afterwards, or nothing. After an error that is not final, only
    /// [`Db::next_number`] can tell which.
    pub async fn commit(&self, group: &Group) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                write_sqlite(&mut tx, group).await?;
                tx.commit().await?;
            }
            Self::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                write_postgres(&mut tx, group).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Opens an epoch, if it is new, and gives its next number. Proposer and domain are those it was begun with.
    pub async fn begin_epoch(
        &self,
        epoch: u32,
        proposer: &[u8; 20],
        domain: &[u8; 32],
    ) -> Result<u64, StoreError> {
        let insert = "INSERT INTO epochs (epoch, next, proposer, domain) VALUES ($1, 0, $2, $3) \
                      ON CONFLICT (epoch) DO NOTHING";
        let (number, who, place) = (i64::from(epoch), proposer.as_slice(), domain.as_slice());
        match self {
            Self::Sqlite { write, .. } => {
                sqlx::query(insert).bind(number).bind(who).bind(place).execute(write).await?;
            }
            Self::Postgres(pool) => {
                sqlx::query(insert).bind(number).bind(who).bind(place).execute(pool).await?;
            }
        }
        if self.epoch_of(epoch).await? != (*proposer, *domain) {
            return Err(StoreError::Epoch(epoch));
        }
        self.next_number(epoch).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn portions_cover_all_in_order() {
        for n in [0, 1, 3, 4, 63, 64, 150] {
            let rows: Vec<u32> = (0..n).collect();
            assert_eq!(super::portions(&rows).collect::<Vec<_>>().concat(), rows);
        }
    }
}
