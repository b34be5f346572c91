//! What time does to what waits: entries fall due, requests expire, prices rise, stakes run out.

use alloy::primitives::{Address, B256, U256};
use bindings::assertions::Assertions;
use bindings::dispute_game::DisputeGame;
use bindings::model_registry::ModelRegistry;
use sequencer::config::Config;
use sequencer::engine::Model;
use sequencer::ledger::Withdrawal;

use crate::support::{ETHER, PRICE, Rollup, Server, key, parameters, until};

/// A sequencer that promises and does not post for as long as a test takes.
fn waiting(rollup: &Rollup) -> Config {
    Config { batch_seconds: 300, ..rollup.config(&rollup.sqlite()) }
}

#[tokio::test]
async fn what_is_overdue_is_taken_alone_before_what_was_promised() {
    let rollup = Rollup::new(parameters()).await;
    let deep = |config: Config| Config { confirmations: 50, ..config };
    let at = rollup.made.contracts;
    let server = Server::new(&rollup, deep(rollup.config(&rollup.sqlite()))).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(50);
    server.balance(0, ETHER).await;
    let tip = async || rollup.call(at.assertions, &Assertions::tipCall {}).await;
    until("the deposit is posted", async || tip().await.cursor == 1).await;
    server.stop().await;

    let server = Server::new(&rollup, deep(waiting(&rollup))).await;
    let to = Address::repeat_byte(0x42);
    let order = Withdrawal { account: 0, nonce: 0, amount: 1, to: to.0.0, valid_until: 1 << 40 };
    let withdrawal = server.withdraw(&rollup, 0, order).await;
    // Too new to be taken, until nothing may be posted without it.
    rollup.deposit(key(5).address(), ETHER).await;
    server.stop().await;
    let head = async || u64::try_from(rollup.call(at.assertions, &Assertions::headCall {}).await).unwrap();
    let before = head().await;
    rollup.pass(parameters().rollup.force_delay + 1);

    let server = Server::new(&rollup, deep(rollup.config(&rollup.sqlite()))).await;
    server.wait_for(&withdrawal, "posted").await;
    assert_eq!(tip().await.cursor, 2);
    assert_eq!(head().await - before, 2, "one of the entry alone, and one of the item");
    server.balance(1, ETHER).await;
    server.balance(0, ETHER - 1).await;
    rollup.pass(601);
    server.wait_for(&withdrawal, "final").await;
    server.stop().await;
}

#[tokio::test]
async fn what_expired_before_it_was_posted_is_left_out_and_costs_nothing() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, waiting(&rollup)).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (late, number) = server.chat(&api_key, "late").await;
    server.balance(0, ETHER - u128::from(PRICE) * (4 + 2 * 5)).await;
    assert_eq!(server.status(&late).await, "executed");
    let receipt = server.get(&format!("/v1/refute/receipts/{late}")).await;
    server.stop().await;
    // Longer than any request of a key is valid.
    rollup.pass(Config::default().validity + 100);
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    server.wait_for(&late, "left_out").await;
    server.balance(0, ETHER).await;
    // The receipt stays what it was.
    let kept = server.get(&format!("/v1/refute/receipts/{late}")).await;
    assert_eq!((&kept, kept["number"].as_u64()), (&receipt, Some(number)));
    // Its number can be nobody else's: nothing more is promised in an epoch with a gap, and in the next one it is.
    let posting = &server.service.posting;
    let ended = || posting.deadline(posting.now()).is_err_and(|why| why.contains("another epoch"));
    until("the epoch is over", async || ended()).await;
    server.stop().await;
    let server = Server::new(&rollup, Config { epoch: 1, ..rollup.config(&rollup.sqlite()) }).await;
    server.balance(0, ETHER).await;
    let (next, number) = server.chat(&api_key, "next").await;
    assert_eq!(number, 0);
    server.wait_for(&next, "posted").await;
    rollup.pass(601);
    server.wait_for(&next, "final").await;
    server.balance(0, ETHER - u128::from(PRICE) * (4 + 2 * 5)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_price_that_rises_under_way_voids_nothing_that_was_promised() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, waiting(&rollup)).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let model = Model::echo_announcement(false).0.id();
    let (price_in, price_out) = (3 * PRICE, 6 * PRICE);
    let schedule =
        ModelRegistry::scheduleCall { model: B256::from(model.0), priceIn: price_in, priceOut: price_out };
    rollup.send(rollup.made.contracts.registry, &schedule, 0).await;
    let dearest = || server.service.posting.dearest(&model).map(|price| price.input);
    until("the next price is known", async || dearest() == Some(price_in)).await;
    assert_eq!(server.service.posting.price(&model).unwrap().input, PRICE, "it is not in force");
    let (under_way, _) = server.chat(&api_key, "Why?").await;
    server.balance(0, ETHER - u128::from(PRICE) * (4 + 2 * 5)).await;
    server.stop().await;
    rollup.pass(parameters().registry.price_delay + 1);
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    server.wait_for(&under_way, "posted").await;
    server.balance(0, ETHER - u128::from(3 * PRICE) * (4 + 2 * 5)).await;
    let (after, _) = server.chat(&api_key, "Why?").await;
    server.wait_for(&after, "posted").await;
    server.balance(0, ETHER - 2 * u128::from(3 * PRICE) * (4 + 2 * 5)).await;
    rollup.pass(601);
    server.wait_for(&under_way, "final").await;
    server.stop().await;
}

#[tokio::test]
async fn a_stake_that_came_back_is_staked_again() {
    let rollup = Rollup::new(parameters()).await;
    let at = rollup.made.contracts;
    let stake: U256 = rollup.call(at.dispute_game, &DisputeGame::leastStakeCall {}).await;
    let (proposer, half) = (rollup.proposer().address(), stake / U256::from(2_u64));
    rollup.anvil.ask("anvil_setBalance", &format!("[\"{proposer}\",\"{:#x}\"]", stake + half));
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    let tip = async || rollup.call(at.assertions, &Assertions::tipCall {}).await;
    until("the only stake is used", async || tip().await.cursor == 1).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (request, _) = server.chat(&api_key, "more").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(server.status(&request).await, "executed", "there is nothing left to stake");
    // The key may be in a batch of its own: then the stake goes round once more.
    until("it is posted", async || {
        rollup.pass(601);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        server.status(&request).await != "executed"
    })
    .await;
    rollup.pass(601);
    server.wait_for(&request, "final").await;
    server.stop().await;
}
