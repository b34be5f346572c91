//! `refute model info`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use executor::model::Model;
use executor::program::Output;
use serde::Serialize;
use serde_json::json;

use crate::console::Console;
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Compute the id from the contents instead of reading it
    #[arg(long)]
    verify: bool,
}

/// The nodes of one operation.
#[derive(Default, Serialize)]
struct OpSummary {
    nodes: usize,
    /// Bits that hold every value that the validator could not rule out, sign included.
    bits_max: u32,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let model = Model::open(&arguments.model)?;
    if arguments.verify {
        let _progress = Progress::spinner("computing the id from the contents");
        model.verify()?;
    }
    let program = model.program();
    let mut ops: BTreeMap<&str, OpSummary> = BTreeMap::new();
    for (node, info) in program.nodes.iter().zip(model.infos()) {
        let op = ops.entry(node.op.stem()).or_default();
        op.nodes += 1;
        op.bits_max = op.bits_max.max(bits(info.low).max(bits(info.high)));
    }
    let face = &program.interface;
    let (kind, fraction) = match face.output {
        Output::Tokens { .. } => ("tokens", None),
        Output::Vector { fraction, .. } => ("vector", Some(fraction)),
    };
    let document = json!({
        "model_id": model.id(),
        "id_verified": arguments.verify,
        "provenance": model.provenance(),
        "size_bytes": model.size(),
        "output": kind,
        "output_fraction": fraction,
        "vocabulary": face.vocabulary,
        "context": face.context,
        "stop_tokens": face.stop_tokens,
        "chat_template": model.chat_template().is_some(),
        "nodes": program.nodes.len(),
        "constants": program.constants.len(),
        "bounds_proved": true,
        "operations": ops,
        "steps": model.steps(),
    });
    console.show(&document, &text(&model, &ops, kind, arguments.verify))?;
    Ok(ExitCode::SUCCESS)
}

fn text(model: &Model, ops: &BTreeMap<&str, OpSummary>, kind: &str, verified: bool) -> String {
    let (program, from) = (model.program(), model.provenance());
    let face = &program.interface;
    let (low, high) = formats(model);
    let stop: Vec<String> = face.stop_tokens.iter().map(u32::to_string).collect();
    let rows = [
        ("id", format!("{}{}", model.id(), if verified { " (verified)" } else { "" })),
        ("name", from.name.clone()),
        ("size", size_text(model.size())),
        ("precision", format!("{}, keys and values {}", from.precision, from.kv)),
        ("gives", kind.into()),
        ("vocabulary", face.vocabulary.to_string()),
        ("context", face.context.to_string()),
        ("stop tokens", if stop.is_empty() { "none".into() } else { stop.join(", ") }),
        ("chat template", if model.chat_template().is_some() { "yes" } else { "no" }.into()),
        ("imported from", format!("{} {}", from.format, from.digest)),
        ("imported by", from.importer.clone()),
        ("steps", format!("{} with {low} to {high} fractional bits", model.steps().len())),
        ("constants", program.constants.len().to_string()),
        (
            "nodes",
            format!("{}; no overflow is possible in any of them (proved on opening)", program.nodes.len()),
        ),
    ];
    let mut text: String = rows.iter().map(|(name, value)| format!("{name:<14} {value}\n")).collect();
    for (op, summary) in ops {
        text += &format!("  {op:<12} {:>6}   values within {:>2} bits\n", summary.nodes, summary.bits_max);
    }
    text
}

/// Bits of two's complement that hold `x`.
fn bits(x: i64) -> u32 {
    65 - if x < 0 { x.leading_ones() } else { x.leading_zeros() }
}

/// Fewest and most fractional bits of a step.
pub(super) fn formats(model: &Model) -> (i32, i32) {
    let fractions = || model.steps().iter().map(|step| step.fraction);
    (fractions().min().unwrap_or(0), fractions().max().unwrap_or(0))
}

/// A size for people.
pub(super) fn size_text(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
