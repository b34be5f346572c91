//! Where what is checked comes from: requests made on L1, and batches that a contract posted.

use alloy::primitives::Address;
use challenger::service::Cheat;

use crate::proposer::{Lie, Proposer};
use crate::world::{PROPOSER, REJECTED, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_request_made_on_l1_is_checked() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let challenger = world.challenger().await;
    proposer.post(Lie::None).await;
    proposer.ask().await;
    proposer.post(Lie::None).await;
    world.wait("both are right", async || challenger.metrics.verdicts("right") == 2).await;
    proposer.ask().await;
    let wrong = proposer.post(Lie::Answer).await;
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 1);
    assert_eq!(challenger.metrics.verdicts("right"), 2);
    assert!(challenger.metrics.moves("pick") + challenger.metrics.moves("pickNode") > 0);
}

/// Code that forwards all of its calldata but the first byte to a contract, with the money.
fn forwarder(to: Address) -> Vec<u8> {
    // n := calldatasize - 1; calldatacopy(0, 1, n); call(gas, to, callvalue, 0, n, 0, 0) or revert.
    let mut code = vec![0x60, 1, 0x36, 0x03, 0x80, 0x60, 1, 0x60, 0, 0x37];
    code.extend([0x60, 0, 0x60, 0, 0x82, 0x60, 0, 0x34, 0x73]);
    code.extend(to);
    code.extend([0x5a, 0xf1, 0x60, 49, 0x57, 0x60, 0, 0x60, 0, 0xfd, 0x5b, 0x00]);
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_a_contract_posted_is_read_from_the_log() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let code = alloy::primitives::hex::encode(forwarder(world.deployment.contracts.batches));
    let contract = world.address(PROPOSER);
    world.anvil.ask("anvil_setCode", &format!("[\"{contract}\",\"0x{code}\"]"));
    let challenger = world.challenger().await;
    let (_, data) = proposer.make(Lie::None).await;
    proposer.send_through(contract, data).await;
    world.wait("it is right", async || challenger.metrics.verdicts("right") == 1).await;
    let (_, data) = proposer.make(Lie::Output).await;
    let wrong = proposer.send_through(contract, data).await;
    let _defender = world.defender(Some(Cheat::Silence)).await;
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 1);
}
