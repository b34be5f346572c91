//! What is signed, and what a step does to an account: docs/rollup.md, 5, 6 and 10.1.
//!
//! [`Rules`] is the seam: the book and the sealer know nothing else of the ledger.

mod account;
mod digest;
mod encode;
mod rules;

pub use account::{ACCOUNT_BYTES, Account};
pub use digest::{
    Delegation, Domain, NO_SIGNATURE, Receipt, Request, Withdrawal, decimals, recover, sampling_is_signable,
};
pub use encode::{decode_delegation, decode_request, encode_delegation, encode_request};
pub use rules::{InferenceStep, Interim, Invalid, Rules};
