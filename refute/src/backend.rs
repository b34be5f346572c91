//! Which back end computes.

use clap::{Args, ValueEnum};
use executor::backend::{Backend, Device};
use executor::engine::Engine;
use executor::model::Model;
use executor::native::Isa;

use crate::failure::bad_input;

/// The back ends; all of them give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Fast, on this processor
    Native,
    /// The kernels of the specification: slow, and right by definition
    Reference,
    /// Products by libtorch, the rest as in native
    Torch,
}

/// How a command computes.
#[derive(Args, Clone, Debug)]
pub(crate) struct BackendArguments {
    /// Who computes; every back end gives the same bits
    #[arg(long, value_enum, default_value = "native")]
    backend: Name,
    /// Where the torch back end computes: cpu or cuda:N [default: cpu]
    #[arg(long)]
    device: Option<Device>,
    /// Instruction set of our own kernels: avx512, avx2 or portable [default: the best of this machine]
    #[arg(long)]
    isa: Option<Isa>,
    /// Threads of the native and the torch back end [default: all processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// A back end with what a result says of it.
pub(crate) struct Machine {
    /// Runs the model.
    pub(crate) engine: Box<dyn Engine>,
    /// Its name.
    pub(crate) backend: String,
    /// Its instruction set, if it chose one.
    pub(crate) isa: Option<String>,
    /// Its threads.
    pub(crate) threads: usize,
}

impl BackendArguments {
    /// Starts the back end for a model.
    pub(crate) fn start(&self, model: &Model) -> anyhow::Result<Machine> {
        self.refuse_impossible()?;
        let backend = self.backend();
        let engine = backend.start(model, self.threads(), self.isa)?;
        let isa = self.isa.unwrap_or_else(Isa::detect).to_string();
        Ok(match backend {
            Backend::Reference => Machine { engine, backend: backend.to_string(), isa: None, threads: 1 },
            _ => Machine { engine, backend: backend.to_string(), isa: Some(isa), threads: self.threads() },
        })
    }

    /// Refuses what [`Self::start`] would refuse, before any work is done.
    pub(crate) fn refuse_impossible(&self) -> anyhow::Result<()> {
        self.backend().check().map_err(|e| bad_input(e.to_string()))?;
        if self.backend == Name::Reference && self.isa.is_some() {
            return Err(bad_input(
                "--isa belongs to the other back ends: leave it out, or use --backend native",
            ));
        }
        if self.backend != Name::Torch && self.device.is_some() {
            return Err(bad_input(
                "--device belongs to the torch back end: leave it out, or use --backend torch",
            ));
        }
        Ok(())
    }

    fn backend(&self) -> Backend {
        match self.backend {
            Name::Native => Backend::Native,
            Name::Reference => Backend::Reference,
            Name::Torch => Backend::Torch(self.device.unwrap_or_default()),
        }
    }

    /// Threads of a back end that has several.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}
