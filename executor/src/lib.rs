//! The machine of Refute: exact integer programs, the reference kernels that define them, fast back ends that
//! give the same bits, and the importers that make programs from published models.

pub mod artefact;
pub mod backend;
pub mod check;
pub mod engine;
pub mod generate;
pub mod import;
pub mod kernels;
pub mod model;
pub mod native;
pub mod numerics;
pub mod program;
pub mod reference;
pub mod sampling;
pub mod tokenizer;
#[cfg(feature = "torch")]
pub mod torch;
pub mod trace;
pub mod values;
