//! The `torch` back end on any device: every operation of the specification on tensors of integers, over all fed positions at
//! once. The same code runs on a card and, for tests, on the processor.
//!
//! No floating point is used, except in products that are proved exact where they are made (`ops::attention`).
//! Values are 64-bit integers between nodes; weights, keys and values are stored as narrow as their types.

mod cache;
mod constants;
mod engine;
pub mod fused;
mod math;
mod operands;
mod ops;
mod plan;
mod rows;
mod self_test;
mod single;
mod step;

pub use engine::TensorEngine;
pub use single::apply_single;

use crate::backend;
use crate::engine::EngineError;

/// Is a device there.
///
/// # Errors
/// What to choose if it is not.
pub fn check(device: backend::Device) -> Result<(), EngineError> {
    find(device).map(drop)
}

/// libtorch's name of a device that is there.
fn find(device: backend::Device) -> Result<tch::Device, EngineError> {
    let count = tch::Cuda::device_count();
    match device {
        backend::Device::Cpu => Ok(tch::Device::Cpu),
        backend::Device::Cuda(number) if (0..count).contains(&(number as i64)) => {
            Ok(tch::Device::Cuda(number))
        }
        backend::Device::Cuda(_) => {
            let message = format!(
                "libtorch finds {count} CUDA devices here, so not {device}: choose torch:cpu or native"
            );
            Err(EngineError::Backend(message))
        }
    }
}
