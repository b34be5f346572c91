//! `refute model import`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use executor::import::error::ImportError;
use executor::import::lower::Options;
use executor::import::run::import_into;
use executor::import::weights;
use executor::model::Model;
use serde_json::json;

use super::info::{formats, size_text};
use super::source;
use crate::backend::BackendArguments;
use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A GGUF file, a .pt2 file of torch.export.save, or the folder of a Hugging Face model
    path: PathBuf,
    /// Folder for the model
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Bits of a weight
    #[arg(long, value_enum, default_value = "w8")]
    precision: Precision,
    /// Bits of a key or value in the cache
    #[arg(long, value_enum, default_value = "i16")]
    kv: KeyValue,
    #[command(flatten)]
    backend: BackendArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum Precision {
    /// 8
    W8,
    /// 16: closer to the float model, twice the size
    W16,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyValue {
    /// 8: half the cache
    I8,
    /// 16
    I16,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    arguments.backend.refuse_impossible()?;
    let progress = Progress::spinner("reading the source");
    let source = source::open(&arguments.path)?;
    std::fs::create_dir_all(&arguments.output).map_err(|e| {
        bad_input(format!("cannot make the folder {}: {e}; name another with -o", arguments.output.display()))
    })?;
    let options = Options {
        precision: match arguments.precision {
            Precision::W8 => weights::Precision::W8,
            Precision::W16 => weights::Precision::W16,
        },
        kv_bits: match arguments.kv {
            KeyValue::I8 => 8,
            KeyValue::I16 => 16,
        },
    };
    let engine = |model: Model| match arguments.backend.start(&model) {
        Ok(machine) => Ok(machine.engine),
        Err(e) => Err(ImportError::Refused { node: "pilot run".into(), reason: e.to_string() }),
    };
    import_into(&source, options, &engine, &arguments.output, &mut |stage| progress.stage(stage))?;
    source::note(&arguments.output, &arguments.path, &source)?;
    drop(progress);

    let model = Model::open(&arguments.output)?;
    let (low, high) = formats(&model);
    let from = model.provenance();
    let document = json!({
        "model_id": model.id(),
        "path": arguments.output,
        "size_bytes": model.size(),
        "name": from.name,
        "precision": from.precision,
        "kv": from.kv,
        "steps": model.steps().len(),
        "fraction_min": low,
        "fraction_max": high,
    });
    let text = format!(
        "{}\n{} as {}, keys and values {}, {}\n{} steps with {low} to {high} fractional bits\n{}",
        model.id(),
        from.name,
        from.precision,
        from.kv,
        size_text(model.size()),
        model.steps().len(),
        arguments.output.display(),
    );
    console.show(&document, &text)?;
    Ok(ExitCode::SUCCESS)
}
