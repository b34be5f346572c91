//! `refute model check`: the integer program beside the float model that it was imported from.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use executor::check::float::FloatModel;
use executor::check::metrics::{LanguageScore, cosine};
use executor::import::architecture;
use serde_json::{Value, json};

use super::side_by_side::SideBySide;
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
    /// Text to compare on; for embeddings one sentence a line
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// GGUF file or folder that the model was imported from [default: where it was at the import]
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
    let windows = windows(&session, &text, arguments.tokens as usize)?;
    let progress = Progress::bar(windows.len(), "reading the source");
    let source = source::of_model(&session.model, &arguments.model, arguments.source.as_deref())?;
    let graph = architecture::graph(&source.config, source.tensors.as_ref());
    let float = FloatModel::new(&graph, &source.config, source.tensors.as_ref())?;
    let mut machine = arguments.backend.start(&session.model)?;
    let mut sides = SideBySide::new(&session.model, &float)?;
    progress.stage("comparing");
    let mut summary = if session.gives_tokens() {
        let mut score = LanguageScore::default();
        for tokens in &windows {
            let (float, integer, fraction) = sides.run(machine.engine.as_mut(), tokens)?;
            score.add(tokens, &float, integer, fraction);
            progress.step();
        }
        language(&score)
    } else {
        let mut cosines = Vec::new();
        for tokens in &windows {
            let (float, integer, _) = sides.run(machine.engine.as_mut(), tokens)?;
            cosines.push(cosine(&float, integer));
            progress.step();
        }
        embeddings(&cosines)
    };
    drop(progress);
    if let (Some(summary), Value::Object(steps)) = (summary.as_object_mut(), sides.report()) {
        summary.insert("model_id".into(), json!(session.model.id()));
        summary.insert("tokens".into(), json!(windows.iter().map(Vec::len).sum::<usize>()));
        summary.extend(steps);
    }
    let text = words(&summary);
    console.show(&summary, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The sequences to compare on.
fn windows(session: &Session, text: &str, tokens_max: usize) -> anyhow::Result<Vec<Vec<u32>>> {
    let context = session.model.program().interface.context as usize;
    let mut left = tokens_max;
    let windows: Vec<Vec<u32>> = if session.gives_tokens() {
        let mut tokens = session.tokenizer.encode(text, false)?;
        tokens.truncate(tokens_max);
        tokens.chunks(WINDOW.min(context)).map(<[u32]>::to_vec).collect()
    } else {
        let mut windows = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let tokens = session.tokenizer.encode(line, false)?;
            if tokens.len() > left {
                break;
            }
            left -= tokens.len();
            windows.push(tokens);
        }
        windows
    };
    if windows.first().is_none_or(|tokens| tokens.len() < 2) {
        return Err(bad_input("the text is too short to compare anything: name a longer one with --text"));
    }
    Ok(windows)
}

fn language(score: &LanguageScore) -> Value {
    let (float, integer) = (score.float_perplexity(), score.integer_perplexity());
    json!({
        "positions": score.positions(),
        "float_perplexity": float,
        "integer_perplexity": integer,
        "perplexity_change": integer / float - 1.0,
        "kl_mean": score.divergence_mean(),
        "kl_max": score.divergence_max(),
        "top1_agreement": score.same_top_share(),
    })
}

fn embeddings(cosines: &[f64]) -> Value {
    json!({
        "sentences": cosines.len(),
        "cosine_mean": cosines.iter().sum::<f64>() / cosines.len() as f64,
        "cosine_min": cosines.iter().copied().fold(f64::INFINITY, f64::min),
    })
}

fn words(summary: &Value) -> String {
    let number = |name: &str| summary[name].as_f64().unwrap_or(f64::NAN);
    let quality = if summary.get("kl_mean").is_some() {
        format!(
            "perplexity       {:.4} integer, {:.4} float ({:+.3} %)\nKL               {:.6} mean, {:.6} at most\n\
             top-1 agreement  {:.2} %\n",
            number("integer_perplexity"),
            number("float_perplexity"),
            100.0 * number("perplexity_change"),
            number("kl_mean"),
            number("kl_max"),
            100.0 * number("top1_agreement"),
        )
    } else {
        format!(
            "sentences        {}\ncosine           {:.6} mean, {:.6} at least\n",
            summary["sentences"],
            number("cosine_mean"),
            number("cosine_min")
        )
    };
    let name = |of: &str| summary[of]["step"].as_str().unwrap_or_default().to_owned();
    format!(
        "{quality}tokens           {}\nsaturated values {}\nleast headroom   {} bits at {}\nlargest error    {:.5} at {}\n",
        summary["tokens"],
        summary["saturated"],
        summary["headroom"]["bits"],
        name("headroom"),
        summary["largest_error"]["relative"].as_f64().unwrap_or(f64::NAN),
        name("largest_error"),
    )
}
