//! Is an integer program as good as the model that it was made from?
//!
//! [`float`] evaluates the same graph over real numbers (`eager`, if libtorch is there: as PyTorch would), [`run`] does so beside
//! the integer program, [`metrics`] compares what both sides give. Nothing here is consensus code: results may differ in their last bits from machine
//! to machine.

mod attention;
#[cfg(feature = "torch")]
pub mod eager;
pub mod float;
mod matrix;
pub mod metrics;
mod pointwise;
mod ranking;
pub mod run;
mod weights;

/// The float side of this build.
#[cfg(feature = "torch")]
use eager::EagerModel as FloatSide;
#[cfg(not(feature = "torch"))]
use float::FloatModel as FloatSide;
