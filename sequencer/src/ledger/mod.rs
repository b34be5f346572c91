//! The rules of docs/rollup.md, which are `bisection::ledger`'s: here is only what a sequencer asks of them, and the curve
//! that they leave to their caller.

mod account;
mod encode;
mod sign;
mod twin;

pub use account::decode_account;
pub use bisection::Hash;
pub use bisection::ledger::request::{Delegation, Domain, Receipt, Request, Sampling, Withdrawal, item_seed};
pub use bisection::ledger::{Account, Invalid, Rules};
pub(crate) use encode::Fields;
pub use encode::{
    decode_delegation, decode_request, decode_withdrawal, encode_delegation, encode_request,
    encode_withdrawal,
};
pub use sign::{curve, decimals, recover, sampling_is_signable, sign};
pub use twin::{InferenceStep, Twin, parameters};
