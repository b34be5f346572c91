//! L1 takes blocks back: deposits, batches, both.

use bindings::assertions::Assertions;

use crate::support::{ETHER, Rollup, Server, key, parameters, until};

#[tokio::test]
async fn what_a_reorganisation_took_is_posted_again() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(30);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let mut requests = Vec::new();
    for depth in [1_u64, 2, 5, 20] {
        let (request, _) = server.chat(&api_key, &format!("before {depth}")).await;
        server.wait_for(&request, "posted").await;
        requests.push(request);
        // The posting itself is taken back, with some of what came before it.
        rollup.anvil.ask("anvil_rollback", &format!("[{depth}]"));
        rollup.mine(depth + 1);
        for request in &requests {
            server.wait_for(request, "posted").await;
        }
    }
    let (last, _) = server.chat(&api_key, "after all").await;
    rollup.pass(601);
    requests.push(last);
    for request in &requests {
        server.wait_for(request, "posted").await;
    }
    let state = server.service.book.account(0).unwrap();
    rollup.pass(601);
    for request in &requests {
        until(&format!("{request} is final"), async || server.status(request).await == "final").await;
    }
    assert_eq!(server.service.book.account(0).unwrap(), state, "and costs what it cost");
    server.stop().await;
}

#[tokio::test]
async fn a_deposit_that_goes_away_is_not_counted() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(3);
    server.balance(0, ETHER).await;
    let tip = Assertions::tipCall {};
    until("the first is posted", async || {
        rollup.call(rollup.made.contracts.assertions, &tip).await.cursor == 1
    })
    .await;
    rollup.deposit(key(5).address(), 7 * ETHER).await;
    rollup.anvil.ask("anvil_rollback", "[1]");
    rollup.mine(4);
    // Account 1 is whoever comes first now.
    rollup.deposit(key(6).address(), 2 * ETHER).await;
    rollup.mine(3);
    server.balance(1, 2 * ETHER).await;
    assert_eq!(server.service.book.account(1).unwrap().owner, key(6).address().0.0);
    server.stop().await;
}
