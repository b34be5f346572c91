//! `refute model check`: the integer program beside the float model that it was imported from.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use executor::check::run::{Report, embeddings, language};
use serde_json::json;

use super::source;
use crate::backend::BackendArguments;
use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;
use crate::prompt::read_text;
use crate::session::Session;

/// Tokens that are run as one sequence.
const WINDOW: usize = 512;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Text to compare on; for a model that gives vectors one input a line
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// File or folder that the model was imported from [default: where it was at the import]
    #[arg(long, value_name = "PATH")]
    source: Option<PathBuf>,
    /// Most tokens of the text that are compared
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(2..))]
    tokens: u32,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    arguments.backend.refuse_impossible()?;
    let text = read_text(&arguments.text)?;
    let session = Session::open(&arguments.model)?;
    let sequences = sequences(&session, &text, arguments.tokens as usize)?;
    let progress = Progress::bar(1, "reading the source");
    let source = source::of_model(&session.model, &arguments.model, arguments.source.as_deref())?;
    let mut machine = arguments.backend.start(&session.model)?;
    let engine = machine.engine.as_mut();
    progress.stage("comparing");
    let mut advance = |done: usize, of: usize| progress.reach(done, of);
    let report = if session.gives_tokens() {
        let window = WINDOW.min(session.model.program().interface.context as usize);
        language(&source, &session.model, engine, &sequences.concat(), window, &mut advance)?
    } else {
        embeddings(&source, &session.model, engine, &sequences, &mut advance)?
    };
    drop(progress);
    let mut document = serde_json::to_value(&report)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("model_id".into(), json!(session.model.id()));
    }
    console.show(&document, &words(&report))?;
    Ok(ExitCode::SUCCESS)
}

/// The sequences to compare on: the whole text, or one a line for embeddings.
fn sequences(session: &Session, text: &str, tokens_max: usize) -> anyhow::Result<Vec<Vec<u32>>> {
    let mut sequences = Vec::new();
    if session.gives_tokens() {
        let mut tokens = session.tokenizer.encode(text, false)?;
        tokens.truncate(tokens_max);
        sequences.push(tokens);
    } else {
        let mut left = tokens_max;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let tokens = session.input(session.tokenizer.encode(line, false)?)?;
            if tokens.len() > left {
                break;
            }
            left -= tokens.len();
            sequences.push(tokens);
        }
    }
    if sequences.first().is_none_or(|tokens| tokens.len() < 2) {
        return Err(bad_input("the text is too short to compare anything: name a longer one with --text"));
    }
    Ok(sequences)
}

fn words(report: &Report) -> String {
    let mut out = String::new();
    if let Some(l) = &report.language {
        let change = 100.0 * (l.perplexity_integer / l.perplexity_float - 1.0);
        out += &format!(
            "perplexity       {:.4} integer, {:.4} float ({change:+.3} %)\nKL               {:.6} mean, {:.6} at most\n\
             top-1 agreement  {:.2} %\n",
            l.perplexity_integer,
            l.perplexity_float,
            l.divergence_mean,
            l.divergence_max,
            100.0 * l.same_top_share,
        );
    }
    if let Some(e) = &report.embedding {
        out += &format!(
            "inputs           {}\ncosine           {:.6} mean, {:.6} at least\nsame ranking     {:.2} %\n",
            e.sentences,
            e.cosine_mean,
            e.cosine_min,
            100.0 * e.ranking_agreement,
        );
    }
    let worst = report.steps.iter().find(|step| step.name == report.worst_step);
    out += &format!(
        "tokens           {}\nsaturated values {}\nleast headroom   {} bits at {}\nlargest error    {:.5} at {}\n",
        report.tokens,
        report.saturated,
        report.headroom_bits,
        report.headroom_step,
        worst.map_or(f64::NAN, |step| step.relative_error),
        report.worst_step,
    );
    out + &layers(report)
}

/// For each layer its last step's error, and where it is largest and room is least.
fn layers(report: &Report) -> String {
    let mut out = format!(
        "\n{:<14} {:>12} {:>12}  {:<16} {:>8} {:>9}\n",
        "layer", "error", "largest", "at", "headroom", "saturated"
    );
    let mut rest = report.steps.as_slice();
    while let Some(first) = rest.first() {
        let layer = layer_of(&first.name);
        let count = rest.iter().take_while(|step| layer_of(&step.name) == layer).count();
        let (steps, after) = rest.split_at(count);
        let largest = steps.iter().max_by(|a, b| a.relative_error.total_cmp(&b.relative_error));
        let (largest, last) = (largest.unwrap_or(first), steps.last().unwrap_or(first));
        let place = largest.name.strip_prefix(layer).unwrap_or_default().trim_start_matches('.');
        out += &format!(
            "{layer:<14} {:>12.6} {:>12.6}  {place:<16} {:>8} {:>9}\n",
            last.relative_error,
            largest.relative_error,
            steps.iter().map(|step| step.headroom_bits).min().unwrap_or(0),
            steps.iter().map(|step| step.saturated).sum::<u64>(),
        );
        rest = after;
    }
    out
}

/// `layers.3` of `layers.3.q`; a step outside of the layers is one of its own.
fn layer_of(step: &str) -> &str {
    let end = step.match_indices('.').nth(1).map_or(step.len(), |(at, _)| at);
    &step[..end]
}

#[cfg(test)]
mod tests {
    use executor::check::run::StepReport;

    use super::*;

    #[test]
    fn steps_of_a_layer_are_one_line() {
        let step = |name: &str, relative_error, headroom_bits| StepReport {
            name: name.into(),
            relative_error,
            headroom_bits,
            saturated: 1,
        };
        let report = Report {
            tokens: 1,
            language: None,
            embedding: None,
            saturated: 4,
            headroom_bits: 3,
            headroom_step: String::new(),
            worst_step: String::new(),
            steps: vec![
                step("embed", 0.5, 9),
                step("layers.0.q", 0.25, 7),
                step("layers.0.add", 0.125, 8),
                step("layers.1.q", 0.1, 3),
            ],
        };
        let text = layers(&report);
        let lines: Vec<Vec<&str>> =
            text.trim().lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[2], ["layers.0", "0.125000", "0.250000", "q", "7", "2"]);
    }
}
