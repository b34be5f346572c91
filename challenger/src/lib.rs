//! Plays either side of a dispute. What to do is `bisection`'s solver; what the numbers are is `executor`'s trace; this
//! crate reads games from the chain ([`view`]), turns moves into calls ([`calls`]), and can play a whole game on a chain
//! in memory ([`arena`]). [`service`] watches a rollup on L1, disbelieves everything, and disputes or defends with its own funds.

pub mod arena;
pub mod calls;
pub mod player;
pub mod service;
pub mod view;
