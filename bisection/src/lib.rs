//! The refutation protocol, pure and synchronous. It knows nothing of models, L1 or I/O.
//!
//! # Glossary
//! - **chunk**: at most 512 bytes of a tensor, the unit that is hashed and opened as a whole.
//! - **tensor root**: root of the positional tree over a tensor's chunks.
//! - **positional tree**: a binary tree of fixed depth in which every leaf is bound to its index; missing leaves are
//!   the tagged constant [`tree::pad`].
//! - **path**, **range proof**, **witness**: siblings of one leaf, of neighbouring leaves; openings one after the other ([`proof`]).
//! - **trace**: all values of a run; its root is over the nodes' tensor roots. One party's is a [`trace::TraceProvider`].
//! - **place**: one element of a trace, or a **segment** of the reduction behind it. A **list** has one entry a segment.
//! - **assertion**: results that a **proposer** has published and staked on; it has **items**, each an inference.
//! - **game**: one **challenger's** dispute of an item. At most one **ask** is open; its answer is a **fact**, which all games of
//!   the assertion share. A **pick** makes an ask of an answered one ([`game`]).
//! - **step**: the one operation that is checked in the end ([`game::Judge`]).
//! - **ledger**: the rollup's accounts, batches and their two short disputes ([`ledger`]).
//! - **solver**: what an honest side does next ([`solver`]).
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod builder;
pub mod game;
mod hash;
mod lanes;
pub mod ledger;
pub mod proof;
pub mod solver;
pub mod trace;
pub mod tree;

pub use builder::{TensorBuilder, TreeBuilder};
pub use hash::{Hash, Hasher, keccak256, tagged};
pub use lanes::{LANES, keccak256_many, keccak256_x8};
