//! The trace of a run: what is committed of it, how an element of it is found, and how one element is checked.
//!
//! docs/protocol.md, sections 2 to 4, is what this module implements.
//!
//! # Glossary
//! - **item**: one inference, as a contract knows it: model, lengths, sampling, roots of the published tokens.
//! - **tensor**: all rows of a node, cut into chunks by its layout; its root is a leaf of the trace.
//! - **trace root**: root over the tensor roots of all nodes in order.
//! - **step**: one element, or a segment of its reduction, recomputed from elements opened under the root.
//! - **witness**: the openings that a step reads, in the order in which it reads them.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_arithmetic
    )
)]

mod constants;
mod corrupt;
mod draw;
mod executed;
mod held;
mod item;
mod liar;
mod model;
mod place;
mod proof;
mod provider;
mod source;
mod step;
mod stream;
mod subject;
mod tree;
mod witness;
mod worst;

pub use corrupt::Corrupted;
pub use draw::{Random, another, random_place};
pub use executed::Executed;
pub use held::{HELD_TRACE_MAX, Held};
pub use item::{Item, pack_tokens, token_bits};
pub use model::ModelHeader;
pub use place::{Tensor, TensorAddress};
pub use provider::{StepData, StepKind, Trace};
pub use source::{Lie, Source, TraceError, Want};
pub use step::{Combine, Fault, LIST_MAX, Reader, Step, Stepped, segment_terms};
pub use subject::{Published, Subject};
pub use worst::{NodeCost, worst_case};
