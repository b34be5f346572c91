//! Whatever happens to a challenger, to the chain, or beside it: the outcome is the same.

use challenger::service::Cheat;

use crate::proposer::{Lie, Proposer};
use crate::rival::Rival;
use crate::world::{CHALLENGER, REJECTED, World};

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
    assert!(lives > 3, "{lives} lives");
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
