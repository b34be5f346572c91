//! kill -9 in the middle of traffic, many times over one store: whatever a client holds a receipt for is there, with its
//! result; numbers have no gaps; every fee is taken once.

#[path = "../store/postgres.rs"]
mod postgres;
mod traffic;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::primitives::keccak256;
use alloy::signers::local::PrivateKeySigner;
use sequencer::config::{AccountConfig, Config, ModelConfig};
use sequencer::ledger::decode_account;
use sequencer::store::Db;

use postgres::Postgres;
use traffic::{Held, Traffic};

const BALANCE: u128 = 1_000_000_000_000;
const STORE: &str = "REFUTE_TEST_CRASH_STORE";
const ADDRESS: &str = "REFUTE_TEST_CRASH_ADDRESS";

pub(crate) fn key(seed: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256([seed])).unwrap()
}

fn config(store: &str) -> Config {
    let echo = |name: &str, path: &str| ModelConfig {
        name: Some(name.into()),
        path: path.into(),
        price_in: 1,
        price_out: 2,
        threads: None,
        backend: None,
    };
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: store.into(),
        models: vec![echo("echo", "echo")],
        // The first is served by a key, the second signs itself.
        accounts: [0, 1]
            .map(|i| AccountConfig { owner: key(i).address(), balance: BALANCE.to_string() })
            .to_vec(),
        ..Config::default()
    }
}

/// Not a test: the process that is killed. It is this program, called with this test's name.
#[test]
#[ignore = "started by the tests below"]
fn the_server_that_is_killed() {
    let (Ok(store), Ok(file)) = (std::env::var(STORE), std::env::var(ADDRESS)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let running = sequencer::start(config(&store), key(99)).await.unwrap();
        std::fs::write(format!("{file}.part"), running.address.to_string()).unwrap();
        std::fs::rename(format!("{file}.part"), file).unwrap();
        std::future::pending::<()>().await;
    });
}

/// Starts the server; gives it and where it listens.
#[expect(
    clippy::zombie_processes,
    reason = "whoever gets it waits; a test that fails before ends with its process"
)]
fn start(store: &str, folder: &Path) -> (Child, String) {
    let file = folder.join("address");
    let _ = std::fs::remove_file(&file);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["the_server_that_is_killed", "--exact", "--ignored"])
        .env(STORE, store)
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
        assert!(begin.elapsed() < Duration::from_secs(30), "the server does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a client holds is in the store, and the store is whole.
async fn check(store: &str, held: &[Held]) {
    let db = Db::open(store).await.unwrap();
    // A database may still be committing for the server that was killed: all of one moment.
    let (next, receipts, accounts) = loop {
        let next = db.next_number(0).await.unwrap();
        let receipts = db.receipts_from(0, 0, u32::MAX).await.unwrap();
        let accounts = db.load().await.unwrap().accounts;
        if db.next_number(0).await.unwrap() == next {
            break (next, receipts, accounts);
        }
    };
    let mut fees = 0;
    let numbers: Vec<u64> = receipts.iter().map(|r| r.number).collect();
    assert_eq!(numbers, (0..next).collect::<Vec<_>>(), "numbers have no gaps");
    for receipt in receipts.iter().filter(|r| r.op == 3) {
        let found = db.find(&receipt.request).await.unwrap().unwrap();
        let (length, output, fee, _) = found.result.expect("no receipt without its result");
        assert!(length > 0 && !output.is_empty() && found.request.is_some());
        fees += fee;
    }
    for held in held {
        let found = db.find(&held.request).await.unwrap().expect("what was promised is there");
        if let Some((number, signature)) = &held.receipt {
            let (_, receipt) = found.receipt.expect("a receipt that left is stored");
            assert_eq!((receipt.number, receipt.signature), (*number, *signature));
        }
    }
    let balances = accounts.iter().map(|(_, leaf)| decode_account(leaf).unwrap().balance);
    assert_eq!(balances.sum::<u128>(), 2 * BALANCE - fees, "every fee is taken once");
    db.close().await;
}

async fn play(store: &str, rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut traffic = Traffic::default();
    for round in 0..rounds {
        let (mut child, url) = start(store, folder.path());
        let time = Duration::from_millis(60 + u64::from(round * 37 % 240));
        traffic
            .run(&url, time, move || {
                child.kill().unwrap();
                child.wait().unwrap();
            })
            .await;
        check(store, &traffic.held).await;
    }
    // Nothing is left waiting once a server runs in peace.
    let (mut child, url) = start(store, folder.path());
    traffic.finish(&url).await;
    child.kill().unwrap();
    child.wait().unwrap();
    check(store, &traffic.held).await;
    let receipts = traffic.held.iter().filter(|h| h.receipt.is_some()).count();
    assert!(receipts > rounds as usize, "{receipts} receipts are too few to show anything");
    eprintln!("{} requests held, {receipts} with receipts, {rounds} kills", traffic.held.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_what_was_promised() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("store.db").display());
    play(&store, 25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_what_was_promised() {
    let server = Postgres::start();
    play(&server.address, 10).await;
}
