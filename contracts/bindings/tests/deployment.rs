//! A rollup is deployed on a real node, and its file says what is there.

#[path = "support/anvil.rs"]
mod anvil;

use std::time::Duration;

use alloy::eips::BlockId;
use alloy::primitives::{B256, U256};
use anvil::Anvil;
use bindings::assertions::Assertions;
use bindings::deployment::{Deployment, DeploymentError, Parameters, deploy};
use bindings::inbox::Inbox;
use bindings::l1::{L1, Patience, Policy, Sender};

async fn rollup(anvil: &Anvil) -> (L1, Sender, Deployment) {
    let node = L1::connect(&anvil.url, None, Patience::default()).await.unwrap();
    let policy = Policy { poll: Duration::from_millis(20), ..Policy::default() };
    let sender = Sender::new(node.clone(), anvil.key(0), policy);
    let (owner, sequencer) = (anvil.key(0).address(), anvil.key(1).address());
    let made = deploy(&node, &sender, &Parameters::devnet(), owner, sequencer).await.unwrap();
    (node, sender, made)
}

#[tokio::test]
async fn a_rollup_is_deployed_and_takes_a_deposit() {
    let anvil = Anvil::start(&[]);
    let (node, sender, made) = rollup(&anvil).await;
    made.check(&node).await.unwrap();
    let latest = BlockId::latest();
    let at = made.contracts;
    let sequencer = node.call(at.assertions, &Assertions::sequencerCall {}, latest).await.unwrap();
    assert_eq!(sequencer, anvil.key(1).address());
    let genesis =
        node.call(at.assertions, &Assertions::chainCall { height: U256::ZERO }, latest).await.unwrap();
    assert_ne!(genesis, B256::ZERO);
    let deposit = Inbox::depositCall { owner: sender.account() };
    let data = alloy::sol_types::SolCall::abi_encode(&deposit);
    sender.send(at.inbox, data.into(), U256::from(10).pow(U256::from(18))).await.unwrap();
    assert_eq!(node.call(at.inbox, &Inbox::accountsCall {}, latest).await.unwrap(), 1);
}

#[tokio::test]
async fn the_file_is_read_back_and_what_is_wrong_with_it_is_said() {
    let anvil = Anvil::start(&[]);
    let (node, _, made) = rollup(&anvil).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deployment.json");
    made.save(&path).unwrap();
    assert_eq!(Deployment::load(&path).unwrap(), made);

    let mut other = made.clone();
    other.parameters.games.window += 1;
    match other.check(&node).await.unwrap_err() {
        DeploymentError::Differs { what: "the window", .. } => {}
        e => panic!("{e}"),
    }
    other = made;
    other.contracts.batches = anvil.key(5).address();
    assert!(matches!(other.check(&node).await.unwrap_err(), DeploymentError::Node(_)), "nobody is there");

    std::fs::write(&path, "{\"chain_id\": 1").unwrap();
    let said = Deployment::load(&path).unwrap_err().to_string();
    assert!(said.contains("deployment.json is no deployment"), "{said}");
    assert!(matches!(
        Deployment::load(&folder.path().join("none")).unwrap_err(),
        DeploymentError::File { .. }
    ));
    assert!(anvil.ask("eth_blockNumber", "[]").contains("0x"));
}
