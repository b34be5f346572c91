//! `refute status`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::eips::BlockId;
use alloy::primitives::utils::format_ether;
use alloy::primitives::{Address, B256, U256};
use bindings::assertions::Assertions;
use bindings::deployment::Deployment;
use bindings::dispute_game::DisputeGame;
use bindings::inbox::Inbox;
use bindings::l1::L1;
use bindings::step_game::StepGame;
use clap::Args;
use serde_json::{Value, json};

use crate::api::Api;
use crate::console::Console;
use crate::wallet::{block_on, connect, deployment};

/// Pending assertions that are shown one by one.
const SHOWN: u64 = 32;

#[derive(Args)]
pub(crate) struct Arguments {
    /// URL of an Ethereum node
    #[arg(long, value_name = "URL", env = "REFUTE_L1", default_value = "http://127.0.0.1:8545")]
    l1: String,
    /// File that `refute rollup deploy` wrote
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    deployment: PathBuf,
    /// URL of a sequencer, to be asked whether it can serve
    #[arg(long, value_name = "URL", env = "REFUTE_API")]
    api: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let of = deployment(&arguments.deployment)?;
    let document = block_on(async {
        let node = connect(&arguments.l1, Some(of.chain_id)).await?;
        of.check(&node).await?;
        let mut document = chain(&node, &of).await?;
        if let Some(url) = &arguments.api {
            let answer = Api::new(url)?.get("/readyz").await;
            document["sequencer_ready"] = json!(answer.is_ok());
            document["sequencer_says"] = answer.err().map_or(Value::Null, |e| json!(e.to_string()));
        }
        Ok(document)
    })?;
    let text = text(&document);
    console.show(&document, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// A pending assertion.
struct Pending {
    height: u64,
    assertion: B256,
    proposer: Address,
    posted: u64,
    games: U256,
}

/// What L1 says, all of it as of one block.
async fn chain(node: &L1, of: &Deployment) -> anyhow::Result<Value> {
    let at = &of.contracts;
    let block = node.head().await?;
    let when = BlockId::hash(block.hash);
    let head: u64 = node.call(at.assertions, &Assertions::headCall {}, when).await?.to();
    let confirmed: u64 = node.call(at.assertions, &Assertions::confirmedCall {}, when).await?.to();
    let mut pending = Vec::new();
    for height in confirmed + 1..=head.min(confirmed + SHOWN) {
        pending.push(one(node, of, height, when).await?);
    }
    let tip = node.call(at.assertions, &Assertions::tipCall {}, when).await?;
    let entries = node.call(at.inbox, &Inbox::countCall {}, when).await?;
    let oldest = if tip.cursor < entries {
        let time = node.call(at.inbox, &Inbox::timeOfCall { index: tip.cursor }, when).await?;
        Some(block.time.saturating_sub(time))
    } else {
        None
    };
    let late = node.call(at.assertions, &Assertions::isLateCall {}, when).await?;
    let sequencer = node.call(at.assertions, &Assertions::sequencerCall {}, when).await?;
    let stake = node.call(at.dispute_game, &DisputeGame::leastStakeCall {}, when).await?;
    let window = u64::from(of.parameters.games.window);
    let pending: Vec<Value> = pending
        .iter()
        .map(|x| {
            let left = (x.posted + window).saturating_sub(block.time);
            json!({"height": x.height, "assertion": x.assertion, "proposer": x.proposer,
                "window_left_seconds": left, "open_games": x.games.to_string()})
        })
        .collect();
    Ok(json!({
        "chain_id": of.chain_id, "block": block.number, "time": block.time, "sequencer": sequencer,
        "sequencer_is_late": late, "stake_wei": stake.to_string(), "head": head, "confirmed": confirmed,
        "pending": pending,
        "inbox": {"entries": entries, "taken": tip.cursor, "oldest_waits_seconds": oldest},
    }))
}

async fn one(node: &L1, of: &Deployment, height: u64, when: BlockId) -> anyhow::Result<Pending> {
    let at = &of.contracts;
    let assertion =
        node.call(at.assertions, &Assertions::chainCall { height: U256::from(height) }, when).await?;
    let place = node.call(at.assertions, &Assertions::placeOfCall { assertion }, when).await?;
    let proposer = node.call(at.assertions, &Assertions::proposerOfCall { assertion }, when).await?;
    let games = node.call(at.dispute_game, &DisputeGame::openGamesCall { assertion }, when).await?;
    let asked = node.call(at.step_game, &StepGame::openGamesCall { assertion }, when).await?;
    Ok(Pending {
        height,
        assertion,
        proposer,
        posted: place.postedAt.to(),
        games: games.saturating_add(asked),
    })
}

fn text(x: &Value) -> String {
    let number = |key: &str| x[key].as_u64().unwrap_or_default();
    let stake = x["stake_wei"].as_str().and_then(|wei| wei.parse().ok()).unwrap_or(U256::ZERO);
    let mut text = format!(
        "chain {} at block {}\nsequencer {}{}\nbatches: {} posted, {} final; the next one's stake is {} ether\n",
        number("chain_id"),
        number("block"),
        x["sequencer"].as_str().unwrap_or_default(),
        if x["sequencer_is_late"] == true { ", which is LATE: anybody may post" } else { "" },
        number("head"),
        number("confirmed"),
        format_ether(stake),
    );
    for x in x["pending"].as_array().into_iter().flatten() {
        let games = x["open_games"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "  batch {} {} by {}: {} s left in its window, {games} open games\n",
            x["height"],
            x["assertion"].as_str().unwrap_or_default(),
            x["proposer"].as_str().unwrap_or_default(),
            x["window_left_seconds"],
        ));
    }
    let inbox = &x["inbox"];
    text.push_str(&format!("inbox: {} entries, {} taken", inbox["entries"], inbox["taken"]));
    if let Some(seconds) = inbox["oldest_waits_seconds"].as_u64() {
        text.push_str(&format!(", the oldest of the others waits since {seconds} s"));
    }
    if let Some(ready) = x["sequencer_ready"].as_bool() {
        let said = x["sequencer_says"].as_str().unwrap_or("it is ready");
        text.push_str(&format!("\nAPI: {}", if ready { "ready" } else { said }));
    }
    text
}
