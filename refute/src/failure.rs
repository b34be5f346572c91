//! Which exit code an error has.

use std::any::Any;
use std::fmt::Display;
use std::io::ErrorKind;

use executor::artefact::ArtefactError;
use executor::check::run::CheckError;
use executor::engine::EngineError;
use executor::generate::GenerateError;
use executor::import::error::ImportError;
use executor::tokenizer::TokenizerError;
use executor::tokenizer::chat::ChatError;
use executor::trace::TraceError;
use sequencer::StartError;

/// What was checked is wrong.
pub(crate) const WRONG: u8 = 1;
/// Bad input or usage.
pub(crate) const BAD_INPUT: u8 = 2;
/// A failure of Refute or of this machine.
pub(crate) const INTERNAL: u8 = 3;

/// Input that cannot be used; the message says what to do next.
#[derive(Debug)]
pub(crate) struct BadInput(String);

impl Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// An error of bad input.
pub(crate) fn bad_input(message: impl Into<String>) -> anyhow::Error {
    BadInput(message.into()).into()
}

/// The exit code that tells the caller whose turn it is.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let ours = |e: &EngineError| matches!(e, EngineError::Backend(_) | EngineError::Sequence(_));
    let input = error.is::<BadInput>()
        || error.is::<ImportError>()
        || error.downcast_ref::<CheckError>().is_some_and(|e| match e {
            CheckError::Engine(e) => !ours(e),
            _ => true,
        })
        || error.downcast_ref::<TraceError>().is_some_and(|e| match e {
            TraceError::Engine(e) => !ours(e),
            _ => false,
        })
        || error
            .downcast_ref::<StartError>()
            .is_some_and(|e| matches!(e, StartError::Config(_) | StartError::Model { .. }))
        || error.downcast_ref::<challenger::service::StartError>().is_some_and(|e| {
            use challenger::service::StartError::{Config, Deployment, Model};
            matches!(e, Config(_) | Deployment(_) | Model(_))
        })
        || error.is::<figment::Error>()
        || error.is::<ArtefactError>()
        || error.is::<TokenizerError>()
        || error.is::<ChatError>()
        || error.downcast_ref::<EngineError>().is_some_and(|e| !ours(e))
        || error.downcast_ref::<GenerateError>().is_some_and(|e| match e {
            GenerateError::Engine(e) => !ours(e),
            GenerateError::Request(_) | GenerateError::NoTokens => true,
        });
    if input { BAD_INPUT } else { INTERNAL }
}

/// Has the reader of our output gone away, as `head` does. That is no failure.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

/// The message of a panic.
pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    format!("internal failure: {text}; please report it with the output of RUST_LOG=error")
}
