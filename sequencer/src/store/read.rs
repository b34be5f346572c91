//! What comes out.

use super::write::{Delegated, Numbered, Received};
use super::{Db, StoreError, with_reader};

/// What a sequencer begins with.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Accounts with their leaves, in order.
    pub accounts: Vec<(u32, Vec<u8>)>,
    /// All delegations that were ever given.
    pub delegations: Vec<Delegated>,
    /// Requests that were received and not executed, the oldest first.
    pub received: Vec<Received>,
}

/// What is known of a request.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The request; none of a delegation.
    pub request: Option<Received>,
    /// 0 received, 1 executed, 2 given up.
    pub status: u8,
    /// Its receipt and epoch.
    pub receipt: Option<(u32, Numbered)>,
    /// The epoch's proposer, if there is a receipt.
    pub proposer: [u8; 20],
    /// Length, packed output, fee and finish.
    pub result: Option<(u32, Vec<u8>, u128, u8)>,
}

type RequestRow = (Vec<u8>, i64, i16, Vec<u8>, Vec<u8>, Vec<u8>, i64);
type DelegationRow = (Vec<u8>, i64, Vec<u8>, Vec<u8>, Vec<u8>);
type StatusRow = (i64, i16, Vec<u8>, Vec<u8>, Vec<u8>, i64, i16);
type ReceiptRow = (i64, i64, i16, Vec<u8>, Vec<u8>, i64, Vec<u8>, Vec<u8>);

pub(super) fn array<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged(what))
}

fn received(row: RequestRow) -> Result<Received, StoreError> {
    let (hash, account, delegated, body, prompt, signature, created) = row;
    Ok(Received {
        hash: array(&hash, "a request's hash")?,
        account: account as u32,
        delegated: delegated != 0,
        body,
        prompt,
        signature: array(&signature, "a request's signature")?,
        created: created as u64,
    })
}

fn numbered(row: ReceiptRow) -> Result<(u32, Numbered), StoreError> {
    let (epoch, number, op, request, root, deadline, payee, signature) = row;
    let receipt = Numbered {
        number: number as u64,
        op: op as u8,
        request: array(&request, "a receipt's request")?,
        root: array(&root, "a receipt's root")?,
        deadline: deadline as u64,
        payee: array(&payee, "a receipt's payee")?,
        signature: array(&signature, "a receipt's signature")?,
    };
    Ok((epoch as u32, receipt))
}

impl Db {
    /// The number that comes next, as everybody else sees it.
    pub async fn next_number(&self, epoch: u32) -> Result<u64, StoreError> {
        let select = "SELECT next FROM epochs WHERE epoch = $1";
        let next: i64 = with_reader!(self, pool => {
            sqlx::query_scalar(select).bind(i64::from(epoch)).fetch_one(pool).await?
        });
        Ok(next as u64)
    }

    /// Proposer and domain of an epoch.
    pub async fn epoch_of(&self, epoch: u32) -> Result<([u8; 20], [u8; 32]), StoreError> {
        let select = "SELECT proposer, domain FROM epochs WHERE epoch = $1";
        let (proposer, domain): (Vec<u8>, Vec<u8>) = with_reader!(self, pool => {
            sqlx::query_as(select).bind(i64::from(epoch)).fetch_one(pool).await?
        });
        Ok((array(&proposer, "a proposer")?, array(&domain, "a domain")?))
    }

    /// Everything that a sequencer begins with.
    pub async fn load(&self) -> Result<Snapshot, StoreError> {
        let accounts: Vec<(i64, Vec<u8>)> = with_reader!(self, pool => {
            sqlx::query_as("SELECT account, leaf FROM accounts ORDER BY account").fetch_all(pool).await?
        });
        let delegations: Vec<DelegationRow> = with_reader!(self, pool => {
            sqlx::query_as("SELECT hash, account, delegate, body, signature FROM delegations").fetch_all(pool).await?
        });
        let requests: Vec<RequestRow> = with_reader!(self, pool => {
            sqlx::query_as(
                "SELECT hash, account, delegated, body, prompt, signature, created FROM requests \
                 WHERE status = 0 ORDER BY created",
            ).fetch_all(pool).await?
        });
        let delegation = |(hash, account, delegate, body, signature): DelegationRow| {
            Ok::<_, StoreError>(Delegated {
                hash: array(&hash, "a delegation's hash")?,
                account: account as u32,
                delegate: array(&delegate, "a delegate")?,
                body,
                signature: array(&signature, "a delegation's signature")?,
            })
        };
        Ok(Snapshot {
            accounts: accounts.into_iter().map(|(account, leaf)| (account as u32, leaf)).collect(),
            delegations: delegations.into_iter().map(delegation).collect::<Result<_, _>>()?,
            received: requests.into_iter().map(received).collect::<Result<_, _>>()?,
        })
    }

    /// What is known of a request hash; `None` if nothing is.
    pub async fn find(&self, hash: &[u8; 32]) -> Result<Option<Found>, StoreError> {
        let mut found = Found::default();
        let request: Option<StatusRow> = with_reader!(self, pool => {
            sqlx::query_as(
                "SELECT account, delegated, body, prompt, signature, created, status FROM requests WHERE hash = $1",
            ).bind(hash.as_slice()).fetch_optional(pool).await?
        });
        if let Some((account, delegated, body, prompt, signature, created, status)) = request {
            let row = (hash.to_vec(), account, delegated, body, prompt, signature, created);
            found.request = Some(received(row)?);
            found.status = status as u8;
        }
        let receipt: Option<ReceiptRow> = with_reader!(self, pool => {
            sqlx::query_as(
                "SELECT epoch, number, op, request, root, deadline, payee, signature FROM receipts WHERE request = $1",
            ).bind(hash.as_slice()).fetch_optional(pool).await?
        });
        let Some(receipt) = receipt else { return Ok(found.request.is_some().then_some(found)) };
        let (epoch, number) = (receipt.0, receipt.1);
        found.status = 1;
        found.receipt = Some(numbered(receipt)?);
        found.proposer = self.epoch_of(epoch as u32).await?.0;
        let result: Option<(i64, Vec<u8>, Vec<u8>, i16)> = with_reader!(self, pool => {
            sqlx::query_as("SELECT length, output, fee, finish FROM results WHERE epoch = $1 AND number = $2")
                .bind(epoch).bind(number).fetch_optional(pool).await?
        });
        if let Some((length, output, fee, finish)) = result {
            let fee = u128::from_be_bytes(array(&fee, "a fee")?);
            found.result = Some((length as u32, output, fee, finish as u8));
        }
        Ok(Some(found))
    }

    /// Receipts of an epoch from a number on, in order: what is to be posted next.
    pub async fn receipts_from(
        &self,
        epoch: u32,
        first: u64,
        most: u32,
    ) -> Result<Vec<Numbered>, StoreError> {
        let rows: Vec<ReceiptRow> = with_reader!(self, pool => {
            sqlx::query_as(
                "SELECT epoch, number, op, request, root, deadline, payee, signature FROM receipts \
                 WHERE epoch = $1 AND number >= $2 ORDER BY number LIMIT $3",
            ).bind(i64::from(epoch)).bind(first as i64).bind(i64::from(most)).fetch_all(pool).await?
        });
        rows.into_iter().map(|row| Ok(numbered(row)?.1)).collect()
    }
}
