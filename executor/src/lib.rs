//! The machine of Refute: exact integer programs, the reference kernels that define them, fast back ends that
//! give the same bits, and the importers that make programs from published models.

pub mod check;
pub mod import;
pub mod kernels;
pub mod native;
pub mod numerics;
pub mod program;
pub mod tokenizer;
