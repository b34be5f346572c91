//! `refute bench`: one measurement, printed as `bench/run.py` wants it. The work is that of `bench/peer.py`.

mod caps;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::{Args, ValueEnum};
use executor::engine::{Emission, Engine, Feed, SequenceId};
use executor::generate::GenerateError;
use executor::kernels::Sampling;
use executor::model::Model;
use serde_json::{Value, json};

use crate::backend::BackendArguments;
use crate::console::Console;
use crate::progress::Progress;

const WARM_UP_TOKENS: usize = 16;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What is measured
    #[arg(long, value_enum)]
    measure: Measure,
    /// Tokens generated in each sequence, or prefilled
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// Tokens before the first generated one (not for prefill)
    #[arg(long, default_value_t = 16)]
    context: u32,
    /// Sequences decoded together (batch)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    sequences: u32,
    #[command(flatten)]
    backend: BackendArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// One sequence, token by token
    Decode,
    /// A prompt in one step, with its last output
    Prefill,
    /// Several sequences decoded together
    Batch,
    /// A generation in one pass, beside making it
    Verify,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let model = Model::open(&arguments.model)?;
    let mut machine = arguments.backend.start(&model)?;
    let progress = Progress::spinner("measuring");
    let tokens = arguments.tokens as usize;
    let context = arguments.context.max(1) as usize;
    let sequences = if arguments.measure == Measure::Batch { arguments.sequences as usize } else { 1 };
    let engine = machine.engine.as_mut();
    let mut document = match arguments.measure {
        Measure::Prefill => {
            prefill_seconds(engine, tokens)?;
            report("prefill", tokens, prefill_seconds(engine, tokens)?)
        }
        Measure::Decode | Measure::Batch => {
            decode_seconds(engine, sequences, context, WARM_UP_TOKENS)?;
            let name = if arguments.measure == Measure::Batch { "batch" } else { "decode" };
            report(name, tokens * sequences, decode_seconds(engine, sequences, context, tokens)?)
        }
        Measure::Verify => {
            verify_seconds(engine, context, WARM_UP_TOKENS)?;
            let (making, checking) = verify_seconds(engine, context, tokens)?;
            let mut document = report("verify", tokens, checking);
            document["making_seconds"] = json!(making);
            progress.stage("measuring what the hardware can do");
            document["mac_per_s_cap"] = json!(caps::mac_per_s(machine.threads)?);
            document["bytes_per_s_cap"] = json!(caps::bytes_per_s(&model, machine.threads));
            document
        }
    };
    drop(progress);
    document["backend"] = json!(machine.backend);
    document["isa"] = json!(machine.isa);
    document["threads"] = json!(machine.threads);
    let rate = document["tokens_per_s"].as_f64().unwrap_or_default();
    console.show(&document, &format!("{rate:.1} tokens/s"))?;
    Ok(ExitCode::SUCCESS)
}

fn report(measure: &str, tokens: usize, seconds: f64) -> Value {
    json!({"measure": measure, "tokens": tokens, "seconds": seconds, "tokens_per_s": tokens as f64 / seconds})
}

/// The same tokens in every run, different ones in every sequence.
fn prompt(engine: &dyn Engine, count: usize, sequence: usize) -> Vec<u32> {
    let vocabulary = engine.program().interface.vocabulary as usize;
    // The first ids are special tokens in most vocabularies.
    let first = 64.min(vocabulary - 1);
    let id = |i: usize| (7919 * (i + 1) + 104_729 * sequence) % (vocabulary - first) + first;
    (0..count).map(|i| id(i) as u32).collect()
}

fn single(emissions: &[Emission]) -> anyhow::Result<u32> {
    match emissions {
        [Emission::Token(token)] => Ok(*token),
        _ => Err(GenerateError::NoTokens.into()),
    }
}

/// Opens a sequence, feeds its prompt, gives the token after it.
fn begin(engine: &mut dyn Engine, prompt: &[u32]) -> anyhow::Result<(SequenceId, u32)> {
    let sequence = engine.open(Sampling::GREEDY)?;
    let outputs_from = prompt.len() as u32 - 1;
    let emissions = engine.step(&[Feed { sequence, tokens: prompt, outputs_from }], None)?;
    Ok((sequence, single(&emissions.concat())?))
}

fn prefill_seconds(engine: &mut dyn Engine, tokens: usize) -> anyhow::Result<f64> {
    let prompt = prompt(engine, tokens, 0);
    let start = Instant::now();
    let (sequence, _) = begin(engine, &prompt)?;
    let seconds = start.elapsed().as_secs_f64();
    engine.close(sequence);
    Ok(seconds)
}

/// Seconds for `tokens` steps of all sequences together, after their prompts. Stop tokens stop nothing.
fn decode_seconds(
    engine: &mut dyn Engine,
    sequences: usize,
    context: usize,
    tokens: usize,
) -> anyhow::Result<f64> {
    let mut last = Vec::new();
    for s in 0..sequences {
        let prompt = prompt(engine, context, s);
        last.push(begin(engine, &prompt)?);
    }
    let start = Instant::now();
    for step in 0..tokens {
        let outputs_from = (context + step) as u32;
        let feed = |(sequence, token): &'_ (SequenceId, u32)| (*sequence, [*token]);
        let fed: Vec<(SequenceId, [u32; 1])> = last.iter().map(feed).collect();
        let feeds: Vec<Feed<'_>> =
            fed.iter().map(|(sequence, tokens)| Feed { sequence: *sequence, tokens, outputs_from }).collect();
        for (last, emissions) in last.iter_mut().zip(engine.step(&feeds, None)?) {
            last.1 = single(&emissions)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    last.iter().for_each(|(sequence, _)| engine.close(*sequence));
    Ok(seconds)
}

/// Seconds to make an output of `tokens` tokens, prompt included, and seconds to check it in one pass.
fn verify_seconds(engine: &mut dyn Engine, context: usize, tokens: usize) -> anyhow::Result<(f64, f64)> {
    let prompt = prompt(engine, context, 0);
    let start = Instant::now();
    let (sequence, first) = begin(engine, &prompt)?;
    let mut output = vec![first];
    for position in context..context + tokens - 1 {
        let last = [output[output.len() - 1]];
        let feed = Feed { sequence, tokens: &last, outputs_from: position as u32 };
        output.push(single(&engine.step(&[feed], None)?.concat())?);
    }
    let making = start.elapsed().as_secs_f64();
    engine.close(sequence);

    let start = Instant::now();
    let sequence = engine.open(Sampling::GREEDY)?;
    let fed = [&prompt, &output[..output.len() - 1]].concat();
    let feed = Feed { sequence, tokens: &fed, outputs_from: context as u32 - 1 };
    let given = engine.step(&[feed], None)?.concat();
    let checking = start.elapsed().as_secs_f64();
    engine.close(sequence);
    if !given.iter().eq(output.iter().map(|token| Emission::Token(*token)).collect::<Vec<_>>().iter()) {
        bail!("one pass gave other tokens than decoding did: report this model and machine");
    }
    Ok((making, checking))
}
