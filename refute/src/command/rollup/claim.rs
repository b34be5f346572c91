//! `refute rollup claim`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use anyhow::Context;
use bindings::assertions::Assertions;
use bindings::deployment::Deployment;
use bindings::l1::{L1, Sender};
use bindings::receipts::Receipts::{self, Evidence, Receipt, StepProof};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::{WRONG, bad_input};
use crate::history::History;
use crate::wallet::{Wallet, block_on, deployment};

/// `Breach` of the contract.
const STEP: u8 = 1;
const MISSING: u8 = 2;
const RESULT: u8 = 3;

#[derive(Args)]
pub(crate) struct Arguments {
    /// File with the receipt: what the API answered, or its receipt alone
    receipt: PathBuf,
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
}

/// A receipt as the sequencer's API gives it.
#[derive(Debug, Deserialize)]
pub(crate) struct Promise {
    proposer: Address,
    epoch: u32,
    number: u64,
    request: B256,
    output: B256,
    deadline: u64,
    payee: Address,
    signature: Bytes,
}

impl Promise {
    /// Of a receipt, or of an answer that has one.
    pub(crate) fn of(document: &Value) -> anyhow::Result<Self> {
        let inner = [&document["refute"]["receipt"], &document["receipt"]];
        let receipt = inner.into_iter().find(|found| found.is_object()).unwrap_or(document);
        serde_json::from_value(receipt.clone())
            .map_err(|e| bad_input(format!("this is no receipt of a sequencer: {e}")))
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            proposer: self.proposer,
            epoch: self.epoch,
            number: self.number,
            request: self.request,
            output: self.output,
            deadline: self.deadline,
            payee: self.payee,
        }
    }
}

/// What shows that a receipt is broken.
pub(crate) struct Breach {
    evidence: Evidence,
    /// For people.
    pub(crate) words: &'static str,
}

impl Breach {
    fn new(breach: u8, proof: StepProof, words: &'static str) -> Self {
        Self { evidence: Evidence { breach, proof, ..Evidence::default() }, words }
    }
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let to = deployment(&arguments.deployment)?;
    let file = &arguments.receipt;
    let text = std::fs::read(file).map_err(|e| bad_input(format!("cannot read {}: {e}", file.display())))?;
    let document: Value = serde_json::from_slice(&text)
        .map_err(|e| bad_input(format!("{} is no JSON document: {e}", file.display())))?;
    let promise = Promise::of(&document)?;
    let broken = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&to).await?;
        let Some(breach) = breach(&l1, &to, &promise).await? else { return Ok(None) };
        claim(&sender, &to, &promise, &breach).await?;
        Ok(Some(breach.words))
    })?;
    let Some(words) = broken else {
        console.show(&json!({"broken": false}), "the receipt is kept, or its deadline has not passed")?;
        return Ok(ExitCode::from(WRONG));
    };
    let half = format_ether(U256::from(to.parameters.receipts.penalty / 2));
    let document = json!({"broken": true, "why": words, "payee": promise.payee, "ether": half});
    console.show(
        &document,
        &format!("broken: {words}; {half} ether (or half of what was left) for {}", promise.payee),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Looks for what shows on L1 that a receipt is broken.
pub(crate) async fn breach(l1: &L1, of: &Deployment, promise: &Promise) -> anyhow::Result<Option<Breach>> {
    let history = History::open(l1, of).await?;
    let (proposer, epoch, number) = (promise.proposer, promise.epoch, promise.number);
    let now = l1.head().await?.time;
    if let Some((proof, output)) = history.number(proposer, epoch, number).await? {
        let found = history.request_of(&proof)?;
        if found != promise.request || output != promise.output {
            return Ok(Some(Breach::new(
                STEP,
                proof,
                "its number was posted with another request or output",
            )));
        }
        let call = Assertions::placeOfCall { assertion: proof.assertion };
        let posted = l1.call(of.contracts.assertions, &call, BlockId::latest()).await?.postedAt;
        if posted.to::<u64>() > promise.deadline {
            return Ok(Some(Breach::new(MISSING, proof, "it was posted after its deadline")));
        }
    } else if now > promise.deadline {
        return Ok(Some(Breach::new(
            MISSING,
            StepProof::default(),
            "nothing was posted before its deadline",
        )));
    }
    let Some(proof) = history.find(promise.request).await? else { return Ok(None) };
    let call = Assertions::assertionOfCall { assertion: proof.assertion };
    let confirmed = l1.call(of.contracts.assertions, &call, BlockId::latest()).await?.status == 2;
    let differs = confirmed && proof.item.outputRoot != promise.output;
    Ok(differs.then(|| Breach::new(RESULT, proof, "its request has another final output")))
}

/// Shows the contract that a receipt is broken.
pub(crate) async fn claim(
    sender: &Sender,
    to: &Deployment,
    promise: &Promise,
    breach: &Breach,
) -> anyhow::Result<()> {
    let call = Receipts::claimCall {
        receipt: promise.receipt(),
        signature: promise.signature.clone(),
        evidence: breach.evidence.clone(),
    };
    let sent = sender.send(to.contracts.receipts, call.abi_encode().into(), U256::ZERO).await;
    sent.context(
        "the contract does not take the claim (a receipt is claimed once, and the bond may be empty)",
    )?;
    Ok(())
}
