//! What users do on L1: withdrawals without the sequencer's consent, and requests.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolEvent;
use bindings::bond_vault::BondVault;
use bindings::exits::Exits;
use bindings::inbox::Inbox;
use bindings::l1::Sender;
use bindings::results::Results;
use bisection::ledger::inbox::{Entry, L1Request};
use executor::trace::pack_tokens;
use sequencer::engine::{Model, root};
use sequencer::ledger::{Hash, Sampling};

use crate::support::{ETHER, PRICE, Rollup, Server, parameters, policy, until};

#[tokio::test]
async fn an_owner_takes_money_out_without_asking() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    let owner = rollup.sender.account();
    rollup.deposit(owner, ETHER).await;
    let at = rollup.made.contracts;
    let fee = rollup.made.parameters.rollup.entry_fee;
    let force = Inbox::forceWithdrawalCall { account: 0, amount: 3 * ETHER };
    rollup.send(at.inbox, &force, fee).await;
    rollup.mine(2);
    server.balance(0, 0).await;
    let posted = async || rollup.call(at.assertions, &bindings::assertions::Assertions::headCall {}).await;
    until("both are posted", async || {
        let tip = rollup.call(at.assertions, &bindings::assertions::Assertions::tipCall {}).await;
        tip.cursor == 2
    })
    .await;
    let head = u64::try_from(posted().await).unwrap();
    rollup.pass(601);
    until("it is confirmed", async || {
        let confirmed = rollup.call(at.assertions, &bindings::assertions::Assertions::confirmedCall {}).await;
        u64::try_from(confirmed).unwrap() == head
    })
    .await;
    let paid = rollup.call(at.vault, &BondVault::balanceOfCall { account: owner }).await;
    assert_eq!(paid, U256::ZERO, "not before somebody claims it");
    server.stop().await;
}

#[tokio::test]
async fn a_request_on_l1_is_executed_and_final() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    let at = rollup.made.contracts;
    let asker = Sender::new(rollup.node.clone(), rollup.anvil.key(3), policy());
    let model = Model::echo_announcement(false).0.id();
    let tokens: Vec<u32> = "on chain".bytes().map(u32::from).collect();
    let prompt = pack_tokens(&tokens, 9);
    let sampling = Inbox::Sampling { temperature: 0, topK: 0, topP: 65_536, minP: 0, seed: B256::ZERO };
    let call = Inbox::requestCall {
        model: B256::from(model.0),
        prompt: prompt.clone().into(),
        promptLength: 8,
        maxTokens: 20,
        sampling,
        callbackGas: 0,
    };
    let due = rollup.made.parameters.rollup.entry_fee + u128::from(PRICE) * (8 + 2 * 20);
    let data = alloy::sol_types::SolCall::abi_encode(&call);
    let included = asker.send(at.inbox, data.into(), U256::from(due)).await.unwrap();
    let entered = included.receipt.logs().iter().find_map(|l| Inbox::Entered::decode_log(&l.inner).ok());
    let time = u64::from_be_bytes(entered.unwrap().entry[1..9].try_into().unwrap());
    let entry = Entry::Request(L1Request {
        time,
        sender: asker.account().0.0,
        model,
        prompt: root(&prompt),
        prompt_length: 8,
        max_tokens: 20,
        sampling: Sampling::GREEDY,
        seed: Hash::default(),
        price_in: PRICE,
        price_out: 2 * PRICE,
        callback_gas: 0,
    });
    let hash = rollup.domain().l1_request(entry.hash(0)).to_string();
    rollup.mine(2);
    server.wait_for(&hash, "posted").await;
    let status = server.get(&format!("/v1/refute/requests/{hash}")).await;
    assert_eq!(status["text"], "on chain");
    rollup.pass(601);
    server.wait_for(&hash, "final").await;
    let proof = server.proof(&hash).await;
    let verified = rollup.call(at.results, &Results::verifyInferenceCall { proof: proof.clone() }).await;
    assert_eq!((verified.request, verified.item.outputLength), (hash.parse::<B256>().unwrap(), 9));
    // What the output did not use comes back.
    let parts = Exits::StepParts { pre: proof.parts.pre, post: proof.parts.post, data: proof.parts.data };
    let refund = Exits::refundCall { assertion: proof.assertion, step: proof.step, parts, path: proof.path };
    rollup.send(at.exits, &refund, 0).await;
    let account: Address = asker.account();
    let back = rollup.call(at.vault, &BondVault::balanceOfCall { account }).await;
    assert_eq!(back, U256::from(2 * PRICE * 11));
    server.stop().await;
}
