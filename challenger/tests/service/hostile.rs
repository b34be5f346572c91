//! A node that fails or lies for some time, and fees that jump: nothing is done twice, and the dispute is won in time.

use std::time::Duration;

use challenger::service::{Cheat, Config, Mode};

use crate::proposer::{Lie, Proposer};
use crate::proxy::{Lie as Fault, Proxy};
use crate::rival::{Rival, subject};
use crate::world::{CHALLENGER, DEFENDER, REJECTED, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_won_through_a_node_that_fails_and_lies_for_some_time_in_every_way() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    proposer.post(Lie::None).await;
    let wrong = proposer.post(Lie::Output).await;
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    let proxy = Proxy::start(world.anvil.port);
    let config = Config { l1: proxy.url.clone(), ..world.config(Mode::Challenge) };
    let challenger = world.start(CHALLENGER, config).await;
    let stale = Fault::Stale(world.node.head().await.unwrap().number);
    let faults = [Fault::NoLogs, Fault::Hang, stale, Fault::Error, Fault::OtherChain, Fault::Garbage];
    let mut through = 0;
    for fault in faults {
        let made = world.transactions(CHALLENGER);
        world
            .play_until("the next move", async || {
                world.transactions(CHALLENGER) > made || world.status(wrong).await == REJECTED
            })
            .await;
        if world.status(wrong).await == REJECTED {
            break;
        }
        let asked = proxy.asked();
        proxy.lie(fault);
        // There is something that it is not told, or told wrongly.
        world.anvil.ask("anvil_mine", "[\"0x2\"]");
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.lie(Fault::None);
        assert!(proxy.asked() > asked, "it was asked meanwhile");
        through += 1;
    }
    world.settles(wrong, REJECTED).await;
    assert!(through >= 4, "only {through} faults were in its way");
    assert_eq!(challenger.metrics.moves("challenge"), 1, "one bond");
    assert_eq!(challenger.metrics.reverted(), 0);
    assert!(challenger.metrics.errors() > 0, "some rounds failed");
    assert_eq!(challenger.metrics.verdicts("wrong"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_a_node_withholds_is_missed_and_read_when_it_is_told() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let proxy = Proxy::start(world.anvil.port);
    let config = Config { l1: proxy.url.clone(), ..world.config(Mode::Challenge) };
    let challenger = world.start(CHALLENGER, config).await;
    proposer.post(Lie::None).await;
    world.wait("it is right", async || challenger.metrics.verdicts("right") == 1).await;
    proxy.lie(Fault::NoLogs);
    let wrong = proposer.post(Lie::Root).await;
    world.wait("it knows", async || challenger.metrics.unready().is_some_and(|x| x.contains("lacks"))).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 0);
    // Long after: everything lies deeper than what is read block by block.
    world.anvil.ask("anvil_mine", "[\"0x12c\"]");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.transactions(CHALLENGER), 0);
    proxy.lie(Fault::None);
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.moves("challenge"), 1);
}

/// A game that its defender is not told about would cost the stake.
#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_a_node_withholds_is_missed_by_its_defender() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let right = proposer.post(Lie::None).await;
    let proxy = Proxy::start(world.anvil.port);
    let config = Config { l1: proxy.url.clone(), ..world.config(Mode::Defend) };
    let defender = world.start(DEFENDER, config).await;
    world.wait("it is right", async || defender.metrics.verdicts("right") == 1).await;
    proxy.lie(Fault::NoLogs);
    let rival = Rival::new(&world);
    rival.open(right, &subject(&world, 0), 0).await;
    world.wait("it knows", async || defender.metrics.unready().is_some_and(|x| x.contains("lacks"))).await;
    proxy.lie(Fault::None);
    world.wait("it answers", async || defender.metrics.moves("postRoot") == 1).await;
}

/// Fifty times the base fee, while a move is on its way.
async fn fees_jump(max_fee_gwei: u32, meanwhile: bool) {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    let ticking = world.tick();
    ticking.base_fee(1);
    let fees = |config: Config| Config { max_fee_gwei, raise_after_ms: 500, ..config };
    let cheat = Some(Cheat::FalseElement);
    let _defender = world.start(DEFENDER, fees(Config { cheat, ..world.config(Mode::Defend) })).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    ticking.pause(true);
    let challenger = world.start(CHALLENGER, fees(world.config(Mode::Challenge))).await;
    world.wait("its bond is on its way", async || world.pending(CHALLENGER) == 1).await;
    ticking.base_fee(50);
    ticking.pause(false);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.transactions(CHALLENGER) > 0, meanwhile);
    ticking.base_fee(1);
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.moves("challenge"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_fees_jump_moves_are_replaced_and_made() {
    fees_jump(500, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_limit_of_fees_does_not_allow_is_made_when_they_are_down_again() {
    fees_jump(20, false).await;
}
