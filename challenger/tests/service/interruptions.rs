//! Whatever happens to a challenger, to the chain, or beside it: the outcome is the same.

use alloy::primitives::B256;
use challenger::service::{Cheat, Config, Mode};

use crate::proposer::{Lie, Proposer};
use crate::rival::Rival;
use crate::world::{CHALLENGER, REJECTED, Service, World};

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_every_move_it_goes_on_where_it_was() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    let (mut lives, mut made) = (0, world.transactions(CHALLENGER));
    while world.status(wrong).await != REJECTED {
        let challenger = world.challenger().await;
        world
            .play_until("the next move", async || {
                world.transactions(CHALLENGER) > made || world.status(wrong).await == REJECTED
            })
            .await;
        drop(challenger);
        (lives, made) = (lives + 1, world.transactions(CHALLENGER));
        assert!(lives < 40, "it does not end");
    }
    // Moves can be made two at a time before it is seen and killed.
    assert!(lives > 2, "{lives} lives");
}

/// `depth` blocks are gone, and what was in them, some moves into the game.
async fn reorganisation(depth: u64) {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    world.anvil.ask("anvil_mine", "[\"0x19\"]");
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    let challenger = world.challenger().await;
    world.play_until("some moves", async || world.transactions(CHALLENGER) >= 3).await;
    world.anvil.ask("anvil_reorg", &format!("[{depth},[]]"));
    world.settles(wrong, REJECTED).await;
    // One block may be gone before it was read.
    assert!(depth == 1 || challenger.metrics.blocks_gone() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_one_block_changes_nothing() {
    reorganisation(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_five_blocks_changes_nothing() {
    reorganisation(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_twenty_blocks_changes_nothing() {
    reorganisation(20).await;
}

/// A right assertion and `then` on it, which the challenger judges. Gives the batch and the id of the second, and a
/// number of blocks that takes it and leaves the first.
async fn two(
    world: &World,
    proposer: &mut Proposer<'_>,
    challenger: &Service,
    then: Lie,
) -> (Vec<u8>, B256, u64) {
    proposer.post(Lie::None).await;
    world.anvil.ask("anvil_mine", "[\"0xa\"]");
    let below = world.node.head().await.unwrap().number;
    let (_, data) = proposer.make(then).await;
    let second = proposer.send(data.clone()).await;
    let (right, wrong) = if then == Lie::None { (2, 0) } else { (1, 1) };
    world
        .wait("both are judged", async || {
            challenger.metrics.verdicts("right") == right && challenger.metrics.verdicts("wrong") == wrong
        })
        .await;
    // A move that is mined meanwhile changes nothing: there are empty blocks below.
    (data, second, world.node.head().await.unwrap().number - below + 3)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_a_reorganisation_took_is_judged_again_when_it_comes_back() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let challenger = world.challenger().await;
    let (data, before, depth) = two(&world, &mut proposer, &challenger, Lie::Output).await;
    world.anvil.ask("anvil_reorg", &format!("[{depth},[]]"));
    world.jump(30);
    let again = proposer.send(data).await;
    assert_ne!(before, again, "another time, another assertion");
    world.settles(again, REJECTED).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 2);
}

/// One proposer's view of a chain on which its first batch stays and its second never was.
#[tokio::test(flavor = "multi_thread")]
async fn another_assertion_in_the_place_of_one_that_a_reorganisation_took_is_judged_for_itself() {
    let world = World::new().await;
    let (mut proposer, mut other) = (Proposer::new(&world), Proposer::new(&world));
    let challenger = world.challenger().await;
    let (_, right, depth) = two(&world, &mut proposer, &challenger, Lie::None).await;
    world.anvil.ask("anvil_reorg", &format!("[{depth},[]]"));
    // Makes the first batch again, which is there, and then a second of its own.
    other.make(Lie::None).await;
    let wrong = other.post(Lie::Root).await;
    assert_ne!(right, wrong);
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.verdicts("wrong"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_deeper_than_what_is_kept_is_read_again_from_the_beginning() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    world.anvil.ask("anvil_mine", "[\"0x19\"]");
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    let config = Config { depth: 2, ..world.config(Mode::Challenge) };
    let challenger = world.start(CHALLENGER, config).await;
    world.play_until("some moves", async || world.transactions(CHALLENGER) >= 3).await;
    world.anvil.ask("anvil_reorg", "[20,[]]");
    world.settles(wrong, REJECTED).await;
    assert!(challenger.metrics.moves("challenge") >= 1);
}

/// Most of it is read by ranges of blocks; what may go away, block by block.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_read_and_then_followed_over_a_reorganisation() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let first = proposer.post(Lie::None).await;
    world.confirm(first).await;
    world.anvil.ask("anvil_mine", "[\"0x12c\"]");
    proposer.post(Lie::None).await;
    let wrong = proposer.post(Lie::Output).await;
    world.anvil.ask("anvil_mine", "[\"0x19\"]");
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    let config = Config { depth: 24, ..world.config(Mode::Challenge) };
    let challenger = world.start(CHALLENGER, config).await;
    world.play_until("some moves", async || world.transactions(CHALLENGER) >= 3).await;
    assert_eq!(challenger.metrics.verdicts("right"), 1, "the other is final");
    world.anvil.ask("anvil_reorg", "[20,[]]");
    world.settles(wrong, REJECTED).await;
    assert!(challenger.metrics.blocks_gone() > 0);
    assert_eq!(challenger.metrics.verdicts("wrong"), 1, "nothing was read again from the beginning");
}

/// Nine games that nobody goes on with are there first; the tenth decides, and no later than alone.
#[tokio::test(flavor = "multi_thread")]
async fn nine_planted_challengers_change_neither_outcome_nor_delay() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let (batch, data) = proposer.make(Lie::Output).await;
    let wrong = proposer.send(data).await;
    let posted = world.node.head().await.unwrap().time;
    let subject = proposer.subject(&batch, 0);
    let rival = Rival::new(&world);
    for counter in 0..9 {
        rival.open(wrong, &subject, counter).await;
    }
    let _defender = world.defender(Some(Cheat::GarbageTrace)).await;
    let challenger = world.challenger().await;
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.moves("challenge"), 1);
    let games = &world.deployment.parameters.games;
    let took = world.node.head().await.unwrap().time - posted;
    assert!(took < u64::from(games.window), "{took} seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_asked_is_not_asked_again() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    proposer.post(Lie::None).await;
    let wrong = proposer.post(Lie::Root).await;
    Rival::new(&world).ask(wrong, 1, 0, 0).await;
    let challenger = world.challenger().await;
    world.settles(wrong, REJECTED).await;
    assert_eq!(challenger.metrics.moves("challenge"), 0);
    assert_eq!(challenger.metrics.moves("timeout"), 1, "it closes what the other asked, for the fee");
}
