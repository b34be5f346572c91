//! The sequencer: sells inference over HTTP, at once, with a signed receipt for every answer.
//!
//! [`api`] speaks to clients, [`engine`] computes, [`book`] and [`ledger`] know who can pay, [`sealer`] promises and
//! [`store`] keeps.

pub mod book;
pub mod clock;
pub mod engine;
pub mod ledger;
pub mod metrics;
pub mod posting;
pub mod sealer;
pub mod store;
