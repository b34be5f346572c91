//! The `torch` back end against libtorch itself: prefill of a prompt by exact integers, and by f32 eager of the same model, in turn.
//!
//! `make bench-torch`, or `cargo run --release -p executor --features torch --example prefill -- MODEL SOURCE.gguf [rounds] [tokens]`

use std::path::Path;
use std::time::Instant;

use executor::backend::{Backend, Device};
use executor::check::eager::EagerModel;
use executor::engine::{Engine, Feed};
use executor::import::gguf;
use executor::kernels::Sampling;
use executor::model::Model;

type Failure = Box<dyn std::error::Error>;

/// As in `refute bench`: the first ids are special tokens in most vocabularies.
const FIRST_ID: u32 = 64;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, source, rest @ ..] = arguments.as_slice() else {
        return Err("usage: prefill MODEL SOURCE.gguf [rounds] [tokens]".into());
    };
    let number = |i: usize, or: usize| rest.get(i).map_or(Ok(or), |text| text.parse());
    let (rounds, length) = (number(0, 9)?, number(1, 512)?);
    let threads = std::thread::available_parallelism()?.get();
    let model = Model::open(Path::new(model))?;
    let source = gguf::open(Path::new(source))?;
    let eager = EagerModel::new(&source.graph(), &source.config, source.tensors.as_ref())?;
    let vocabulary = model.program().interface.vocabulary;
    let tokens: Vec<u32> =
        (1..=length as u32).map(|i| 7919 * i % (vocabulary - FIRST_ID) + FIRST_ID).collect();
    let mut engines = Vec::new();
    for backend in [Backend::Torch(Device::Cpu), Backend::Native] {
        engines.push((backend.to_string(), backend.start(&model, threads, None)?, Vec::new()));
    }
    let mut floats = Vec::new();
    // The first round warms all of them up and is not counted.
    for round in 0..=rounds {
        for (_, engine, times) in &mut engines {
            let seconds = prefill(engine.as_mut(), &tokens)?;
            if round > 0 {
                times.push(seconds);
            }
        }
        // Threads of ours told libtorch that they work alone; this one works for all.
        tch::set_num_threads(threads as i32);
        let begin = Instant::now();
        eager.prefill(&tokens)?;
        if round > 0 {
            floats.push(begin.elapsed().as_secs_f64());
        }
    }
    println!(
        "| prefill of {length} tokens, {threads} threads, {rounds} rounds in turn | median (range) | against f32 |\n|---|---|---|"
    );
    let peer = median(&mut floats);
    for (name, _, times) in &mut engines {
        let ours = median(times);
        println!("| {name} | {} | {:.2}x |", shown(times), peer / ours);
    }
    println!("| libtorch f32, eager | {} | 1 |", shown(&floats));
    Ok(())
}

/// Seconds until the first token of an answer.
fn prefill(engine: &mut dyn Engine, tokens: &[u32]) -> Result<f64, Failure> {
    let sequence = engine.open(Sampling::GREEDY)?;
    let begin = Instant::now();
    let last = tokens.len() as u32 - 1;
    engine.step(&[Feed { sequence, tokens, outputs_from: last }], None)?;
    let seconds = begin.elapsed().as_secs_f64();
    engine.close(sequence);
    Ok(seconds)
}

/// Sorts the times.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn shown(sorted: &[f64]) -> String {
    let ms = |i: usize| sorted[i] * 1000.0;
    format!("{:.1} ms ({:.1} to {:.1})", ms(sorted.len() / 2), ms(0), ms(sorted.len() - 1))
}
