//! The durable store: SQLite by default, PostgreSQL for operators. One SQL text for both.
//!
//! It holds bytes and knows nothing of what they mean. [`Db::commit`] is the only way in for what a receipt promises.

mod posting;
mod read;
mod write;

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

pub use posting::{BatchRow, BlockRow, Mark, Promised, Signed, SpanRow};
pub use read::{Found, Snapshot};
pub use write::{Delegated, Group, Inferred, Numbered, Received, Withdrawn};

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no, or nothing.
    #[error("the store: {0}")]
    Sql(#[from] sqlx::Error),
    /// Its tables are not ours.
    #[error("the store's tables cannot be brought up to date: {0}")]
    Migrate(#[from] MigrateError),
    /// Somebody else writes.
    #[error(
        "another sequencer writes to this store (the next number of epoch {epoch} is {found}, not {expected}): \
         stop one of them"
    )]
    Fenced {
        /// The epoch.
        epoch: u32,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The configuration has changed under the store.
    #[error(
        "epoch {0} of this store was begun by another proposer, or for another chain or inbox: put those back, or \
         begin another epoch"
    )]
    Epoch(u32),
    /// The address is no address.
    #[error("the store's address must begin with sqlite: or postgres:, not {0:?}")]
    Address(String),
    /// What is stored cannot be read.
    #[error("the store holds {0} that cannot be read: it is damaged or of another version")]
    Damaged(&'static str),
}

impl StoreError {
    /// Is it pointless to try the same again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                error.is_unique_violation() || error.is_foreign_key_violation() || error.is_check_violation()
            }
            Self::Sql(sqlx::Error::Encode(_) | sqlx::Error::ColumnNotFound(_)) => true,
            Self::Sql(_) => false,
            Self::Epoch(_) | Self::Migrate(_) | Self::Fenced { .. } | Self::Address(_) | Self::Damaged(_) => {
                true
            }
        }
    }
}

/// Connections to a store.
#[derive(Clone, Debug)]
pub enum Db {
    /// A file: one connection writes, some read.
    Sqlite {
        /// The writer.
        write: SqlitePool,
        /// The readers.
        read: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

/// Runs a body with `$pool` being the readers of either kind.
macro_rules! with_reader {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::store::Db::Sqlite { read: $pool, .. } => $body,
            $crate::store::Db::Postgres($pool) => $body,
        }
    };
}
pub(crate) use with_reader;

const PATIENCE: Duration = Duration::from_secs(10);

impl Db {
    /// Opens `sqlite:PATH` or `postgres://...` and brings its tables up to date.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        if address.starts_with("postgres:") || address.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(address)?.application_name("refute sequencer");
            let pool = PgPoolOptions::new()
                .max_connections(8)
                .acquire_timeout(PATIENCE)
                .connect_with(options)
                .await?;
            sqlx::migrate!("../migrations/postgres").run(&pool).await?;
            return Ok(Self::Postgres(pool));
        }
        if !address.starts_with("sqlite:") {
            return Err(StoreError::Address(address.chars().take(16).collect()));
        }
        // FULL: a commit that was answered is on the disk, whatever happens to the machine.
        let options = SqliteConnectOptions::from_str(address)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true);
        let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let write = write.connect_with(options.clone()).await?;
        sqlx::migrate!("../migrations/sqlite").run(&write).await?;
        let read = SqlitePoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
        let read = read.connect_with(options.read_only(true).create_if_missing(false)).await?;
        Ok(Self::Sqlite { write, read })
    }

    /// Which kind it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
