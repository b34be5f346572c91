//! What is printed, and where.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

/// Standard output and standard error of a command.
pub(crate) struct Console {
    json: bool,
}

impl Console {
    /// With `json`, standard output gets one JSON document and nothing else.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Is a JSON document wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the document, or the text that says the same to people.
    pub(crate) fn show(&self, document: &Value, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json { writeln!(out, "{document}") } else { writeln!(out, "{}", text.trim_end()) }
    }

    /// Prints a piece of a text that is still being made.
    pub(crate) fn stream(&self, piece: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(piece.as_bytes())?;
        out.flush()
    }

    /// A remark for a person who watches; scripts do not see it.
    pub(crate) fn remark(&self, text: &str) {
        if !self.json && std::io::stderr().is_terminal() {
            // A remark that cannot be shown changes nothing.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Reports an error: one message for people, with `--json` a document too.
    pub(crate) fn fail(&self, message: &str, code: u8) -> ExitCode {
        // The exit code says it in any case.
        let _ = writeln!(std::io::stderr(), "error: {message}");
        if self.json {
            let _ = writeln!(std::io::stdout(), "{}", json!({"error": message, "exit_code": code}));
        }
        ExitCode::from(code)
    }
}
