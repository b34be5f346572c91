//! A request's life, from admission to receipt, whoever is still listening.

mod flight;
mod native;
mod order;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::Address;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::{Book, Refusal};
use crate::engine::{Model, Output, Price, Refused};
use crate::keys::Keys;
use crate::l1::Shared;
use crate::ledger::{Domain, Hash};
use crate::metrics::Metrics;
use crate::posting::Posting;
use crate::sealer::{SealError, Sealed, SealerHandle};
use crate::store::{Db, StoreError};

pub use native::SignedRequest;
pub use order::{Order, Wanted};

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The account cannot have it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The model is too busy.
    #[error(transparent)]
    Busy(#[from] Refused),
    /// It was made, and could not be promised.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine.
    #[error("the model failed: {0}")]
    Engine(String),
    /// Something in the request, by its field.
    #[error("{message}")]
    Bad {
        /// Which field.
        field: &'static str,
        /// What to do about it.
        message: String,
    },
    /// The prompt leaves no room.
    #[error("the prompt has {prompt} tokens and the model's context is {context}: shorten the prompt")]
    Context {
        /// Tokens of the prompt.
        prompt: usize,
        /// Of the model.
        context: u32,
    },
    /// The sequencer stops.
    #[error("the sequencer is stopping: try again soon")]
    Stopping,
}

/// How a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By a stop token or a stop string.
    Stop,
    /// At the limit.
    Length,
}

/// A finished request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The promise.
    pub sealed: Sealed,
    /// How it ended.
    pub ended: Ended,
    /// What came out.
    pub output: Output,
}

/// A part of an answer. After `Done` or `Failed` nothing follows.
#[derive(Debug)]
pub enum Piece {
    /// More text.
    Text(String),
    /// The end, with its receipt.
    Done(Box<Outcome>),
    /// The end, without one.
    Failed(FlowError),
}

/// Everything that requests need.
pub struct Service {
    /// By name.
    pub models: BTreeMap<String, Arc<Model>>,
    /// Accounts.
    pub book: Arc<Book>,
    /// The store, for reading.
    pub db: Db,
    /// The writer.
    pub sealer: SealerHandle,
    /// Where signatures are valid.
    pub domain: Domain,
    /// API keys that were used.
    pub keys: Keys,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether receipts can be given.
    pub posting: Arc<dyn Posting>,
    /// What is known of L1, if batches are posted.
    pub l1: Option<Arc<Shared>>,
    /// Who signs receipts.
    pub receipt_signer: Address,
    /// Who posts.
    pub proposer: Address,
    /// Whose numbers.
    pub epoch: u32,
    /// Limits of requests.
    pub terms: Terms,
    /// Requests under way: they outlive their connections.
    pub tasks: TaskTracker,
    /// No new requests.
    pub closing: CancellationToken,
    /// No more tokens either.
    pub cut: CancellationToken,
    /// The writer has given up.
    pub fatal: CancellationToken,
    /// Signed requests under way.
    pub flying: Flying,
}

/// Limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Most output tokens where a request says nothing.
    pub default_max_tokens: u32,
    /// Seconds for which a request made for a key is valid.
    pub validity: u64,
    /// Seconds that a request must still be valid, so that it can be posted in time.
    pub margin: u64,
    /// Most bytes of a body.
    pub body_bytes: usize,
}

/// Signed requests under way, for those who wait for them.
#[derive(Default)]
pub struct Flying(Mutex<HashMap<Hash, watch::Receiver<bool>>>);

impl Flying {
    fn begin(&self, hash: Hash) -> Option<watch::Sender<bool>> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.contains_key(&hash) {
            return None;
        }
        let (sender, receiver) = watch::channel(false);
        map.insert(hash, receiver);
        Some(sender)
    }

    fn end(&self, hash: &Hash) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(hash);
    }

    /// Is it under way; then the receiver says when it is done.
    pub fn get(&self, hash: &Hash) -> Option<watch::Receiver<bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }
}

impl Service {
    /// The model of that id.
    pub fn model_by_id(&self, id: &Hash) -> Option<&Arc<Model>> {
        self.models.values().find(|m| m.id == *id)
    }

    /// What a model's tokens cost now.
    pub fn price(&self, model: &Model) -> Result<Price, FlowError> {
        if !self.posting.posts() {
            return Ok(model.price);
        }
        self.posting.price(&model.id).ok_or_else(|| FlowError::Bad {
            field: "model",
            message: format!("{} has no price in force on L1: nobody can be charged for it", model.name),
        })
    }

    /// The most that a model's tokens can cost by the time that a promise is posted. A request is judged then: a price that
    /// rises until that time must not void it.
    pub fn dearest(&self, model: &Model) -> Result<Price, FlowError> {
        self.posting.dearest(&model.id).map_or_else(|| self.price(model), Ok)
    }

    /// Why the service should get no requests, if so.
    pub fn unready(&self) -> Option<String> {
        if self.fatal.is_cancelled() {
            return Some("the store's writer has stopped".into());
        }
        if self.closing.is_cancelled() {
            return Some("stopping".into());
        }
        let dead = self.models.values().find(|m| !m.runner.load().alive);
        dead.map(|m| format!("the engine of {} has stopped", m.name))
            .or_else(|| self.posting.deadline(self.posting.now()).err())
    }
}
