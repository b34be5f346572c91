//! kill -9 at any point between a promise and its finality: every receipt that left is posted once, under its number.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use bindings::assertions::Assertions;
use reqwest::Client;
use sequencer::config::Config;
use serde_json::{Value, json};

use crate::postgres::Postgres;
use crate::proxy::{Fault, Proxy};
use crate::support::{ETHER, Rollup, Server, key, parameters, sqlite, until};

const CONFIG: &str = "REFUTE_TEST_L1_CRASH_CONFIG";
const ADDRESS: &str = "REFUTE_TEST_L1_CRASH_ADDRESS";
/// The proposer's: anvil's second account.
const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// Not a test: the process that is killed. It is this program, called with this test's name.
#[test]
#[ignore = "started by the tests below"]
fn the_poster_that_is_killed() {
    let (Ok(config), Ok(file)) = (std::env::var(CONFIG), std::env::var(ADDRESS)) else { return };
    let config: Config = serde_json::from_str(&config).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let running = sequencer::start(config, KEY.parse().unwrap()).await.unwrap();
        std::fs::write(format!("{file}.part"), running.address.to_string()).unwrap();
        std::fs::rename(format!("{file}.part"), file).unwrap();
        std::future::pending::<()>().await;
    });
}

/// Starts the process; gives it and where it listens.
#[expect(
    clippy::zombie_processes,
    reason = "whoever gets it waits; a test that fails before ends with its process"
)]
async fn begin(config: &Config, folder: &Path) -> (Child, String) {
    let file = folder.join("address");
    let _ = std::fs::remove_file(&file);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::the_poster_that_is_killed", "--exact", "--ignored"])
        .env(CONFIG, serde_json::to_string(config).unwrap())
        .env(ADDRESS, &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    loop {
        if let Ok(address) = std::fs::read_to_string(&file) {
            return (child, format!("http://{address}"));
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "the sequencer does not start");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asks until it is killed; the requests whose receipts came, with their numbers.
async fn ask(url: &str, key: &B256, seconds: Duration) -> Vec<(String, u64)> {
    let (client, begin, mut held) = (Client::new(), Instant::now(), Vec::new());
    while begin.elapsed() < seconds {
        let body =
            json!({"model": "echo", "messages": [{"role": "user", "content": format!("{}", held.len())}]});
        let sent = client.post(format!("{url}/v1/chat/completions")).bearer_auth(sequencer::keys::text(key));
        let Ok(answer) = sent.json(&body).send().await else { break };
        let Ok(answer) = answer.json::<Value>().await else { break };
        if let Some(request) = answer["refute"]["request"].as_str() {
            held.push((request.to_owned(), answer["refute"]["number"].as_u64().unwrap()));
        }
    }
    held
}

async fn play(store: String, rounds: u64, faults: &[Fault]) {
    let rollup = Rollup::new(parameters()).await;
    let proxy = Proxy::start(rollup.anvil.port, rounds);
    let config = Config { l1: Some(proxy.url.clone()), ..rollup.config(&store) };
    let server = Server::new(&rollup, config.clone()).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    server.stop().await;
    let mut held = Vec::new();
    for round in 0..rounds {
        let (mut child, url) = begin(&config, rollup.folder.path()).await;
        proxy.faults(faults);
        let time = Duration::from_millis(30 + round * 71 % 400);
        let asking = tokio::spawn(async move { ask(&url, &api_key, Duration::from_secs(3)).await });
        tokio::time::sleep(time).await;
        child.kill().unwrap();
        child.wait().unwrap();
        proxy.faults(&[]);
        held.extend(asking.await.unwrap());
    }
    assert!(held.len() as u64 > rounds, "{} receipts are too few to show anything", held.len());
    let server = Server::new(&rollup, config.clone()).await;
    let next = server.service.db.next_number(0).await.unwrap();
    until("everything is posted under its number", async || {
        let number = Assertions::nextNumberCall { proposer: rollup.proposer().address(), epoch: 0 };
        rollup.call(rollup.made.contracts.assertions, &number).await == next
    })
    .await;
    for (request, number) in &held {
        server.wait_for(request, "posted").await;
        let found = server.get(&format!("/v1/refute/requests/{request}")).await;
        assert_eq!((&found["status"], &found["receipt"]["number"]), (&json!("posted"), &json!(number)));
    }
    // Nothing was posted again under other numbers.
    let again = Assertions::nextNumberCall { proposer: rollup.proposer().address(), epoch: 1 << 31 };
    assert_eq!(rollup.call(rollup.made.contracts.assertions, &again).await, 0);
    let balance = server.service.book.account(0).unwrap().balance;
    server.stop().await;
    // What the store says is what L1 says.
    let folder = tempfile::tempdir().unwrap();
    let fresh = Server::new(&rollup, Config { epoch: 1, ..rollup.config(&sqlite(folder.path())) }).await;
    assert_eq!(fresh.service.book.account(0).unwrap().balance, balance);
    fresh.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_posts_what_was_promised_once() {
    let folder = tempfile::tempdir().unwrap();
    play(sqlite(folder.path()), 8, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    play(sqlite(folder.path()), 4, &[Fault::Error, Fault::LoseAnswer, Fault::Garbage, Fault::Hang]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_posts_what_was_promised_once() {
    let server = Postgres::start();
    play(server.address.clone(), 4, &[]).await;
}
