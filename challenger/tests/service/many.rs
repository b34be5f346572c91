//! Many at once: honest services beside each other, planted games, and wrong challenges. Blocks come as they do on a chain,
//! so that transactions meet in one.

use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{B256, U256};
use challenger::service::{Cheat, Mode};

use crate::proposer::{Lie, Proposer};
use crate::proxy::{Lie as Fault, Proxy};
use crate::rival::{Rival, subject};
use crate::world::{DEFENDER, PENDING, REJECTED, Service, World};

/// The first of the accounts that are made for these tests.
const FIRST: usize = 100;

/// What gas may take of an account in all of a test.
fn gas() -> U256 {
    U256::from(10).pow(U256::from(17))
}

/// Accounts with ether.
fn funded(world: &World, count: usize) -> Vec<usize> {
    let accounts: Vec<usize> = (FIRST..FIRST + count).collect();
    accounts.iter().for_each(|account| world.anvil.fund(world.address(*account), 1000));
    accounts
}

async fn honest(world: &World, accounts: &[usize]) -> Vec<Service> {
    let mut services = Vec::new();
    for account in accounts {
        services.push(world.start(*account, world.config(Mode::Challenge)).await);
    }
    services
}

fn reverted(services: &[Service]) -> u64 {
    services.iter().map(|service| service.metrics.reverted()).sum()
}

fn made(services: &[Service], name: &str) -> u64 {
    services.iter().map(|service| service.metrics.moves(name)).sum()
}

/// Six honest services and four others: two games that are left lying, and two against what is right, one of which is played
/// by a wrong trace. Neither the outcome nor the delay is another than with one.
#[tokio::test(flavor = "multi_thread")]
async fn ten_challengers_of_which_four_are_planted_reject_what_is_wrong_and_nothing_else() {
    let world = World::new().await;
    let accounts = funded(&world, 10);
    let (good, bad) = accounts.split_at(6);
    let mut proposer = Proposer::new(&world);
    let right = proposer.post(Lie::None).await;
    let (batch, data) = proposer.make(Lie::Output).await;
    let wrong = proposer.send(data).await;
    let mut before = Vec::new();
    for account in &accounts {
        before.push(world.wealth(world.address(*account)).await);
    }
    let rivals: Vec<Rival<'_>> = bad.iter().map(|account| Rival::of(&world, *account)).collect();
    let posted = proposer.subject(&batch, 1);
    rivals[0].open(wrong, &posted, 0).await;
    rivals[1].open(wrong, &posted, 0).await;
    let first = world.now().await;
    let played = rivals[2].open(right, &subject(&world, 0), 0).await;
    rivals[3].open(right, &subject(&world, 0), 0).await;
    let _ticking = world.tick();
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    let services = honest(&world, good).await;
    let mut lost = false;
    world
        .play_until("what is wrong is rejected, and what is right stands", async || {
            lost = lost || rivals[2].play(right, played, || subject(&world, 0)).await;
            lost && world.status(wrong).await == REJECTED
        })
        .await;
    let games = &world.deployment.parameters.games;
    let took = world.now().await - first;
    // The least that docs/protocol.md allows a dispute in which moves are made.
    let least = games.window + games.proposer_budget + 2 * games.trace_minimum;
    assert!(took < u64::from(least), "{took} seconds");
    assert_eq!(world.status(right).await, PENDING);
    // The one that is left lying runs to the end of its clock, and its defender closes it.
    let vault = &world.deployment.contracts.dispute_game;
    let open = bindings::dispute_game::DisputeGame::openGamesCall { assertion: right };
    world
        .play_until("nothing about it is open", async || {
            let open = world.node.call(*vault, &open, BlockId::latest()).await.unwrap();
            open.is_zero()
        })
        .await;
    world
        .play_until("bonds are claimed", async || {
            made(&services, "claim") + 1 >= made(&services, "challenge")
        })
        .await;
    world.confirm(right).await;
    println!("{took} seconds, {} of {} reverted", reverted(&services), made(&services, "timeout"));
    assert!(reverted(&services) <= 3, "{} moves were for nothing", reverted(&services));
    let bounty = U256::from(games.bounty);
    let mut paid = 0;
    for (i, account) in accounts.iter().enumerate() {
        let after = world.wealth(world.address(*account)).await;
        if i < 6 {
            assert!(after + gas() > before[i], "honest {i}: {} then {after}", before[i]);
            paid += usize::from(after > before[i] + bounty / U256::from(2));
        } else if i >= 8 {
            let bond = U256::from(games.bond_base);
            assert!(after + bond <= before[i], "planted {i}: {} then {after}", before[i]);
        }
    }
    assert_eq!(paid, 1, "one of the honest has the bounty");
}

/// A defender alone against nine, of which four play.
#[tokio::test(flavor = "multi_thread")]
async fn nine_wrong_challengers_delay_nothing_and_lose_their_bonds() {
    let world = World::new().await;
    let accounts = funded(&world, 9);
    let mut proposer = Proposer::new(&world);
    let right = proposer.post(Lie::None).await;
    let (posted, games) = (world.now().await, world.deployment.parameters.games);
    let rivals: Vec<Rival<'_>> = accounts.iter().map(|account| Rival::of(&world, *account)).collect();
    let mut open = Vec::new();
    let mut before = Vec::new();
    for rival in &rivals {
        before.push(world.wealth(rival.account()).await);
        open.push(rival.open(right, &subject(&world, 0), 0).await);
    }
    let _defender = world.defender(None).await;
    let challenger = world.challenger().await;
    let at = world.deployment.contracts.dispute_game;
    let call = bindings::dispute_game::DisputeGame::openGamesCall { assertion: right };
    world
        .play_until("all have lost", async || {
            for (rival, game) in rivals.iter().zip(&open).take(4) {
                rival.play(right, *game, || subject(&world, 0)).await;
            }
            world.node.call(at, &call, BlockId::latest()).await.unwrap().is_zero()
        })
        .await;
    let took = world.now().await - posted;
    let most = games.window + games.proposer_budget + 2 * games.trace_minimum;
    assert!(took < u64::from(most), "{took} seconds");
    assert_eq!((challenger.metrics.moves("challenge"), challenger.metrics.reverted()), (0, 0));
    assert!(world.transactions(DEFENDER) > 1);
    world.confirm(right).await;
    for (rival, before) in rivals.iter().zip(before) {
        let after = world.wealth(rival.account()).await;
        assert!(after + U256::from(games.bond_base) <= before, "{before} then {after}");
    }
}

/// Three services find the same wrong step. One asks; it dies; one of the others closes.
#[tokio::test(flavor = "multi_thread")]
async fn of_three_services_one_asks_and_when_it_is_dead_another_closes() {
    let world = World::new().await;
    let accounts = funded(&world, 3);
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Root).await;
    let _ticking = world.tick();
    let mut services = honest(&world, &accounts).await;
    world.play_until("somebody asks", async || made(&services, "challenge") > 0).await;
    let asked = world.now().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let first = services.iter().position(|service| service.metrics.moves("challenge") > 0).unwrap();
    let useless = reverted(&services);
    drop(services.remove(first));
    assert_eq!(made(&services, "challenge"), 0, "the same is asked once");
    world.settles(wrong, REJECTED).await;
    let games = &world.deployment.parameters.games;
    let took = world.now().await - asked;
    let most = games.proposer_budget + games.move_minimum;
    assert!(took < u64::from(most), "{took} seconds");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(made(&services, "timeout"), 1);
    assert!(useless + reverted(&services) <= 1, "{} and {}", useless, reverted(&services));
}

/// Three services have a game each about the same output, and nobody defends it: all three can close at about the same time.
#[tokio::test(flavor = "multi_thread")]
async fn of_three_services_that_have_won_one_closes_and_when_it_is_dead_another() {
    let world = World::new().await;
    let accounts = funded(&world, 3);
    let mut proposer = Proposer::new(&world);
    let wrong = proposer.post(Lie::Output).await;
    let _ticking = world.tick();
    let mut services = honest(&world, &accounts[..1]).await;
    world.play_until("the first has its game", async || made(&services, "challenge") == 1).await;
    let asked = world.now().await;
    services.extend(honest(&world, &accounts[1..]).await);
    world.play_until("all have their games", async || made(&services, "challenge") == 3).await;
    drop(services.remove(0));
    world.settles(wrong, REJECTED).await;
    let games = &world.deployment.parameters.games;
    let took = world.now().await - asked;
    let most = games.proposer_budget.max(games.trace_minimum) + games.move_minimum;
    assert!(took < u64::from(most), "{took} seconds");
    world.play_until("the other claims", async || made(&services, "claim") == 1).await;
    assert_eq!(made(&services, "timeout"), 1);
    assert!(reverted(&services) <= 1, "{}", reverted(&services));
}

/// Opens games about the first item of an assertion, each by an account of its own that the node signs for.
async fn plant(world: &World, assertion: B256, subject: &executor::trace::Subject, count: usize) {
    use alloy::sol_types::SolCall;
    use bindings::dispute_game::DisputeGame::{bondOfCall, challengeCall};
    let at = world.deployment.contracts.dispute_game;
    let header = challenger::calls::item(subject.item());
    let bond = bondOfCall { item: header.clone() };
    let bond = world.node.call(at, &bond, BlockId::latest()).await.unwrap();
    let call = challengeCall { assertion, item: 0, counter: 0, header, path: Vec::new() }.abi_encode();
    let data = alloy::primitives::hex::encode_prefixed(call);
    world.anvil.ask("anvil_autoImpersonateAccount", "[true]");
    for account in 0..count {
        let from = world.address(10_000 + account);
        world.anvil.fund(from, 10);
        let tx = format!(
            r#"[{{"from":"{from}","to":"{at}","data":"{data}","value":"{bond:#x}","gas":"0x7a120"}}]"#
        );
        world.anvil.ask("eth_sendTransaction", &tx);
    }
    world.anvil.ask("anvil_autoImpersonateAccount", "[false]");
    let open = bindings::dispute_game::DisputeGame::openGamesCall { assertion };
    world
        .wait("all are there", async || {
            let open = world.node.call(at, &open, BlockId::latest()).await.unwrap();
            open == U256::from(count)
        })
        .await;
}

/// Blocks that come while many games lie there: requests and time for one, at a node that is 20 ms away.
async fn per_block(world: &World, proxy: &Proxy, service: &Service) -> (u64, Duration) {
    const BLOCKS: u64 = 10;
    let read = async || {
        let head = world.node.head().await.unwrap().number;
        world.wait("it is read", async || service.block() >= head).await;
        // What is planned from it, too.
        let quiet = async || {
            let asked = proxy.asked();
            tokio::time::sleep(Duration::from_millis(150)).await;
            proxy.asked() <= asked + 6
        };
        world.wait("it is done", quiet).await;
    };
    read().await;
    let (asked, began) = (proxy.asked(), Instant::now());
    for _ in 0..BLOCKS {
        world.anvil.ask("evm_mine", "[]");
        read().await;
    }
    (proxy.asked().saturating_sub(asked) / BLOCKS, began.elapsed() / BLOCKS as u32)
}

/// A proposer's puppets get their bonds back when it is rejected: their games must not cost who disputes its time.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_planted_games_do_not_make_a_challenger_slow() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let (batch, data) = proposer.make(Lie::Output).await;
    let wrong = proposer.send(data).await;
    plant(&world, wrong, &proposer.subject(&batch, 0), 300).await;
    let proxy = Proxy::start(world.anvil.port);
    proxy.lie(Fault::Slow(Duration::from_millis(20)));
    let config = challenger::service::Config { l1: proxy.url.clone(), ..world.config(Mode::Challenge) };
    let began = Instant::now();
    let challenger = world
        .start(FIRST, {
            world.anvil.fund(world.address(FIRST), 1000);
            config
        })
        .await;
    world.wait("its game is open", async || challenger.metrics.moves("challenge") == 1).await;
    let opened = began.elapsed();
    let (asked, time) = per_block(&world, &proxy, &challenger).await;
    println!("300 games: open after {opened:?}; {asked} requests and {time:?} a block");
    assert!(asked < 60, "{asked} requests a block");
    let _defender = world.defender(Some(Cheat::FalseElement)).await;
    world.settles(wrong, REJECTED).await;
}

/// The defender has to look at all of them, at every block.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_planted_games_do_not_make_a_defender_slow() {
    let world = World::new().await;
    let mut proposer = Proposer::new(&world);
    let right = proposer.post(Lie::None).await;
    plant(&world, right, &subject(&world, 0), 300).await;
    let proxy = Proxy::start(world.anvil.port);
    proxy.lie(Fault::Slow(Duration::from_millis(20)));
    let config = challenger::service::Config { l1: proxy.url.clone(), ..world.config(Mode::Defend) };
    let defender = world.start(DEFENDER, config).await;
    world.wait("the root is there", async || defender.metrics.moves("postRoot") == 1).await;
    let (asked, time) = per_block(&world, &proxy, &defender).await;
    println!("300 games: {asked} requests and {time:?} a block");
    // One after the other they would take six seconds.
    assert!(time < Duration::from_secs(3), "{time:?}");
    assert_eq!(world.transactions(DEFENDER), 1, "one root serves all of them");
}
