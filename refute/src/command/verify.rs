//! `refute verify`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use executor::generate::{GenerateError, Wrong, output_hash, verify};
use serde_json::{Value, json};

use crate::backend::BackendArguments;
use crate::console::Console;
use crate::failure::{WRONG, bad_input};
use crate::progress::Progress;
use crate::result_file::ResultFile;
use crate::session::Session;

#[derive(Args)]
pub(crate) struct Arguments {
    /// What `refute generate -o RESULT.json` wrote
    #[arg(value_name = "RESULT.json")]
    result: PathBuf,
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    arguments.backend.refuse_impossible()?;
    let result = ResultFile::read(&arguments.result)?;
    let session = Session::open(&arguments.model)?;
    let id = session.model.id();
    if result.model_id != id {
        return Err(bad_input(format!(
            "the result was made with the model {}, but {} holds {id}: name that model's folder with --model",
            result.model_id,
            arguments.model.display()
        )));
    }
    if !session.gives_tokens() {
        return Err(GenerateError::NoTokens.into());
    }
    let mut machine = arguments.backend.start(&session.model)?;
    let begin = Instant::now();
    let wrong = {
        let _progress = Progress::spinner("verifying");
        verify(machine.engine.as_mut(), &result.request(), &result.output_tokens)?
    };
    let seconds = begin.elapsed().as_secs_f64();
    let (finding, text) = match &wrong {
        Some(wrong) => describe(&session, wrong),
        None => claims(&session, &result)?,
    };
    let right = finding.is_null();
    let count = result.output_tokens.len();
    let document = json!({
        "right": right,
        "model_id": id,
        "tokens": count,
        "seconds": seconds,
        "backend": machine.backend,
        "isa": machine.isa,
        "threads": machine.threads,
        "wrong": finding,
    });
    let right_text = || format!("right: all {count} tokens are what the model gives ({seconds:.3} s)");
    console.show(&document, &if right { right_text() } else { text })?;
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

fn describe(session: &Session, wrong: &Wrong) -> (Value, String) {
    match wrong {
        Wrong::Token { index, claimed, correct } => {
            let (claimed_text, correct_text) = (session.token_text(*claimed), session.token_text(*correct));
            let text = format!(
                "wrong: token {index} of the output is claimed to be {claimed} {claimed_text:?}, \
                 but the model gives {correct} {correct_text:?}"
            );
            let finding = json!({
                "index": index,
                "claimed": claimed,
                "claimed_text": claimed_text,
                "correct": correct,
                "correct_text": correct_text,
            });
            (finding, text)
        }
        Wrong::Length(reason) => reason_only(reason),
    }
}

/// What the file says of the right tokens: their hash, and the text that they are.
fn claims(session: &Session, result: &ResultFile) -> anyhow::Result<(Value, String)> {
    let hash = output_hash(&result.output_tokens);
    if hash != result.output_hash {
        return Ok(reason_only(&format!(
            "the tokens are right, but their hash is {hash}, not {}",
            result.output_hash
        )));
    }
    let text = session.tokenizer.decode(&result.output_tokens)?;
    let same = match result.finish.as_str() {
        "stop_string" => text.starts_with(&result.text),
        _ => text == result.text,
    };
    Ok(if same {
        (Value::Null, String::new())
    } else {
        reason_only("the tokens are right, but the text is not theirs")
    })
}

fn reason_only(reason: &str) -> (Value, String) {
    (json!({"reason": reason}), format!("wrong: {reason}"))
}
