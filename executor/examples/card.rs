//! What a card does, for docs/gpu.md: a Llama of the shape of Llama 3.2 1B with random weights, made on the spot (nothing has to
//! be carried to a rented machine), and its speed.
//!
//! ```text
//! card model FOLDER [LAYERS]       makes the model: about 16 GB of memory, some minutes
//! card bench FOLDER DEVICE [PROMPT [TOKENS]]   prefill and decode, a line of JSON each
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use executor::backend::{Backend, Device};
use executor::engine::{Emission, Engine, Feed};
use executor::import::error::ImportError;
use executor::import::lower::Options;
use executor::import::run::import_into;
use executor::import::source::Architecture;
use executor::import::weights::Precision;
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use serde_json::json;
use support::tiny::{self, Shape};

/// Sequences that are decoded together.
const BATCHES: [usize; 3] = [1, 16, 64];

/// Llama 3.2 1B, but for its context.
fn shape(layers: usize) -> Shape {
    Shape {
        width: 2048,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        ffn: 8192,
        vocabulary: 128_256,
        layers,
        context: 4096,
        window: None,
        tied: true,
        ..Shape::default()
    }
}

fn make(folder: &Path, layers: usize) -> Result<(), Box<dyn Error>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let engine = |m: Model| match Native::new(&m, threads, None) {
        Ok(native) => Ok(Box::new(native) as Box<dyn Engine>),
        Err(e) => Err(ImportError::Refused { node: "pilot run".into(), reason: e.to_string() }),
    };
    eprintln!("choosing random weights");
    let source = tiny::model(Architecture::Llama, 1, shape(layers));
    let options = Options { precision: Precision::W8, kv_bits: 16 };
    let path = import_into(&source, options, &engine, folder, &mut |stage| eprintln!("{stage}"))?;
    println!("{}", path.display());
    Ok(())
}

fn bench(folder: &Path, device: Device, prompt: usize, tokens: usize) -> Result<(), Box<dyn Error>> {
    let model = Model::open(folder)?;
    let vocabulary = model.program().interface.vocabulary as usize;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut engine = Backend::Torch(device).start(&model, threads, None)?;
    for batch in BATCHES {
        // The first round warms up: memory pools, choices of algorithms.
        for measured in [false, true] {
            let sequences =
                (0..batch).map(|_| engine.open(Sampling::GREEDY)).collect::<Result<Vec<_>, _>>()?;
            let prompts: Vec<Vec<u32>> =
                (0..batch).map(|i| tiny::tokens(i as u64, prompt, vocabulary)).collect();
            let last = prompt as u32 - 1;
            let start = Instant::now();
            let feeds: Vec<Feed<'_>> = sequences
                .iter()
                .zip(&prompts)
                .map(|(sequence, tokens)| Feed { sequence: *sequence, tokens, outputs_from: last })
                .collect();
            let mut next = engine.step(&feeds, None)?.concat();
            let prefill = start.elapsed().as_secs_f64();
            let start = Instant::now();
            for _ in 0..tokens {
                let fed: Vec<[u32; 1]> = next
                    .iter()
                    .map(|emission| match emission {
                        Emission::Token(token) => [*token],
                        Emission::Vector(_) => [0],
                    })
                    .collect();
                let feeds: Vec<Feed<'_>> = sequences
                    .iter()
                    .zip(&fed)
                    .map(|(sequence, tokens)| Feed { sequence: *sequence, tokens, outputs_from: 0 })
                    .collect();
                next = engine.step(&feeds, None)?.concat();
            }
            let decode = start.elapsed().as_secs_f64();
            sequences.into_iter().for_each(|sequence| engine.close(sequence));
            if measured {
                let line = json!({
                    "device": device.to_string(), "batch": batch, "prompt": prompt, "tokens": tokens,
                    "prefill_tokens_per_s": (batch * prompt) as f64 / prefill,
                    "decode_tokens_per_s": (batch * tokens) as f64 / decode,
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["model", folder] => make(Path::new(folder), 16),
        ["model", folder, layers] => make(Path::new(folder), layers.parse()?),
        ["bench", folder, device] => bench(Path::new(folder), device.parse()?, 512, 64),
        ["bench", folder, device, prompt] => bench(Path::new(folder), device.parse()?, prompt.parse()?, 64),
        ["bench", folder, device, prompt, tokens] => {
            bench(Path::new(folder), device.parse()?, prompt.parse()?, tokens.parse()?)
        }
        _ => {
            eprintln!("usage: card model FOLDER [LAYERS] | card bench FOLDER DEVICE [PROMPT [TOKENS]]");
            std::process::exit(2);
        }
    }
}
