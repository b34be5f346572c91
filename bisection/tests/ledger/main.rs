//! The rollup's rules, played: random batches, everything that can be wrong with them, and the vectors that the contracts share.

mod batches;
mod keys;
mod questions;
mod refusals;
mod steps;
mod vectors;
mod world;
