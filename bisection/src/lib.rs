//! The refutation protocol, pure and synchronous. It knows nothing of models, L1 or I/O.
//!
//! # Glossary
//! - **chunk**: at most 512 bytes of a tensor, the unit that is hashed and opened as a whole.
//! - **tensor root**: root of the positional tree over a tensor's chunks.
//! - **positional tree**: a binary tree of fixed depth in which every leaf is bound to its index; missing leaves are
//!   the tagged constant [`tree::pad`].
//!
//! The words of the dispute (assertion, game, claim, pick, open, step) come with the game itself.
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
pub mod proof;
pub mod solver;
pub mod trace;
pub mod tree;

pub use builder::{TensorBuilder, TreeBuilder};
pub use hash::{Hash, Hasher, keccak256, tagged};
pub use lanes::{LANES, keccak256_many, keccak256_x8};
