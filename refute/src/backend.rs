//! Which back end computes.

use clap::{Args, ValueEnum};
use executor::engine::Engine;
use executor::model::Model;
use executor::native::{Isa, Native};
use executor::reference::Reference;

use crate::failure::bad_input;

/// The back ends; all of them give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// Fast, on this processor
    Native,
    /// The kernels of the specification: slow, and right by definition
    Reference,
    /// libtorch (comes with a later version)
    Torch,
}

/// How a command computes.
#[derive(Args, Clone, Debug)]
pub(crate) struct BackendArguments {
    /// Who computes; every back end gives the same bits
    #[arg(long, value_enum, default_value = "native")]
    backend: Backend,
    /// Instruction set of the native back end: avx512, avx2 or portable [default: the best of this machine]
    #[arg(long)]
    isa: Option<Isa>,
    /// Threads of the native back end [default: all processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// A back end with what a result says of it.
pub(crate) struct Machine {
    /// Runs the model.
    pub(crate) engine: Box<dyn Engine>,
    /// Its name.
    pub(crate) backend: &'static str,
    /// Its instruction set, if it chose one.
    pub(crate) isa: Option<String>,
    /// Its threads.
    pub(crate) threads: usize,
}

impl BackendArguments {
    /// Starts the back end for a model.
    pub(crate) fn start(&self, model: &Model) -> anyhow::Result<Machine> {
        self.refuse_impossible()?;
        if self.backend == Backend::Reference {
            let engine = Box::new(Reference::new(model.clone()));
            return Ok(Machine { engine, backend: "reference", isa: None, threads: 1 });
        }
        let threads = self.threads();
        let native = Native::new(model, threads, self.isa)?;
        let isa = Some(native.isa().to_string());
        Ok(Machine { engine: Box::new(native), backend: "native", isa, threads })
    }

    /// Refuses what [`Self::start`] would refuse, before any work is done.
    pub(crate) fn refuse_impossible(&self) -> anyhow::Result<()> {
        if self.backend == Backend::Torch {
            return Err(bad_input(
                "the torch back end comes with a later version: use --backend native or --backend reference",
            ));
        }
        if self.backend == Backend::Reference && self.isa.is_some() {
            return Err(bad_input(
                "--isa belongs to the native back end: leave it out, or use --backend native",
            ));
        }
        Ok(())
    }

    /// Threads that the native back end has.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}
