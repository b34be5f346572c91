//! `refute config`

use std::process::ExitCode;

use clap::Subcommand;

use super::{challenger, sequencer};
use crate::console::Console;

/// Whose settings.
#[derive(Subcommand)]
pub(crate) enum Config {
    /// Of `refute sequencer`, with the same flags, environment and file
    Sequencer(sequencer::Arguments),
    /// Of `refute challenger`, with the same flags, environment and file
    Challenger(challenger::Arguments),
}

/// Shows the settings that a service would have, or says what is wrong with them. Nothing is started.
pub(crate) fn run(config: &Config, console: &Console) -> anyhow::Result<ExitCode> {
    match config {
        Config::Sequencer(arguments) => sequencer::show(arguments, console),
        Config::Challenger(arguments) => challenger::show(arguments, console),
    }
}
