//! A start reads what is new: what is final was summed up. Without that, or with too little of it, it reads everything.

use std::str::FromStr;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::rejection::refute;
use crate::support::{ETHER, Rollup, Server, key, parameters, until};

/// Blocks behind which there is no reorganisation that can be followed.
const DEEP: u64 = 300;

/// Executes something in a store that nobody has open.
async fn alter(store: &str, sql: &'static str) -> u64 {
    let options = SqliteConnectOptions::from_str(store).unwrap();
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
    connection.close().await.unwrap();
    done
}

/// Until the sequencer has read what L1 has.
async fn caught_up(rollup: &Rollup, server: &Server) {
    let head = rollup.node.head().await.unwrap().number;
    let at = || server.service.posting.report().is_some_and(|report| report.block >= head);
    until("L1 is read to its head", async || at()).await;
}

/// Until everything that is on L1 was posted and is final.
async fn settled(rollup: &Rollup, server: &Server) {
    let all = || server.service.posting.report().is_some_and(|at| (at.pending, at.backlog) == (0, 0));
    until("all is final", async || {
        rollup.pass(601);
        all()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_reads_what_came_after_what_is_final() {
    let rollup = Rollup::new(parameters()).await;
    let store = rollup.sqlite();
    let server = Server::new(&rollup, rollup.config(&store)).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (old, _) = server.chat(&api_key, "old").await;
    server.wait_for(&old, "posted").await;
    for _ in 0..16 {
        rollup.deposit(key(1).address(), ETHER).await;
    }
    rollup.mine(2);
    server.balance(1, 16 * ETHER).await;
    settled(&rollup, &server).await;
    server.wait_for(&old, "final").await;
    assert_eq!(server.service.db.checkpoint().await.unwrap(), None, "its blocks can still be taken back");
    rollup.mine(DEEP);
    let deep = async || server.service.db.checkpoint().await.unwrap().is_some();
    until("it is summed up", deep).await;
    caught_up(&rollup, &server).await;
    let (recent, _) = server.chat(&api_key, "recent").await;
    server.wait_for(&recent, "posted").await;
    let accounts =
        |server: &Server| (0..2).map(|i| server.service.book.account(i).unwrap()).collect::<Vec<_>>();
    let before = accounts(&server);
    server.stop().await;

    // Nothing that was summed up is read again: it could as well be gone.
    let behind = "DELETE FROM l1_blocks WHERE number <= (SELECT block FROM l1_checkpoint)";
    assert!(alter(&store, behind).await > 16);
    let server = Server::new(&rollup, rollup.config(&store)).await;
    assert_eq!(accounts(&server), before);
    assert_eq!([server.status(&old).await, server.status(&recent).await], ["final", "posted"]);
    let (new, _) = server.chat(&api_key, "new").await;
    server.wait_for(&new, "posted").await;
    rollup.pass(601);
    server.wait_for(&new, "final").await;
    let proof = server.proof(&old).await;
    let verify = bindings::results::Results::verifyInferenceCall { proof };
    assert_eq!(rollup.call(rollup.made.contracts.results, &verify).await.item.outputLength, 4);
    let before = accounts(&server);
    server.stop().await;

    // One that cannot be read is none, and what is needed then is asked of L1.
    assert_eq!(alter(&store, "UPDATE l1_checkpoint SET view = substr(view, 1, length(view) - 32)").await, 1);
    assert!(alter(&store, "DELETE FROM l1_blocks").await > 100);
    let server = Server::new(&rollup, rollup.config(&store)).await;
    assert_eq!(accounts(&server), before);
    assert_eq!(server.status(&new).await, "final");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refuted_is_in_no_sum() {
    let rollup = Rollup::new(parameters()).await;
    let store = rollup.sqlite();
    let server = Server::new(&rollup, rollup.config(&store)).await;
    let deposits = async |seed| {
        for _ in 0..16 {
            rollup.deposit(key(seed).address(), ETHER).await;
        }
        rollup.mine(2);
    };
    deposits(0).await;
    server.balance(0, 16 * ETHER).await;
    settled(&rollup, &server).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (request, _) = server.chat(&api_key, "in time").await;
    server.wait_for(&request, "posted").await;
    let status = server.get(&format!("/v1/refute/requests/{request}")).await;
    rollup.mine(DEEP);
    caught_up(&rollup, &server).await;
    assert_eq!(server.service.db.checkpoint().await.unwrap(), None, "what it ends with is not final");
    // The proposer is right, and says nothing.
    refute(&rollup, status["assertion"].as_str().unwrap().parse().unwrap()).await;
    server.wait_for(&request, "posted").await;
    deposits(1).await;
    server.balance(1, 16 * ETHER).await;
    settled(&rollup, &server).await;
    rollup.mine(DEEP);
    let deep = async || server.service.db.checkpoint().await.unwrap().is_some();
    until("it is summed up", deep).await;
    let accounts =
        |server: &Server| (0..2).map(|i| server.service.book.account(i).unwrap()).collect::<Vec<_>>();
    let before = accounts(&server);
    server.stop().await;
    let behind = "DELETE FROM l1_blocks WHERE number <= (SELECT block FROM l1_checkpoint)";
    assert!(alter(&store, behind).await > 16);
    let server = Server::new(&rollup, rollup.config(&store)).await;
    assert_eq!(accounts(&server), before);
    let report = server.service.posting.report().unwrap();
    assert_eq!((report.lost, report.wrong), (1, false));
    assert_eq!(server.status(&request).await, "final");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_deeper_than_what_is_kept_is_read_from_the_beginning() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    rollup.mine(10);
    let fork = rollup.node.head().await.unwrap().number;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (request, number) = server.chat(&api_key, "so far").await;
    server.wait_for(&request, "posted").await;
    for _ in 0..16 {
        rollup.deposit(key(1).address(), ETHER).await;
    }
    rollup.mine(DEEP);
    caught_up(&rollup, &server).await;
    let depth = rollup.node.head().await.unwrap().number - fork;
    rollup.anvil.ask("anvil_rollback", &format!("[{depth}]"));
    rollup.mine(depth + 2);
    caught_up(&rollup, &server).await;
    // The deposits of the other history are gone, and what was promised is posted again, under its number.
    until("others have nothing", async || server.service.book.account(1).is_none()).await;
    server.wait_for(&request, "posted").await;
    let status = server.get(&format!("/v1/refute/requests/{request}")).await;
    assert_eq!(status["receipt"]["number"], number);
    let (next, _) = server.chat(&api_key, "further").await;
    server.wait_for(&next, "posted").await;
    server.stop().await;
}
