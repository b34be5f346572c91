//! `refute rollup proof`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::hex;
use alloy::primitives::B256;
use alloy::sol_types::SolCall;
use anyhow::Context;
use bindings::deployment::Deployment;
use bindings::l1::L1;
use bindings::recast;
use bindings::results::Results;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::failure::{WRONG, bad_input};
use crate::history::History;
use crate::wallet::{block_on, connect, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The request's hash, as its receipt has it
    request: B256,
    /// URL of an Ethereum node
    #[arg(long, value_name = "URL", env = "REFUTE_L1", default_value = "http://127.0.0.1:8545")]
    l1: String,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let found = block_on(async {
        let l1 = connect(&arguments.l1, Some(of.chain_id)).await?;
        of.check(&l1).await?;
        final_output(&l1, &of, arguments.request).await
    })?;
    let request = arguments.request;
    let Some(found) = found else {
        return Err(bad_input(format!("request {request} is in no batch of this rollup (yet)")));
    };
    let document = json!({"request": request, "assertion": found.assertion, "step": found.step,
        "output": found.output, "output_length": found.length, "final": found.is_final,
        "verify_inference_calldata": hex::encode_prefixed(&found.calldata)});
    let what = if found.is_final { "is final" } else { "is posted and not final yet" };
    let text = format!(
        "request {request} {what}: step {} of {}, output {} of {} elements\nFor a contract or `cast call`, to Results at {}:\n{}",
        found.step,
        found.assertion,
        found.output,
        found.length,
        of.contracts.results,
        hex::encode_prefixed(&found.calldata),
    );
    console.show(&document, &text)?;
    Ok(if found.is_final { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

/// A request's result on L1.
pub(crate) struct Found {
    assertion: B256,
    step: u32,
    /// Root of the output.
    pub(crate) output: B256,
    length: u32,
    /// Did `verifyInference` accept it: only what is final is.
    pub(crate) is_final: bool,
    calldata: Vec<u8>,
}

/// Finds a request's step in the chain and asks `Results.verifyInference` about it.
pub(crate) async fn final_output(l1: &L1, of: &Deployment, request: B256) -> anyhow::Result<Option<Found>> {
    let Some(proof) = History::open(l1, of).await?.find(request).await? else { return Ok(None) };
    let (assertion, step) = (proof.assertion, proof.step);
    let (output, length) = (proof.item.outputRoot, proof.item.outputLength);
    let proof = recast(&proof).context("another ABI of a step's proof")?;
    let call = Results::verifyInferenceCall { proof };
    let is_final = match l1.call(of.contracts.results, &call, BlockId::latest()).await {
        Ok(said) => {
            anyhow::ensure!(said.request == request, "L1 has another request in this step");
            true
        }
        Err(e) if e.revert().is_some() => false,
        Err(e) => return Err(e.into()),
    };
    Ok(Some(Found { assertion, step, output, length, is_final, calldata: call.abi_encode() }))
}
