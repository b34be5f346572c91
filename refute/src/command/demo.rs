//! `refute demo`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use executor::backend::{Backend, Device};

use super::devnet::Place;
use crate::console::Console;
use crate::demo::{self, Kind};
use crate::wallet::block_on;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How the proposer cheats, one after the other; `all` is each kind, `none` none. May be repeated
    #[arg(long = "cheat", value_name = "KIND", value_parser = kinds, default_values = ["garbage-trace"])]
    cheats: Vec<Kinds>,
}

/// Kinds that one `--cheat` names.
type Kinds = Vec<Kind>;

fn kinds(text: &str) -> Result<Kinds, String> {
    match text {
        "all" => Ok(Kind::value_variants().to_vec()),
        "none" => Ok(Vec::new()),
        kind => Ok(vec![Kind::from_str(kind, false)?]),
    }
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let cheats = arguments.cheats.concat();
    // Proposer and challenger compute in different ways where they can: the bits are the same.
    let backend = if cfg!(feature = "torch") { Backend::Torch(Device::Cpu) } else { Backend::Native };
    let summary = block_on(demo::run(arguments.place.options(0, 0, backend)?, &cheats, console))?;
    console.show(&summary.document(), &summary.text())?;
    Ok(ExitCode::SUCCESS)
}
