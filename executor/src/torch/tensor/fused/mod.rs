//! Operations in one launch each, where libtorch takes dozens: our own kernels (`kernels.cu`) on the tensors' memory.
//!
//! Who launches them is a [`Launcher`]: a card that compiled them at run time, or in tests the processor, for which they are C++.
//! What has no kernel here stays with libtorch.

mod attention;
mod call;
mod card;
mod rows;

use tch::{TchError, Tensor};

use super::operands::Operands;
use crate::backend::Device;
use crate::engine::EngineError;
use crate::program::op::Op;

/// The kernels' text, in CUDA C++.
pub const KERNELS: &str = include_str!("kernels.cu");

/// What the kernels' names begin with in their text.
pub const PREFIX: &str = "refute_";

/// The kernels' names.
pub const NAMES: [&str; 17] = [
    "rowexp", "quantise", "sumsq", "rnorm", "norm", "digits", "linear", "rope", "score", "rowmax", "exp2w",
    "timemax", "align", "mix", "act", "glu", "add",
];

/// Threads of a block, as the kernels have it.
pub const THREADS: u32 = 256;

/// What a kernel is given: addresses and numbers.
pub type Arguments = [i64; 16];

/// Runs kernels.
pub trait Launcher: std::fmt::Debug + Send {
    /// Starts a kernel with so many blocks of [`THREADS`], after everything that libtorch was asked for before.
    ///
    /// # Safety
    /// The addresses are those of memory of the device, as much of it as the kernel reads and writes.
    ///
    /// # Errors
    /// If there is no such kernel or the device refuses.
    unsafe fn launch(
        &self,
        kernel: &'static str,
        blocks: u32,
        arguments: &Arguments,
    ) -> Result<(), EngineError>;
}

/// Who runs them on a device: a card if it can compile them, nobody on a processor.
///
/// # Errors
/// If the card refuses them.
pub fn launcher(device: Device) -> Result<Option<Box<dyn Launcher>>, EngineError> {
    Ok(match device {
        Device::Cuda(number) => card::Card::new(number)?.map(|card| Box::new(card) as Box<dyn Launcher>),
        Device::Cpu => None,
    })
}

/// Why a call was not made.
pub(super) enum Failure {
    Torch(TchError),
    Launch(EngineError),
}

impl From<TchError> for Failure {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Launch(error)
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Torch(error) => crate::torch::failed(error),
            Failure::Launch(error) => error,
        }
    }
}

type Done = Result<Tensor, Failure>;

/// The value of a node, if there is a kernel for it.
pub(super) fn apply(
    op: &Op,
    x: &Operands<'_>,
    kernels: &dyn Launcher,
) -> Result<Option<Tensor>, EngineError> {
    let made = match *op {
        Op::RowExp { bits, groups } => rows::rowexp(x, kernels, bits, groups),
        Op::Quantise { bits, groups } => rows::quantise(x, kernels, bits, groups),
        Op::SumSq { groups } => rows::sumsq(x, kernels, groups),
        Op::RNorm { groups, eps, root } => rows::rnorm(x, kernels, groups, eps, root),
        Op::Norm { groups, shift, gain_shift } => rows::norm(x, kernels, groups, shift, gain_shift),
        Op::Linear { shift } if x.weights().is_ok_and(super::constants::Weights::in_one_piece) => {
            rows::linear(x, kernels, shift)
        }
        Op::Rope { head_dim } => rows::rope(x, kernels, head_dim),
        Op::Lut { in_shift, shift } => rows::act(x, kernels, in_shift, shift, false),
        Op::Act { in_shift, shift } => rows::act(x, kernels, in_shift, shift, true),
        Op::Glu { in_shift, shift } => rows::glu(x, kernels, in_shift, shift),
        Op::Add {} => rows::add(x, kernels),
        Op::Score { heads, kv_heads, multiplier, shift, .. } => {
            attention::score(x, kernels, (heads, kv_heads), multiplier, shift)
        }
        // Of a row of fixed width libtorch's maximum is one launch too.
        Op::RowMax {} if x.mask.is_some() => attention::rowmax(x, kernels),
        Op::Exp2W {} => attention::exp2w(x, kernels),
        Op::TimeMax { .. } => attention::timemax(x, kernels),
        Op::Mix { heads, kv_heads, shift } => attention::mix(x, kernels, (heads, kv_heads), shift),
        _ => return Ok(None),
    };
    Ok(Some(made?))
}
