//! The `torch` back end: libtorch's integer products, and our own kernels for everything else.
//!
//! On a processor libtorch multiplies (`_int_mm` on digits of 8 bits, exact in 32) and the `native` back end's fused kernels
//! do the rest on the same memory: what libtorch does op by op in dozens of passes would take longer than the products.

mod products;
mod self_test;
pub mod tensor;

use std::sync::Arc;

use crate::engine::EngineError;
use crate::model::Model;
use crate::native::{Isa, Native};

pub use products::LibtorchProducts;

/// A back end of `threads` threads on this processor whose products libtorch computes. Proves itself on extreme values first.
pub fn on_processor(model: &Model, threads: usize, isa: Option<Isa>) -> Result<Native, EngineError> {
    self_test::self_test()?;
    let products = LibtorchProducts::new(model)?;
    Native::with_products(model, threads, isa, Some(Arc::new(products)))
}

/// What libtorch says went wrong.
fn failed(error: tch::TchError) -> EngineError {
    EngineError::Backend(format!("libtorch: {error}"))
}
