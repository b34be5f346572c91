//! Who computes: a scheduler with a thread of its own for each model, or an echo.
//!
//! A [`Runner`] takes jobs and answers each by a channel. Whoever drops the receiving end has cancelled the job. What
//! comes out never depends on which jobs run together: the executor sees to that.

mod codec;
mod echo;
#[cfg(test)]
mod fake;
mod model;
mod packing;
mod queue;
mod scheduler;
mod sequences;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use executor::generate::Finish;
use executor::kernels::Sampling;
use tokio::sync::mpsc::UnboundedSender;

pub use codec::{Codec, CodecError};
pub use echo::Echo;
pub use model::{Kind, Model, ModelError, Price};
pub use packing::{Output, root, unpack_tokens};
pub use queue::Limits;
pub use scheduler::Scheduler;

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Tokens after the prompt, at most `limit`.
    Tokens {
        /// How they are chosen.
        sampling: Sampling,
        /// At least 1, and within the context.
        limit: u32,
    },
    /// The vector over the prompt.
    Vector,
}

impl Task {
    /// Positions that it may take, with a prompt of `prompt` tokens.
    pub(crate) fn positions(&self, prompt: usize) -> usize {
        match self {
            Self::Tokens { limit, .. } => prompt.saturating_add(*limit as usize),
            Self::Vector => prompt,
        }
    }
}

/// One request for a runner.
#[derive(Debug)]
pub struct Job {
    /// On whose behalf: turns are given in equal shares to agents, not to jobs.
    pub agent: u32,
    /// At least one token, all within the vocabulary.
    pub prompt: Arc<[u32]>,
    /// What is wanted.
    pub task: Task,
    /// All tokens at once, because nobody looks at them before the end: a wake-up for each costs as much as 2 % of a small model.
    pub whole: bool,
    /// Where the answer goes. Dropping the receiver cancels. Unbounded, but nothing comes after the task's own limit.
    pub events: UnboundedSender<Event>,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next tokens.
    Tokens(Vec<u32>),
    /// The whole vector. Nothing follows.
    Vector(Vec<i32>),
    /// No more tokens. Nothing follows.
    End(Finish),
    /// It cannot be computed. Nothing follows.
    Failed(String),
}

/// A job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// This agent has as many jobs waiting as it may have.
    #[error("too many of this account's requests are waiting")]
    Agent,
    /// The whole queue is full.
    #[error("the queue is full")]
    Full,
    /// The back end has failed and takes no more.
    #[error("the model's back end has stopped")]
    Down,
}

/// What a runner is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that run.
    pub running: usize,
    /// Is it alive.
    pub alive: bool,
}

/// Takes jobs.
pub trait Runner: Send + Sync {
    /// Takes a job, or says at once why not.
    fn submit(&self, job: Job) -> Result<(), Refused>;
    /// What it is busy with.
    fn load(&self) -> Load;
}
