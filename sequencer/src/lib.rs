//! The sequencer: sells inference over HTTP, at once, with a signed receipt for every answer.
//!
//! [`api`] speaks to clients, [`engine`] computes, [`book`] and [`ledger`] know who can pay, [`sealer`] promises and
//! [`store`] keeps. [`flow`] leads a request through them.

pub mod api;
pub mod book;
pub mod clock;
pub mod config;
pub mod engine;
pub mod flow;
pub mod keys;
pub mod l1;
pub mod ledger;
pub mod metrics;
pub mod posting;
pub mod sealer;
mod service;
pub mod store;

pub use service::{Running, StartError, run, start};
