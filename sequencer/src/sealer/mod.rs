//! The one writer. It gives executed requests their order, their numbers and their signed receipts, and lets nothing
//! leave before it is committed.
//!
//! Whatever has gathered while the last group was committed is the next group: under load groups grow, and an idle
//! sequencer answers at once.

mod group;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::signers::local::Secp256k1Signer;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use bisection::ledger::inbox;

use crate::book::{Book, Hold, Refusal};
use crate::engine::{Output, Price};
use crate::ledger::{Account, Delegation, Domain, Hash, Receipt, Request, Withdrawal};
use crate::metrics::Metrics;
use crate::posting::Posting;
use crate::store::{Db, Mark, Received, StoreError};

use group::Sealer;

/// Who signs a request.
#[derive(Clone, Debug)]
pub enum Signed {
    /// The sequencer, with the key that came with the API call.
    ByKey(Arc<Secp256k1Signer>),
    /// The client has.
    Given {
        /// Its signature.
        signature: [u8; 64],
        /// The delegate, if it is one.
        delegate: Option<Address>,
    },
}

impl Signed {
    /// The delegate who signs, if one does.
    pub fn delegate(&self) -> Option<Address> {
        match self {
            Self::ByKey(key) => Some(key.address()),
            Self::Given { delegate, .. } => *delegate,
        }
    }
}

/// A request with its output.
#[derive(Debug)]
pub struct Executed {
    /// As it is signed.
    pub request: Request,
    /// By whom.
    pub signed: Signed,
    /// What is set aside for it.
    pub hold: Hold,
    /// The model's price.
    pub price: Price,
    /// The packed prompt.
    pub prompt: Vec<u8>,
    /// What came out.
    pub output: Output,
    /// Bits of a token.
    pub token_bits: u8,
    /// 0 stop, 1 length, 2 vector.
    pub finish: u8,
    /// When the request came.
    pub created: u64,
}

/// What was promised.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The promise.
    pub receipt: Receipt,
    /// Its signature.
    pub signature: [u8; 64],
    /// What it cost, in wei.
    pub fee: u128,
}

/// Why nothing was promised.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The account changed while the request ran.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store said no.
    #[error("the result could not be stored: {0}")]
    Store(String),
    /// No receipt may be given now.
    #[error("no receipts can be given now: {0}")]
    NoReceipts(String),
    /// It could be posted too late.
    #[error("it would have to be valid until {0}, so that it can be posted in time")]
    TooShort(u64),
    /// The sequencer stops.
    #[error("the sequencer is stopping")]
    Stopping,
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, SealError>>;

pub(crate) enum Message {
    Executed(Box<Executed>, Reply<Sealed>),
    Delegation { terms: Box<Delegation>, hash: Hash, signature: [u8; 64], reply: Reply<Sealed> },
    Withdrawal { order: Withdrawal, hash: Hash, signature: [u8; 64], reply: Reply<Sealed> },
    Received(Box<Received>, Reply<()>),
    GivenUp(Hash),
    Enter { cursor: u64, acc: [u8; 32], entries: Vec<inbox::Entry>, reply: Reply<Mark> },
    Pause(oneshot::Sender<Paused>),
}

/// While this exists nothing is sealed.
pub struct Paused {
    /// The number that comes next.
    pub next: u64,
    accounts: oneshot::Sender<Accounts>,
}

/// Accounts with their delegations in force.
pub(crate) type Accounts = Vec<(Account, Option<Delegation>)>;

impl Paused {
    /// All accounts are others than they were taken to be; they are stored before anything is sealed again.
    pub fn replace(self, accounts: Accounts) {
        // A writer that is gone has nothing to replace.
        let _ = self.accounts.send(accounts);
    }
}

/// Hands things to the writer.
#[derive(Clone)]
pub struct SealerHandle {
    messages: mpsc::Sender<Message>,
}

/// What the writer works with.
pub struct Parts {
    /// The store.
    pub db: Db,
    /// The accounts.
    pub book: Arc<Book>,
    /// Where signatures are valid.
    pub domain: Domain,
    /// Signs receipts.
    pub signer: Arc<Secp256k1Signer>,
    /// Who posts: L1 looks receipts up under it.
    pub proposer: Address,
    /// Whose numbers.
    pub epoch: u32,
    /// Until when a receipt may promise.
    pub posting: Arc<dyn Posting>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Things that wait for the writer before senders wait too.
const BACKLOG: usize = 8192;
/// Most things of one transaction.
const GROUP_MAX: usize = 512;
/// Between two tries of a transaction whose outcome is unknown.
const RETRY: Duration = Duration::from_millis(200);

impl SealerHandle {
    /// Starts the writer. It ends when all handles are gone, or when it finds that it is not the only one: then
    /// `fatal` is cancelled.
    pub async fn start(
        parts: Parts,
        fatal: CancellationToken,
    ) -> Result<(Self, tokio::task::JoinHandle<()>), StoreError> {
        let next =
            parts.db.begin_epoch(parts.epoch, &parts.proposer.0.0, &parts.domain.separator().0).await?;
        let (messages, mut inbox) = mpsc::channel(BACKLOG);
        let mut sealer = Sealer::new(parts, next);
        let task = tokio::spawn(async move {
            let mut batch = Vec::with_capacity(GROUP_MAX);
            while inbox.recv_many(&mut batch, GROUP_MAX).await > 0 {
                if let Err(error) = sealer.seal(std::mem::take(&mut batch), &fatal).await {
                    tracing::error!(%error, "the sequencer must stop");
                    fatal.cancel();
                    return;
                }
                batch.reserve(GROUP_MAX);
            }
        });
        Ok((Self { messages }, task))
    }

    /// Seals an executed request.
    pub async fn seal(&self, executed: Executed) -> Result<Sealed, SealError> {
        self.ask(|reply| Message::Executed(Box::new(executed), reply)).await
    }

    /// Seals a delegation.
    pub async fn delegate(
        &self,
        terms: Delegation,
        hash: Hash,
        signature: [u8; 64],
    ) -> Result<Sealed, SealError> {
        let terms = Box::new(terms);
        self.ask(|reply| Message::Delegation { terms, hash, signature, reply }).await
    }

    /// Seals a withdrawal.
    pub async fn withdraw(
        &self,
        order: Withdrawal,
        hash: Hash,
        signature: [u8; 64],
    ) -> Result<Sealed, SealError> {
        self.ask(|reply| Message::Withdrawal { order, hash, signature, reply }).await
    }

    /// Takes entries of the inbox up to `cursor`, where its accumulator is `acc`, into the order of numbers: what has a
    /// number already comes before them, everything else after them. Says where.
    pub async fn enter(
        &self,
        cursor: u64,
        acc: [u8; 32],
        entries: Vec<inbox::Entry>,
    ) -> Result<Mark, SealError> {
        self.ask(|reply| Message::Enter { cursor, acc, entries, reply }).await
    }

    /// Seals nothing until the answer is dropped.
    pub async fn pause(&self) -> Result<Paused, SealError> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Pause(reply)).await.map_err(|_| SealError::Stopping)?;
        answer.await.map_err(|_| SealError::Stopping)
    }

    /// Stores a request that is executed later.
    pub async fn receive(&self, request: Received) -> Result<(), SealError> {
        self.ask(|reply| Message::Received(Box::new(request), reply)).await
    }

    /// A stored request will not be executed.
    pub async fn give_up(&self, hash: Hash) {
        // If the writer is gone, the next start finds the request again.
        let _ = self.messages.send(Message::GivenUp(hash)).await;
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, SealError> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).await.map_err(|_| SealError::Stopping)?;
        answer.await.map_err(|_| SealError::Stopping)?
    }
}
