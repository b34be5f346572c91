//! `refute model info`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use executor::model::Model;
use executor::program::Output;
use executor::trace::{NodeCost, worst_case};
use serde::Serialize;
use serde_json::json;

use crate::console::Console;
use crate::failure::bad_input;
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the model
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Compute the id from the contents instead of reading it
    #[arg(long)]
    verify: bool,
    /// Positions of the result whose worst dispute is told [default: 2048, or the model's context if that is less]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    positions: Option<u32>,
}

/// The dearest dispute that a node of the program can cause.
#[derive(Serialize)]
struct WorstDispute {
    positions: u32,
    rounds_max: u32,
    rounds_max_op: &'static str,
    calldata_bytes_max: u64,
    calldata_op: &'static str,
    calldata_gas_standard: u64,
    calldata_gas_floor: u64,
    witness_bytes_max: u64,
}

impl WorstDispute {
    fn of(model: &Model, positions: Option<u32>) -> anyhow::Result<Self> {
        let context = model.program().interface.context;
        let positions = positions.unwrap_or(context.min(2048));
        if positions > context {
            return Err(bad_input(format!(
                "{positions} positions are more than the model's context of {context}: name fewer"
            )));
        }
        let costs = worst_case(model, positions);
        let rounds = costs.iter().max_by_key(|cost| cost.rounds);
        let dearest = costs.iter().max_by_key(|cost| cost.calldata_bytes);
        Ok(Self {
            positions,
            rounds_max: rounds.map_or(0, |cost| cost.rounds),
            rounds_max_op: rounds.map_or("", |cost| cost.op),
            calldata_bytes_max: dearest.map_or(0, |cost| cost.calldata_bytes),
            calldata_op: dearest.map_or("", |cost| cost.op),
            calldata_gas_standard: dearest.map_or(0, NodeCost::standard_gas),
            calldata_gas_floor: dearest.map_or(0, NodeCost::floor_gas),
            witness_bytes_max: costs.iter().map(|cost| cost.witness_bytes).max().unwrap_or(0),
        })
    }
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
    let worst = WorstDispute::of(&model, arguments.positions)?;
    let document = json!({
        "worst_dispute": worst,
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
    console.show(&document, &text(&model, &ops, kind, &worst, arguments.verify))?;
    Ok(ExitCode::SUCCESS)
}

fn text(
    model: &Model,
    ops: &BTreeMap<&str, OpSummary>,
    kind: &str,
    worst: &WorstDispute,
    verified: bool,
) -> String {
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
        (
            "worst dispute",
            format!(
                "{} rounds ({}), {:.1} KiB of calldata ({}), at {} positions",
                worst.rounds_max,
                worst.rounds_max_op,
                worst.calldata_bytes_max as f64 / 1024.0,
                worst.calldata_op,
                worst.positions
            ),
        ),
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
    match bytes {
        0..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}
