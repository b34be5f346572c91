//! What is right is left alone; what is wrong is rejected, however it is answered.

use challenger::service::Cheat;
use executor::import::source::Architecture;

use crate::proposer::{Lie, Proposer};
use crate::world::{CHALLENGER, REJECTED, World};

#[tokio::test(flavor = "multi_thread")]
async fn honest_batches_are_confirmed_without_a_transaction_of_the_challenger() {
    let world = World::new().await;
    let challenger = world.challenger().await;
    let mut proposer = Proposer::new(&world);
    let (first, second) = (proposer.post(Lie::None).await, proposer.post(Lie::None).await);
    world.wait("both are found right", async || challenger.metrics.verdicts("right") == 2).await;
    world.confirm(first).await;
    world.confirm(second).await;
    assert_eq!(world.transactions(CHALLENGER), 0);
    assert_eq!(challenger.metrics.verdicts("wrong"), 0);
}

/// A wrong output, and a defender that answers so.
async fn wrong_output(architecture: Architecture, cheat: Cheat) {
    let world = World::with(architecture).await;
    let mut proposer = Proposer::new(&world);
    proposer.post(Lie::None).await;
    let wrong = proposer.post(Lie::Output).await;
    let _defender = world.defender(Some(cheat)).await;
    let challenger = world.challenger().await;
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 1);
    assert_eq!(challenger.metrics.moves("challenge"), 1);
    if cheat != Cheat::Silence {
        assert!(challenger.metrics.moves("pick") + challenger.metrics.moves("pickNode") > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refuted_against_garbage() {
    wrong_output(Architecture::Llama, Cheat::GarbageTrace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refuted_against_silence() {
    wrong_output(Architecture::Llama, Cheat::Silence).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refuted_against_a_trace_made_to_fit() {
    wrong_output(Architecture::Llama, Cheat::FalseElement).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_vector_is_refuted() {
    wrong_output(Architecture::Bert, Cheat::FalseElement).await;
}

/// A question of StepGame is enough.
async fn wrong_step(lie: Lie) {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    proposer.post(Lie::None).await;
    let wrong = proposer.post(lie).await;
    let _defender = world.defender(None).await;
    let challenger = world.challenger().await;
    world.settles(wrong, REJECTED).await;
    let made = ["challenge", "timeout"].map(|name| challenger.metrics.moves(name));
    assert_eq!(made, [1, 1]);
    assert_eq!(world.transactions(CHALLENGER), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_root_is_refuted_by_a_question_about_its_step() {
    wrong_step(Lie::Root).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_cut_short_is_refuted_by_a_question_about_its_end() {
    wrong_step(Lie::Early).await;
}
