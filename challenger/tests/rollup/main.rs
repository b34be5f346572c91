//! `bisection::ledger` beside the contracts of docs/rollup.md: every vector, then random batches, steps and questions, right ones
//! and broken ones. `REFUTE_PARITY_ROUNDS` multiplies the rounds, `REFUTE_PARITY_SEED` names the seed, which a failure prints.

mod batches;
mod dice;
mod evm;
#[path = "../../../bisection/tests/ledger/keys.rs"]
mod keys;
mod queue;
mod stage;
mod steps;
mod vectors;
#[allow(dead_code, reason = "the twin's tests use more of it")]
#[path = "../../../bisection/tests/ledger/world.rs"]
mod world;
