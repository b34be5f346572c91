//! The one binary of Refute. Logic lives in the libraries; here are arguments, output and exit codes.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done, and what was checked is right |
//! | 1 | what was checked is wrong |
//! | 2 | bad input or usage |
//! | 3 | a failure of Refute or of this machine |

mod api;
mod backend;
mod claim;
mod command;
mod console;
mod demo;
mod devnet;
mod failure;
mod history;
mod progress;
mod prompt;
mod result_file;
mod sampling;
mod session;
mod wallet;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use command::{
    bench, check, dispute, embed, generate, import, info, keystore, rollup, run, sequencer, status, trace,
    verify,
};
use console::Console;

/// Exact inference that anybody can check.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 checked and wrong, 2 bad input or usage, 3 internal failure."
)]
struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Write the log as JSON lines
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Import, describe and check models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Continue a prompt, token by token
    Generate(generate::Arguments),
    /// Check a result of `generate`: the whole output in one pass
    Verify(verify::Arguments),
    /// Commit to every number of a result: the trace root
    Trace(trace::Arguments),
    /// Play a whole dispute of a result on the real contracts, in memory
    Dispute(dispute::Arguments),
    /// Run a model on inputs of a file and print its exact outputs
    Run(run::Arguments),
    /// Embed texts
    Embed(embed::Arguments),
    /// Sell inference over HTTP, with a signed receipt for every answer
    Sequencer(sequencer::Arguments),
    /// Check everything that is posted to L1, and dispute what is wrong or defend what is right
    Challenger(command::challenger::Arguments),
    /// Show the settings that a service would have, or what is wrong with them
    #[command(subcommand)]
    Config(command::config::Config),
    /// Say where a rollup stands: batches, windows, games, the queue
    Status(status::Arguments),
    /// A scripted tour on a devnet: question, receipt, finality, then proposers that cheat
    Demo(command::demo::Arguments),
    /// Run a whole rollup on this machine: L1 node, contracts, sequencer, challenger
    Devnet(command::devnet::Arguments),
    /// Deploy a rollup, announce models, pay into accounts, make API keys
    #[command(subcommand)]
    Rollup(rollup::Rollup),
    /// Make a key in an encrypted file
    Keystore(keystore::Arguments),
    /// One measurement of speed on this machine
    Bench(bench::Arguments),
}

#[derive(Subcommand)]
enum ModelCommand {
    /// Make an exact integer model from a GGUF file, a .pt2 file of PyTorch or a Hugging Face folder
    Import(import::Arguments),
    /// Say what a model is and where it comes from
    Info(info::Arguments),
    /// Compare a model with the float model that it was imported from
    Check(check::Arguments),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    start_log(&cli);
    let console = Console::new(cli.json);
    // A panic is a failure of ours: it becomes one message and an exit code like any other.
    std::panic::set_hook(Box::new(|info| tracing::error!("{info}")));
    let outcome = catch_unwind(AssertUnwindSafe(|| run_command(&cli.command, &console)));
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) if failure::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Ok(Err(error)) => console.fail(&error.to_string(), failure::exit_code(&error)),
        Err(panic) => console.fail(&failure::of_panic(panic.as_ref()), failure::INTERNAL),
    }
}

/// The log goes to standard error. A service says what it does; a command says what went wrong.
fn start_log(cli: &Cli) {
    let service = matches!(cli.command, Command::Sequencer(_) | Command::Challenger(_));
    let level = if service { "info" } else { "error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if cli.log_json { log.json().init() } else { log.init() }
}

fn run_command(command: &Command, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Command::Model(ModelCommand::Import(arguments)) => import::run(arguments, console),
        Command::Model(ModelCommand::Info(arguments)) => info::run(arguments, console),
        Command::Model(ModelCommand::Check(arguments)) => check::run(arguments, console),
        Command::Generate(arguments) => generate::run(arguments, console),
        Command::Verify(arguments) => verify::run(arguments, console),
        Command::Trace(arguments) => trace::run(arguments, console),
        Command::Dispute(arguments) => dispute::run(arguments, console),
        Command::Run(arguments) => run::run(arguments, console),
        Command::Embed(arguments) => embed::run(arguments, console),
        Command::Sequencer(arguments) => sequencer::run(arguments, console),
        Command::Challenger(arguments) => command::challenger::run(arguments, console),
        Command::Config(config) => command::config::run(config, console),
        Command::Status(arguments) => status::run(arguments, console),
        Command::Demo(arguments) => command::demo::run(arguments, console),
        Command::Devnet(arguments) => command::devnet::run(arguments, console),
        Command::Rollup(command) => rollup::run(command, console),
        Command::Keystore(arguments) => keystore::run(arguments, console),
        Command::Bench(arguments) => bench::run(arguments, console),
    }
}

/// Help and version go where clap sends them; what is wrong with the arguments is an error like any other.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let shown = error.print().is_ok();
        return if shown { ExitCode::SUCCESS } else { ExitCode::from(failure::INTERNAL) };
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let text = error.render().to_string();
    let text = text.trim_end();
    Console::new(json).fail(text.strip_prefix("error: ").unwrap_or(text), failure::BAD_INPUT)
}
