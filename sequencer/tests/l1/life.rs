//! From a deposit to what is final.

use alloy::primitives::{Address, B256};
use bindings::bond_vault::BondVault;
use bindings::exits::Exits;
use bindings::results::Results;
use sequencer::ledger::Withdrawal;

use crate::support::{ETHER, PRICE, Rollup, Server, key, parameters, until};

#[tokio::test]
async fn a_deposit_is_spent_and_what_is_left_of_it_comes_back() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    rollup.deposit(key(0).address(), ETHER).await;
    // Its block is not deep enough yet.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(server.service.book.account(0), None);
    rollup.mine(1);
    server.balance(0, ETHER).await;
    let api_key = server.make_key(&rollup, 0, 0, 1).await;
    let (request, number) = server.chat(&api_key, "Why?").await;
    assert_eq!(number, 1);
    let to = Address::repeat_byte(0x42);
    let amount = ETHER / 2;
    let order = Withdrawal { account: 0, nonce: 9, amount, to: to.0.0, valid_until: 1 << 40 };
    let withdrawal = server.withdraw(&rollup, 0, order).await;
    server.balance(0, ETHER - amount - u128::from(PRICE) * (4 + 2 * 5)).await;
    server.wait_for(&request, "posted").await;
    server.wait_for(&withdrawal, "posted").await;
    let at = rollup.made.contracts;
    let proof = server.proof(&request).await;
    let verify = Results::verifyInferenceCall { proof: proof.clone() };
    let early = rollup.node.call(at.results, &verify, alloy::eips::BlockId::latest()).await;
    assert!(early.is_err(), "it is not final");
    rollup.pass(601);
    server.wait_for(&request, "final").await;
    server.wait_for(&withdrawal, "final").await;
    let verified = rollup.call(at.results, &verify).await;
    assert_eq!(verified.request, request.parse::<B256>().unwrap());
    assert_eq!(verified.item.outputLength, 5);
    let proof = server.proof(&withdrawal).await;
    let parts =
        Exits::StepParts { pre: proof.parts.pre, post: proof.parts.post, data: proof.parts.data.clone() };
    let (assertion, step, path) = (proof.assertion, proof.step, proof.path);
    rollup.send(at.exits, &Exits::withdrawalCall { assertion, step, parts, path }, 0).await;
    let vault = async |account| rollup.call(at.vault, &BondVault::balanceOfCall { account }).await;
    assert_eq!(vault(to).await, alloy::primitives::U256::from(amount));
    // The sequencer does that by itself.
    until("the fees are claimed", async || {
        let paid = Exits::feesClaimedCall { assertion: verify.proof.assertion };
        rollup.call(at.exits, &paid).await
    })
    .await;
    server.stop().await;
}
