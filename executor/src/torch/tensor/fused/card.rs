//! Kernels on a card, compiled for it when the engine starts. The libraries are looked for then: no part of CUDA is needed to build.

use std::collections::BTreeMap;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DeviceRepr, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::{self, CompileError};

use super::{Arguments, KERNELS, Launcher, NAMES, PREFIX, THREADS};
use crate::engine::EngineError;

/// The one parameter of a kernel.
#[repr(C)]
struct Parameter(Arguments);

// SAFETY: 16 numbers of 64 bits, as the kernels declare it.
unsafe impl DeviceRepr for Parameter {}

/// A card with its compiled kernels.
#[derive(Debug)]
pub(super) struct Card {
    functions: BTreeMap<&'static str, CudaFunction>,
    /// The stream that libtorch uses too, so that launches and its operations follow each other.
    stream: Arc<CudaStream>,
}

fn failed(what: &str, error: impl std::fmt::Debug) -> EngineError {
    EngineError::Backend(format!("{what}: {error:?}"))
}

impl Card {
    /// Compiles the kernels for a card; `None` if NVRTC is not installed, and libtorch does everything.
    ///
    /// # Errors
    /// If it is and refuses the kernels, or the card does.
    pub(super) fn new(number: usize) -> Result<Option<Self>, EngineError> {
        // SAFETY: only looks for the libraries; libtorch has loaded the driver already if it found a card.
        if unsafe { !nvrtc::sys::is_culib_present() || !cudarc::driver::sys::is_culib_present() } {
            tracing::warn!("NVRTC is not installed: every operation takes dozens of launches by libtorch");
            return Ok(None);
        }
        let ptx = nvrtc::compile_ptx(KERNELS).map_err(|error| match error {
            CompileError::CompileError { log, .. } => failed("NVRTC refuses the kernels", log),
            other => failed("NVRTC", other),
        })?;
        let load = || {
            let context = CudaContext::new(number)?;
            let module = context.load_module(ptx)?;
            let function =
                |name: &&'static str| Ok((*name, module.load_function(&format!("{PREFIX}{name}"))?));
            let functions = NAMES.iter().map(function).collect::<Result<_, _>>()?;
            Ok(Self { functions, stream: context.default_stream() })
        };
        load().map(Some).map_err(|error: cudarc::driver::DriverError| failed("CUDA", error))
    }
}

impl Launcher for Card {
    unsafe fn launch(
        &self,
        kernel: &'static str,
        blocks: u32,
        arguments: &Arguments,
    ) -> Result<(), EngineError> {
        let function = self.functions.get(kernel).ok_or_else(|| failed("no such kernel", kernel))?;
        let parameter = Parameter(*arguments);
        let config = LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            // What the kernels share they declare.
            shared_mem_bytes: 0,
        };
        let mut call = self.stream.launch_builder(function);
        call.arg(&parameter);
        // SAFETY: the kernel takes this one parameter; its addresses are good, as the caller promises.
        unsafe { call.launch(config) }.map(drop).map_err(|error| failed(kernel, error))
    }
}
