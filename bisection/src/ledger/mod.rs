//! The rollup's rules (docs/rollup.md): accounts, what is signed, batches, one step of the ledger, its two short disputes.
//!
//! Pure and total. Keys are not its business: whoever calls says which address a signature recovers to ([`Recover`]).
//!
//! # Words
//! - **account**: a leaf of the state; **state**: the root over them, their number, and the fees that proposers earned.
//! - **entry**: what the inbox on L1 holds: deposit, forced withdrawal, request. **Accumulator**: the hash chain over entries.
//! - **signed item**: inference, withdrawal or delegation of an account. Entry or signed item is a **step** of a **batch**.
//! - **F**, **D**: what of a step the ledger reads, and what posting derives; together its **body** ([`Body`]). With the roots
//!   before and after (**pre**, **post**) it is a **step leaf**.
//! - **item**: an inference in a batch, under its header's hash; what a game is about. Not every step has one.
//! - **table**: a batch's models, each with the version of its price.
//!
//! # Who needs what
//! - A proposer: [`Draft`] takes step after step and says the root after each; at the end, the bytes to post.
//! - A challenger: [`Context::decode`], [`Context::derive`], then [`Replay`] says which step is the first wrong one.
//! - Who answers: [`Replay::witness`] for any step, [`shape::make`] for any token.
//! - Whoever checks as the contracts do: [`witness::check`], [`shape::check`].

mod accounts;
mod batch;
mod body;
mod decode;
mod derive;
mod draft;
pub mod inbox;
mod item;
mod live;
mod models;
mod packed;
mod posting;
mod refused;
mod replay;
pub mod request;
mod rules;
pub mod shape;
mod state;
mod step;
mod window;
mod wire;
pub mod witness;

pub use accounts::{Accounts, DEPTH, climb};
pub use batch::{Batch, Choice, Head, Posted, Step};
pub use body::{Body, Inference, StepLeaf};
pub use derive::{Derived, DerivedStep, assertion_id, genesis_id};
pub use draft::{Built, Draft, NotOpened, NotTaken, Opening};
pub use item::ItemHeader;
pub use live::{Ledger, Undo};
pub use models::{Line, Model, Price, Registry};
pub use packed::{byte_length, token};
pub use posting::Posting;
pub use refused::{Fault, Refused};
pub use replay::{Elsewhere, Replay, Why, WrongStep};
pub use rules::{Context, Parent, Rules};
pub use state::{Account, State};
pub use step::{After, Before, Invalid, step};
pub use window::{NonceUsed, Window};

/// An account of L1.
pub type Address = [u8; 20];

/// A signature (EIP-2098): r, then yParity * 2^255 + s.
pub type Signature = [u8; 64];

/// Which address a signature of a digest recovers to: `ecrecover(digest, 27 + yParity, r, s)`, `None` if it has none. That s is
/// low and the address not zero is checked here ([`request::signer`]).
pub type Recover<'a> = dyn Fn(crate::Hash, &Signature) -> Option<Address> + 'a;
