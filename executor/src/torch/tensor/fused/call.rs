//! One launch: its arguments, and what keeps them alive until it is made.

use tch::{Device, Kind, Tensor};

use super::{Arguments, Done, Failure, Launcher, THREADS};
use crate::engine::EngineError;

/// Arguments in the order in which a kernel reads them.
#[derive(Default)]
pub(super) struct Call {
    arguments: Arguments,
    used: usize,
    /// Inputs as the kernel wants them. Their memory may be used again once the launch is queued: the device keeps the order.
    inputs: Vec<Tensor>,
    output: Option<Tensor>,
}

impl Call {
    fn push(&mut self, argument: i64) {
        if let Some(place) = self.arguments.get_mut(self.used) {
            *place = argument;
        }
        self.used += 1;
    }

    /// A tensor of a kind, its elements one after the other.
    pub(super) fn input(mut self, x: &Tensor, kind: Kind) -> Result<Self, Failure> {
        let x = x.f_totype(kind)?.f_contiguous()?;
        self.push(x.data_ptr() as i64);
        self.inputs.push(x);
        Ok(self)
    }

    /// 64-bit integers.
    pub(super) fn integers(self, x: &Tensor) -> Result<Self, Failure> {
        self.input(x, Kind::Int64)
    }

    /// What is left out.
    pub(super) fn nothing(self) -> Self {
        self.number(0)
    }

    pub(super) fn number(mut self, number: i64) -> Self {
        self.push(number);
        self
    }

    /// What the kernel writes, every element of it.
    pub(super) fn output(mut self, shape: &[i64], kind: Kind, device: Device) -> Result<Self, Failure> {
        let y = Tensor::f_empty(shape, (kind, device))?;
        self.push(y.data_ptr() as i64);
        self.output = Some(y);
        Ok(self)
    }

    /// A block for each of `blocks`.
    pub(super) fn blocks(self, kernels: &dyn Launcher, kernel: &'static str, blocks: i64) -> Done {
        let wrong = || EngineError::Backend(format!("the call of {kernel} is none of its own"));
        let blocks = u32::try_from(blocks).map_err(|_| wrong())?;
        let output = self.output.filter(|_| self.used <= self.arguments.len()).ok_or_else(wrong)?;
        if blocks > 0 {
            // SAFETY: inputs and output are tensors of the device that live until the kernel is queued, contiguous and of the
            // type and size that the kernel wants; whoever makes a call gives the sizes that the validator proved.
            unsafe { kernels.launch(kernel, blocks, &self.arguments)? };
        }
        Ok(output)
    }

    /// A thread for each of `count` elements, which is the last argument.
    pub(super) fn elements(self, kernels: &dyn Launcher, kernel: &'static str, count: i64) -> Done {
        self.number(count).blocks(kernels, kernel, (count as u64).div_ceil(THREADS.into()) as i64)
    }
}
