//! `refute run`: a program on its inputs, whatever kind of model it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use executor::engine::{Emission, Engine, Feed};
use executor::generate::{output_hash, vector_hash};
use executor::kernels::Sampling;
use executor::program::Output;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::backend::BackendArguments;
use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;
use crate::session::Session;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// {"text": ...} or {"tokens": [...]}, or an array of such
    #[arg(long, value_name = "FILE.json")]
    input: PathBuf,
    #[command(flatten)]
    backend: BackendArguments,
}

/// One input.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Input {
    Text(String),
    Tokens(Vec<u32>),
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    arguments.backend.refuse_impossible()?;
    let (one, inputs) = read(&arguments.input)?;
    let session = Session::open(&arguments.model)?;
    let mut machine = arguments.backend.start(&session.model)?;
    let progress = Progress::bar(inputs.len(), "running");
    let mut documents = Vec::new();
    let mut text = String::new();
    for input in inputs {
        let tokens = match input {
            Input::Text(text) => session.tokenizer.encode(&text, false)?,
            Input::Tokens(tokens) => tokens,
        };
        let tokens = session.input(tokens)?;
        let emission = output(machine.engine.as_mut(), &tokens)?;
        let document = describe(&session, &tokens, &emission);
        text += &lines(&document);
        documents.push(document);
        progress.step();
    }
    drop(progress);
    let document = match documents.pop() {
        Some(document) if one => document,
        last => documents.into_iter().chain(last).collect(),
    };
    console.show(&document, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The inputs of a file, and whether it holds a single one.
fn read(path: &Path) -> anyhow::Result<(bool, Vec<Input>)> {
    let shown = path.display();
    let wanted = "write {\"text\": \"...\"} or {\"tokens\": [1, 2]} into it, or an array of such";
    let bytes = std::fs::read(path).map_err(|e| bad_input(format!("cannot read {shown}: {e}; {wanted}")))?;
    let parse = || {
        let value: Value = serde_json::from_slice(&bytes)?;
        Ok::<_, serde_json::Error>(match value {
            Value::Array(_) => (false, serde_json::from_value(value)?),
            one => (true, vec![serde_json::from_value(one)?]),
        })
    };
    parse().map_err(|e| bad_input(format!("{shown} holds no input ({e}): {wanted}")))
}

/// The output after a whole sequence: an encoder's vector, or the likeliest next token.
pub(super) fn output(engine: &mut dyn Engine, tokens: &[u32]) -> anyhow::Result<Emission> {
    let sequence = engine.open(Sampling::GREEDY)?;
    let outputs_from = tokens.len().saturating_sub(1) as u32;
    let emissions = engine.step(&[Feed { sequence, tokens, outputs_from }], None);
    engine.close(sequence);
    let last = emissions?.pop().and_then(|mut of_sequence| of_sequence.pop());
    last.ok_or_else(|| anyhow::anyhow!("the program gave no output; report this model"))
}

/// Fixed values as decimals.
pub(super) fn decimals(session: &Session, values: &[i32]) -> Vec<f64> {
    let fraction = match session.model.program().interface.output {
        Output::Vector { fraction, .. } => fraction,
        Output::Tokens { .. } => 0,
    };
    let unit = f64::from(-fraction).exp2();
    values.iter().map(|x| f64::from(*x) * unit).collect()
}

fn describe(session: &Session, tokens: &[u32], emission: &Emission) -> Value {
    let input = json!(tokens);
    match emission {
        Emission::Token(token) => json!({
            "input_tokens": input,
            "output_tokens": [token],
            "text": session.token_text(*token),
            "output_hash": output_hash(&[*token]),
        }),
        Emission::Vector(values) => json!({
            "input_tokens": input,
            "fixed": values,
            "values": decimals(session, values),
            "output_hash": vector_hash(values),
        }),
    }
}

fn lines(document: &Value) -> String {
    let output = match document.get("values") {
        Some(values) => format!("fixed {}\nvalues {values}", document["fixed"]),
        None => format!("token {} {}", document["output_tokens"][0], document["text"]),
    };
    format!("{output}\nhash {}\n", document["output_hash"].as_str().unwrap_or_default())
}
