//! A chain and a node at their worst, exactly while a batch is on its way: nothing is lost, nothing is there twice.

use std::time::Duration;

use alloy::primitives::B256;
use bindings::assertions::Assertions;
use sequencer::config::Config;
use serde_json::Value;

use crate::liar::{Liar, Lie};
use crate::support::{ETHER, Rollup, Server, key, parameters, sqlite, until};

/// A sequencer with a funded key.
async fn begin(rollup: &Rollup, config: Config) -> (Server, B256) {
    let server = Server::new(rollup, config).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(30);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(rollup, 0, 0, 1).await;
    let (first, _) = server.chat(&api_key, "first").await;
    server.wait_for(&first, "posted").await;
    (server, api_key)
}

/// Every request is posted, under the number of its receipt, and final in the end; accounts have what L1 says.
async fn check(rollup: &Rollup, server: Server, held: &[(String, u64)]) {
    for (request, number) in held {
        server.wait_for(request, "posted").await;
        let found = server.get(&format!("/v1/refute/requests/{request}")).await;
        assert_eq!(found["receipt"]["number"], *number);
    }
    let next = server.service.db.next_number(0).await.unwrap();
    let proposer = rollup.proposer().address();
    let at = rollup.made.contracts;
    let number =
        async |epoch| rollup.call(at.assertions, &Assertions::nextNumberCall { proposer, epoch }).await;
    until("everything is posted under its number", async || number(0).await == next).await;
    assert_eq!(number(1 << 31).await, 0, "and nothing again under another");
    rollup.pass(601);
    for (request, _) in held {
        server.wait_for(request, "final").await;
    }
    let account = server.service.book.account(0).unwrap();
    server.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let fresh = Server::new(rollup, Config { epoch: 1, ..rollup.config(&sqlite(folder.path())) }).await;
    assert_eq!(fresh.service.book.account(0).unwrap(), account);
    fresh.stop().await;
}

fn pending(rollup: &Rollup) -> Vec<u128> {
    let answer = rollup.anvil.ask("txpool_content", "[]");
    let at = answer.find("\r\n\r\n").unwrap() + 4;
    let content: Value = serde_json::from_str(&answer[at..]).unwrap();
    let senders = content["result"]["pending"].as_object().unwrap().values();
    let transactions = senders.flat_map(|sender| sender.as_object().unwrap().values());
    let fee = |transaction: &Value| {
        let hex = transaction["maxFeePerGas"].as_str().unwrap_or("0x0");
        u128::from_str_radix(&hex[2..], 16).unwrap()
    };
    transactions.map(fee).collect()
}

/// A reorganisation of so many blocks while a planned batch waits to be included, on whose old chain it was planned.
async fn a_reorganisation_between_plan_and_inclusion(depth: u64) {
    let rollup = Rollup::new(parameters()).await;
    let (server, api_key) = begin(&rollup, rollup.config(&rollup.sqlite())).await;
    let mut held = Vec::new();
    for is_lost in [false, true] {
        // So that the depth reaches behind the batch before, now and then, and into what is empty.
        let (before, number) = server.chat(&api_key, "before").await;
        server.wait_for(&before, "posted").await;
        held.push((before, number));
        rollup.anvil.ask("evm_setAutomine", "[false]");
        held.push(server.chat(&api_key, &format!("{is_lost}")).await);
        until("it is on its way", async || !pending(&rollup).is_empty()).await;
        rollup.anvil.ask("anvil_rollback", &format!("[{depth}]"));
        if is_lost {
            rollup.anvil.ask("anvil_dropAllTransactions", "[]");
        }
        rollup.mine(depth + 1);
        rollup.anvil.ask("evm_setAutomine", "[true]");
        for (request, _) in &held {
            server.wait_for(request, "posted").await;
        }
    }
    check(&rollup, server, &held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_of_one_block_between_plan_and_inclusion() {
    a_reorganisation_between_plan_and_inclusion(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_of_three_blocks_between_plan_and_inclusion() {
    a_reorganisation_between_plan_and_inclusion(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_of_twenty_blocks_between_plan_and_inclusion() {
    a_reorganisation_between_plan_and_inclusion(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fee_spike_is_paid_up_to_the_limit_and_waited_out_above() {
    const GWEI: u128 = 1_000_000_000;
    let rollup = Rollup::new(parameters()).await;
    let config = Config { raise_seconds: 1, max_fee_gwei: 200, ..rollup.config(&rollup.sqlite()) };
    let (server, api_key) = begin(&rollup, config).await;
    let mine_at = async |gwei: u128| {
        rollup.anvil.ask("anvil_setNextBlockBaseFeePerGas", &format!("[\"{:#x}\"]", gwei * GWEI));
        rollup.mine(1);
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    rollup.anvil.ask("evm_setAutomine", "[false]");
    let mut held = vec![server.chat(&api_key, "dear").await];
    until("it is on its way", async || !pending(&rollup).is_empty()).await;
    let offered = pending(&rollup)[0];
    assert!(offered < 50 * GWEI, "{offered} was offered before the spike");
    // Fifty times the price: it is replaced, and included.
    let mut blocks = 0;
    while server.status(&held[0].0).await != "posted" {
        mine_at(50).await;
        blocks += 1;
        assert!(blocks < 100, "it is not replaced");
    }
    // More than is to be paid at the most: it waits, and nobody pays more.
    for _ in 0..3 {
        mine_at(1000).await;
    }
    held.push(server.chat(&api_key, "too dear").await);
    for _ in 0..20 {
        mine_at(1000).await;
        assert!(pending(&rollup).iter().all(|fee| *fee <= 200 * GWEI));
    }
    assert_eq!(server.status(&held[1].0).await, "executed");
    rollup.anvil.ask("anvil_setNextBlockBaseFeePerGas", "[\"0x3b9aca00\"]");
    rollup.mine(1);
    rollup.anvil.ask("evm_setAutomine", "[true]");
    rollup.mine(1);
    check(&rollup, server, &held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lies_for_a_while_changes_nothing() {
    let rollup = Rollup::new(parameters()).await;
    let liar = Liar::start(rollup.anvil.port);
    let config = Config { l1: Some(liar.url.clone()), ..rollup.config(&rollup.sqlite()) };
    let (server, api_key) = begin(&rollup, config.clone()).await;
    let mut held = Vec::new();
    for behind in [1, 7, 20] {
        let head = rollup.node.head().await.unwrap().number;
        for lie in [Lie::Head(head - behind), Lie::Receipts, Lie::Chain] {
            liar.tell(Some(lie));
            held.push(server.chat(&api_key, &format!("{lie:?}")).await);
            tokio::time::sleep(Duration::from_millis(700)).await;
            held.push(server.chat(&api_key, "and another").await);
            liar.tell(None);
            for (request, _) in &held {
                server.wait_for(request, "posted").await;
            }
        }
    }
    check(&rollup, server, &held).await;
    // Who says from the start that it is another chain is not believed.
    liar.tell(Some(Lie::Chain));
    let error = sequencer::start(config, rollup.proposer()).await.err().unwrap().to_string();
    assert!(error.contains("chain"), "{error}");
}
