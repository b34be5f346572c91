//! `refute embed`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use executor::engine::Emission;
use serde_json::json;

use super::run::{decimals, output};
use crate::backend::BackendArguments;
use crate::claim::VectorFile;
use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;
use crate::prompt::read_text;
use crate::result_file::write_json;
use crate::session::Session;

#[derive(Args)]
#[command(group(ArgGroup::new("input").required(true).args(["text", "file"])))]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// One text
    #[arg(long)]
    text: Option<String>,
    /// File with one text a line
    #[arg(long)]
    file: Option<PathBuf>,
    /// Also write the tokens and the exact vector of one text, for `refute trace` and `refute dispute`
    #[arg(short = 'o', long, value_name = "RESULT.json", requires = "text")]
    output: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    arguments.backend.refuse_impossible()?;
    let text = match (&arguments.text, &arguments.file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read_text(path)?,
        (None, None) => String::new(),
    };
    let lines: Vec<&str> = if arguments.text.is_some() { vec![&text] } else { text.lines().collect() };
    let session = Session::open(&arguments.model)?;
    if session.gives_tokens() {
        return Err(bad_input("this model gives tokens, not embeddings: use `refute generate`"));
    }
    let mut machine = arguments.backend.start(&session.model)?;
    let progress = Progress::bar(lines.len(), "embedding");
    let mut embeddings = Vec::new();
    for line in lines {
        let tokens = session.input(session.tokenizer.encode(line, false)?)?;
        let Emission::Vector(values) = output(machine.engine.as_mut(), &tokens)? else { continue };
        embeddings.push(decimals(&session, &values));
        if let Some(path) = &arguments.output {
            let (model_id, prompt_tokens) = (session.model.id(), tokens);
            write_json(path, &VectorFile { model_id, prompt_tokens, output_vector: values })?;
        }
        progress.step();
    }
    drop(progress);
    let text: String = embeddings.iter().map(|e| json!(e).to_string() + "\n").collect();
    console.show(&json!({"model_id": session.model.id(), "embeddings": embeddings}), &text)?;
    Ok(ExitCode::SUCCESS)
}
