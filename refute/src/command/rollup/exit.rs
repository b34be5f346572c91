//! `refute rollup exit`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use anyhow::Context;
use bindings::deployment::Deployment;
use bindings::exits::Exits;
use bindings::l1::{L1, Sender};
use bindings::recast;
use bisection::Hash;
use bisection::ledger::Body;
use clap::Args;
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::WRONG;
use crate::history::{History, proof};
use crate::wallet::{Wallet, block_on, deployment};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wallet: Wallet,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// Who is owed [default: the wallet's owner]. Anyone may have it paid out; it goes nowhere else
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
}

/// Money that a step owes on L1.
pub(crate) struct Due {
    pub(crate) assertion: B256,
    pub(crate) step: u32,
    /// Wei.
    pub(crate) amount: U256,
    /// Is its assertion confirmed.
    pub(crate) is_final: bool,
    refund: bool,
    proof: bindings::receipts::Receipts::StepProof,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let (to, due) = block_on(async {
        let (l1, sender) = arguments.wallet.sender_for(&of).await?;
        let to = arguments.to.unwrap_or(sender.account());
        let due = due(&l1, &of, to).await?;
        for one in due.iter().filter(|one| one.is_final) {
            pay(&sender, &of, one).await?;
        }
        Ok((to, due))
    })?;
    let sum = |is_final: bool| -> U256 {
        due.iter().filter(|one| one.is_final == is_final).map(|one| one.amount).sum()
    };
    let (paid, waits) = (format_ether(sum(true)), format_ether(sum(false)));
    let list: Vec<Value> = due
        .iter()
        .map(|x| {
            let kind = if x.refund { "refund" } else { "withdrawal" };
            json!({"assertion": x.assertion, "step": x.step, "kind": kind, "ether": format_ether(x.amount),
                "paid": x.is_final})
        })
        .collect();
    let document = json!({"to": to, "paid": paid, "waits": waits, "steps": list});
    let text = format!(
        "{paid} ether paid to the vault for {to}, which `refute rollup draw` sends to a wallet; {waits} ether are posted and not final yet"
    );
    console.show(&document, &text)?;
    let nothing = due.iter().all(|one| !one.is_final);
    Ok(if nothing { ExitCode::from(WRONG) } else { ExitCode::SUCCESS })
}

/// What the chain owes somebody and was not paid: withdrawals, forced ones, and what requests on L1 did not use.
pub(crate) async fn due(l1: &L1, of: &Deployment, to: Address) -> anyhow::Result<Vec<Due>> {
    let history = History::open(l1, of).await?;
    let fee = U256::from(of.parameters.rollup.entry_fee);
    let mut found = Vec::new();
    for posted in history.posted(None).await? {
        let Some(is_final) = history.is_final(&posted).await? else { continue };
        let derived = history.derived(&posted).await?;
        for (index, step) in derived.steps.iter().enumerate() {
            let Some((amount, refund)) = owed(&step.leaf.body, to, fee) else { continue };
            let step = u32::try_from(index)?;
            let call = Exits::isClaimedCall { assertion: posted.assertion, step };
            if amount.is_zero() || l1.call(of.contracts.exits, &call, BlockId::latest()).await? {
                continue;
            }
            let proof = proof(posted.assertion, &derived, index)?;
            found.push(Due { assertion: posted.assertion, step, amount, is_final, refund, proof });
        }
    }
    Ok(found)
}

/// What a step pays somebody on L1, and whether it is a refund (docs/rollup.md, 11).
fn owed(body: &Body, to: Address, entry_fee: U256) -> Option<(U256, bool)> {
    match body {
        Body::Withdrawal { order, .. } if order.to == to.0.0 => Some((U256::from(order.amount), false)),
        Body::Forced { entry, paid } if entry.owner == to.0.0 => Some((U256::from(*paid), false)),
        Body::Request { entry, item, output_length, .. } if entry.sender == to.0.0 => {
            let price = |each: u64, tokens: u32| U256::from(each) * U256::from(tokens);
            let amount = if *item == Hash([0; 32]) {
                entry_fee
                    + price(entry.price_in, entry.prompt_length)
                    + price(entry.price_out, entry.max_tokens)
            } else {
                price(entry.price_out, entry.max_tokens.saturating_sub(*output_length))
            };
            Some((amount, true))
        }
        _ => None,
    }
}

/// Has it paid.
pub(crate) async fn pay(sender: &Sender, of: &Deployment, due: &Due) -> anyhow::Result<()> {
    let (assertion, step) = (due.assertion, due.step);
    let path = due.proof.path.clone();
    let parts = recast(&due.proof.parts).context("another ABI of a step")?;
    let data = if due.refund {
        Exits::refundCall { assertion, step, parts, path }.abi_encode()
    } else {
        Exits::withdrawalCall { assertion, step, parts, path }.abi_encode()
    };
    sender.send(of.contracts.exits, data.into(), U256::ZERO).await?;
    Ok(())
}
