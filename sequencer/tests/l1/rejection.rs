//! What was posted wrong is refuted, and posted again right.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use bindings::assertions::Assertions;
use bindings::deployment::Deployment;
use bindings::step_game::StepGame;
use sequencer::config::Config;
use sequencer::l1::Cheat;

use crate::support::{ETHER, Rollup, Server, key, parameters, until};

/// Refutes an assertion: a question that nobody answers.
pub(crate) async fn refute(rollup: &Rollup, assertion: B256) {
    let at = rollup.made.contracts;
    let bond = rollup.call(at.step_game, &StepGame::bondCall {}).await;
    let (kind, step, index) = (1, 0, 0);
    let ask = StepGame::challengeCall { assertion, kind, step, index };
    rollup.sender.send(at.step_game, ask.abi_encode().into(), bond).await.unwrap();
    let game = rollup.call(at.step_game, &StepGame::keyOfCall { assertion, kind, step, index }).await;
    rollup.pass(301);
    let timeout = StepGame::timeoutCall { key: game };
    rollup.sender.send(at.step_game, timeout.abi_encode().into(), U256::ZERO).await.unwrap();
}

async fn a_lie_is_told_once(cheat: Cheat) {
    let rollup = Rollup::new(parameters()).await;
    let config = Config { cheat: Some(cheat), ..rollup.config(&rollup.sqlite()) };
    let server = Server::new(&rollup, config).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (request, _) = server.chat(&api_key, "a").await;
    server.wait_for(&request, "posted").await;
    let status = server.get(&format!("/v1/refute/requests/{request}")).await;
    let lie: B256 = status["assertion"].as_str().unwrap().parse().unwrap();
    // Whether another is promised depends on whether the ledger can be gone on from.
    let ledger = cheat == Cheat::Ledger;
    assert_eq!(server.service.posting.deadline(server.service.posting.now()).is_err(), ledger);
    let more = if ledger { None } else { Some(server.chat(&api_key, "bcd").await.0) };
    if let Some(more) = &more {
        server.wait_for(more, "posted").await;
    }
    refute(&rollup, lie).await;
    let at = rollup.made.contracts;
    until("it is posted again", async || {
        let status = server.get(&format!("/v1/refute/requests/{request}")).await;
        status["status"] == "posted" && status["assertion"].as_str() != Some(&lie.to_string())
    })
    .await;
    // What is promised now has its own number again, behind what was posted under others.
    let (last, _) = server.chat(&api_key, "efg").await;
    server.wait_for(&last, "posted").await;
    rollup.pass(601);
    for request in [Some(&request), more.as_ref(), Some(&last)].into_iter().flatten() {
        server.wait_for(request, "final").await;
        let proof = server.proof(request).await;
        let verify = bindings::results::Results::verifyInferenceCall { proof };
        let verified = rollup.call(at.results, &verify).await;
        assert_eq!(verified.request, request.parse::<B256>().unwrap());
    }
    let status = server.get(&format!("/v1/refute/requests/{request}")).await;
    assert_eq!(status["text"], "a");
    let head = rollup.call(at.assertions, &Assertions::headCall {}).await;
    assert_eq!(head, rollup.call(at.assertions, &Assertions::confirmedCall {}).await);
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_token_is_posted_again_right() {
    a_lie_is_told_once(Cheat::Token).await;
}

#[tokio::test]
async fn a_wrong_root_is_posted_again_right() {
    a_lie_is_told_once(Cheat::Ledger).await;
}

#[tokio::test]
async fn an_output_cut_short_is_posted_again_whole() {
    a_lie_is_told_once(Cheat::EarlyStop).await;
}

#[tokio::test]
async fn a_cheat_and_accounts_without_deposits_are_refused_where_they_do_not_belong() {
    let rollup = Rollup::new(parameters()).await;
    let good = || rollup.config(&rollup.sqlite());
    let account = sequencer::config::AccountConfig { owner: key(0).address(), balance: "1".into() };
    let elsewhere = rollup.folder.path().join("elsewhere.json");
    Deployment { chain_id: 1, ..rollup.made.clone() }.save(&elsewhere).unwrap();
    for (config, word) in [
        (Config { cheat: Some(Cheat::Token), listen: "0.0.0.0:0".parse().unwrap(), ..good() }, "--cheat"),
        (Config { accounts: vec![account], ..good() }, "deposits"),
        (Config { deployment: None, ..good() }, "--deployment"),
        (Config { l1: None, ..good() }, "--l1"),
        (Config { batch_seconds: 3600, ..good() }, "promise"),
        (Config { deployment: Some(elsewhere), ..good() }, "at most 20: prices change"),
        (Config { epoch: 1 << 31, ..good() }, "epochs"),
        (Config { l1: Some("http://127.0.0.1:1".into()), ..good() }, "--l1"),
    ] {
        let error = sequencer::start(config, rollup.proposer()).await.err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}
