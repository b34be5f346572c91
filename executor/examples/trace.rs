//! Time and memory of a trace's root, beside those of the verification: `trace MODEL PROMPT OUTPUT [THREADS]`.

use std::time::Instant;

use bisection::trace::{Place, Subtree, TraceProvider, Tree};
use executor::engine::{Engine, Feed};
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::program::Output;
use executor::trace::{Executed, Published, Subject, Trace, worst_case};

fn memory_mib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|x| x.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, folder, prompt, output, rest @ ..] = args.as_slice() else {
        return Err("trace MODEL PROMPT OUTPUT [THREADS] [sampled]".into());
    };
    let (prompt, output): (usize, usize) = (prompt.parse()?, output.parse()?);
    let threads = rest.first().map_or(Ok(2), |x| x.parse())?;
    let sampled = rest.len() > 1;
    let greedy = Sampling::GREEDY;
    let sampling =
        if sampled { Sampling { temperature: 60_000, top_k: 40, top_p: 60_000, ..greedy } } else { greedy };
    let model = Model::open(folder.as_ref())?;
    let vocabulary = model.program().interface.vocabulary;
    let tokens: Vec<u32> = (0..(prompt + output) as u32).map(|i| i.wrapping_mul(7919) % vocabulary).collect();
    let vector = matches!(model.program().interface.output, Output::Vector { .. });
    let published = if vector {
        Published::Vector(vec![0; output])
    } else {
        Published::Tokens(tokens[prompt..].to_vec())
    };
    let mut engine = Native::new(&model, threads, None)?;
    let run = if vector { &tokens[..prompt] } else { &tokens[..prompt + output - 1] };
    let mut verify = f64::INFINITY;
    for _ in 0..3 {
        let begin = Instant::now();
        let sequence = engine.open(sampling)?;
        engine.step(&[Feed { sequence, tokens: run, outputs_from: prompt as u32 - 1 }], None)?;
        engine.close(sequence);
        verify = verify.min(begin.elapsed().as_secs_f64());
    }
    println!("verification {verify:.3} s, {} MiB", memory_mib("VmHWM"));
    let costs = worst_case(&model, (prompt + output - 1) as u32);
    if let Some(worst) = costs.iter().max_by_key(|cost| cost.floor_gas()) {
        println!(
            "worst dispute {worst:?}: {} to {} gas of calldata",
            worst.standard_gas(),
            worst.floor_gas()
        );
    }
    println!("most rounds {:?}", costs.iter().map(|cost| cost.rounds).max());
    let subject = || Subject::new(&model, sampling, tokens[..prompt].to_vec(), published.clone());
    let bytes: u64 = subject().tensors().iter().map(|x| x.bytes()).sum();
    let mut engine: Box<dyn Engine> = Box::new(engine);
    let mut times = Vec::new();
    let executed = loop {
        let begin = Instant::now();
        let executed = Executed::new(subject(), engine)?;
        times.push(begin.elapsed().as_secs_f64());
        if times.len() == 4 {
            break executed;
        }
        engine = executed.into_engine();
    };
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "root {best:.3} s ({:.2} x) of {} MiB, peak {} MiB: {times:.3?}",
        best / verify,
        bytes >> 20,
        memory_mib("VmHWM")
    );
    let begin = Instant::now();
    let mut trace = Trace::new(executed);
    println!("{} in {:.3} s", trace.root(), begin.elapsed().as_secs_f64());
    let last = trace.nodes() / 2;
    let shape = trace.tensor(last)?;
    let mut at = Subtree::whole(Tree::Chunks { node: last }, shape.chunks());
    while at.height > 0 {
        let begin = Instant::now();
        let levels = bisection::tree::opening_levels(at.height);
        let children = trace.children(at, levels)?;
        let index = at.below(levels, shape.chunks()).0 + children.len() as u64 - 1;
        println!("opened {levels} levels of {} in {:.3} s", at.height, begin.elapsed().as_secs_f64());
        at = Subtree { height: at.height - levels, index, ..at };
    }
    let begin = Instant::now();
    trace.chunk(last, at.index)?;
    println!("chunk in {:.3} s", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    trace.subject().header();
    println!("constants hashed in {:.3} s", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    let data = trace.step(Place::element(last, at.index, 0))?.1;
    println!("step of {} bytes in {:.3} s", data.witness.len(), begin.elapsed().as_secs_f64());
    println!("peak {} MiB", memory_mib("VmHWM"));
    Ok(())
}
