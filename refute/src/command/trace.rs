//! `refute trace`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use executor::trace::{Executed, Trace};
use serde_json::json;

use crate::backend::BackendArguments;
use crate::claim::Claim;
use crate::console::Console;
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct Arguments {
    /// What `refute generate -o RESULT.json` or `refute embed -o RESULT.json` wrote
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
    let claim = Claim::read(&arguments.result, &arguments.model)?;
    let machine = arguments.backend.start(claim.model())?;
    let subject = claim.subject();
    let rows: u64 = subject.tensors().iter().map(|x| x.count).sum();
    let leaves: u64 = subject.tensors().iter().map(|x| x.chunks()).sum();
    let bytes: u64 = subject.tensors().iter().map(|x| x.bytes()).sum();
    let (nodes, positions) = (subject.tensors().len(), subject.item().positions());
    let begin = Instant::now();
    let trace = {
        let _progress = Progress::spinner("running and hashing");
        Trace::new(Executed::new(subject, machine.engine)?)
    };
    let ms = begin.elapsed().as_secs_f64() * 1e3;
    let document = json!({
        "trace_root": trace.root(),
        "model_id": claim.model().id(),
        "item_hash": trace.subject().item().hash(),
        "positions": positions,
        "nodes": nodes,
        "rows": rows,
        "leaves": leaves,
        "bytes": bytes,
        "trace_ms": ms,
        "backend": machine.backend,
        "isa": machine.isa,
        "threads": machine.threads,
    });
    let text = format!(
        "trace root  {}\nitem        {}\n{nodes} nodes at {positions} positions: {rows} rows, {leaves} chunks, {:.1} MiB hashed in {ms:.0} ms\n",
        trace.root(),
        trace.subject().item().hash(),
        bytes as f64 / f64::from(1 << 20),
    );
    console.show(&document, &text)?;
    Ok(ExitCode::SUCCESS)
}
