//! What its operator decides and sees: models, confirmations, and money.

use alloy::eips::BlockId;
use alloy::primitives::U256;
use bindings::bond_vault::BondVault;
use challenger::service::{Cheat, Config, Mode};

use crate::proposer::{Lie, Proposer};
use crate::world::{CHALLENGER, REJECTED, RIVAL, World};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_it_is_not_ready_and_disputes_what_it_can_check() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let config = Config { models: Vec::new(), ..world.config(Mode::Challenge) };
    let challenger = world.start(CHALLENGER, config).await;
    world.wait("it is ready", async || challenger.get("/readyz").starts_with("HTTP/1.1 200")).await;
    let unchecked = proposer.post(Lie::None).await;
    world.wait("it looks", async || challenger.metrics.verdicts("unchecked") == 1).await;
    world.wait("it says so", async || challenger.get("/readyz").starts_with("HTTP/1.1 503")).await;
    assert!(challenger.get("/readyz").contains("models are missing"));
    assert!(challenger.get("/metrics").contains("\nrefute_challenger_models_missing 1\n"));
    assert!(challenger.get("/healthz").starts_with("HTTP/1.1 200"), "it is alive");
    let wrong = proposer.post(Lie::Root).await;
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 1);
    world.confirm(unchecked).await;
    world
        .wait("nothing needs it any more", async || challenger.get("/readyz").starts_with("HTTP/1.1 200"))
        .await;
    assert!(challenger.get("/metrics").contains("\nrefute_challenger_models_missing 0\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bond_is_put_down_when_the_assertion_lies_deep_enough() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let config = Config { confirmations: 5, ..world.config(Mode::Challenge) };
    let challenger = world.start(CHALLENGER, config).await;
    let wrong = proposer.post(Lie::Root).await;
    world.wait("it is judged", async || challenger.metrics.verdicts("wrong") == 1).await;
    // The fourth block, the assertion's own counted.
    world.anvil.ask("anvil_mine", "[\"0x3\"]");
    let read = format!("\nrefute_challenger_block {}\n", world.node.head().await.unwrap().number);
    world.wait("it is read", async || challenger.get("/metrics").contains(&read)).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(world.transactions(CHALLENGER), 0, "not yet");
    world.anvil.ask("anvil_mine", "[]");
    world.play_until("it asks", async || world.transactions(CHALLENGER) == 1).await;
    world.settles(wrong, REJECTED).await;
}

/// Two dispute the same; one of them gets it rejected, and the other's bond is not forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn the_bond_of_a_game_that_was_cut_short_is_claimed_and_what_is_owed_is_withdrawn() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    let _defender = world.defender(Some(Cheat::Silence)).await;
    let accounts = [CHALLENGER, RIVAL];
    let mut before = Vec::new();
    let mut services = Vec::new();
    for account in accounts {
        before.push(world.node.balance(world.address(account)).await.unwrap());
        let config = Config { sweep: true, ..world.config(Mode::Challenge) };
        services.push(world.start(account, config).await);
    }
    world.settles(wrong, REJECTED).await;
    let made = |name: &str| services.iter().map(|service| service.metrics.moves(name)).sum::<u64>();
    world.wait("both have withdrawn", async || made("withdraw") >= 2).await;
    assert_eq!((made("challenge"), made("claim")), (2, 1));
    let (vault, gas) = (world.deployment.contracts.vault, U256::from(10).pow(U256::from(16)));
    let mut won = 0;
    for (account, before) in accounts.into_iter().zip(before) {
        let account = world.address(account);
        let call = BondVault::balanceOfCall { account };
        assert!(world.node.call(vault, &call, BlockId::latest()).await.unwrap().is_zero(), "nothing is left");
        let after = world.node.balance(account).await.unwrap();
        assert!(after + gas > before, "{account} had {before}, has {after}");
        won += usize::from(after > before);
    }
    // The other has its share of the stake, as far as that exceeds its gas.
    assert!(won >= 1, "one of them has the winner's part of the stake");
}
