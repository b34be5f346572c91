//! Everything that runs a program fast.

use executor::backend::{Backend, Device};
use executor::engine::Engine;
use executor::model::Model;
use executor::native::Isa;

/// Each fast back end of this build with each instruction set and number of threads, and what it is called.
pub fn machines<'a>(
    model: &'a Model,
    threads: &'a [usize],
) -> impl Iterator<Item = (String, Box<dyn Engine>)> + use<'a> {
    let backends = [Backend::Native, Backend::Torch(Device::Cpu)];
    // Without libtorch this build cannot say anything about it; `make test` has it.
    let built = backends.into_iter().filter(|backend| backend.check().is_ok());
    let isas = built.flat_map(|backend| {
        let all = Isa::available();
        // Of libtorch's products two of our kernels make values: vectors, and plain loops.
        let two = [all[0], all[all.len() - 1]];
        let isas = if backend == Backend::Native { all } else { two.into() };
        isas.into_iter().map(move |isa| (backend, isa))
    });
    isas.flat_map(|(backend, isa)| threads.iter().map(move |threads| (backend, isa, *threads))).map(
        |(backend, isa, threads)| {
            let name = format!("{backend}, {isa}, {threads} threads");
            let engine = backend.start(model, threads, Some(isa));
            (name, engine.unwrap())
        },
    )
}
