//! What is right stands, whoever asks; what is wrong is not defended.

use crate::proposer::{Lie, Proposer};
use crate::rival::{Rival, subject};
use crate::world::{CHALLENGER, DEFENDER, PENDING, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_game_against_a_right_output_is_won_by_its_defender() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let right = proposer.post(Lie::None).await;
    let _defender = world.defender(None).await;
    let challenger = world.challenger().await;
    let rival = Rival::new(&world);
    let game = rival.open(right, &subject(&world, 0), 0).await;
    world
        .play_until("the rival has lost", async || rival.play(right, game, || subject(&world, 0)).await)
        .await;
    assert_eq!(world.status(right).await, PENDING);
    assert!(world.transactions(DEFENDER) > 1, "the root, and more");
    assert_eq!(challenger.metrics.moves("challenge"), 0);
    world.confirm(right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_right_steps_are_answered_by_the_defender_and_by_others_when_it_is_away() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let right = proposer.post(Lie::None).await;
    let rival = Rival::new(&world);
    let defender = world.defender(None).await;
    let mut keys = Vec::new();
    for (kind, step, index) in [(1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 3), (2, 1, 1000)] {
        keys.push(rival.ask(right, kind, step, index).await);
    }
    for key in keys {
        world.wait("the defender answers", async || rival.is_answered(key).await).await;
    }
    assert_eq!(world.transactions(DEFENDER), 5);
    drop(defender);
    let key = rival.ask(right, 2, 1, 0).await;
    let challenger = world.challenger().await;
    world.wait("it is found right", async || challenger.metrics.verdicts("right") == 1).await;
    assert_eq!(challenger.metrics.moves("prove"), 0, "the defender is given time");
    world.jump(1000);
    world.play_until("the challenger answers", async || rival.is_answered(key).await).await;
    assert_eq!(world.transactions(CHALLENGER), 1);
    assert_eq!(world.status(right).await, PENDING);
    world.confirm(right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_defender_does_not_defend_what_it_finds_wrong() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    let defender = world.defender(None).await;
    let challenger = world.challenger().await;
    world.settles(wrong, crate::world::REJECTED).await;
    assert_eq!(world.transactions(DEFENDER), 0);
    assert_eq!(defender.metrics.verdicts("wrong"), 1);
    assert_eq!(challenger.metrics.moves("timeout"), 1);
}
