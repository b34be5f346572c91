//! Against a real node: fees that rise, a pool with something of an earlier life, reorganisations, a node that hangs,
//! forgets and fails.

mod support;

use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use bindings::l1::{Fees, Follower, L1, L1Error, Patience, Policy, SendError, Sender, Step};
use support::anvil::Anvil;
use support::proxy::{Fault, Proxy};

const QUICK: Patience =
    Patience { timeout: Duration::from_millis(400), retries: 5, pause: Duration::from_millis(20) };
const POLICY: Policy = Policy {
    limit: Fees { max: 400_000_000_000, tip: 10_000_000_000 },
    raise_after: Duration::from_millis(600),
    confirmations: 1,
    poll: Duration::from_millis(40),
};
const NOBODY: Address = Address::repeat_byte(0x77);
const OTHER: Address = Address::repeat_byte(0x66);

fn ether(x: u64) -> U256 {
    U256::from(x) * U256::from(10).pow(U256::from(18))
}

async fn node(url: &str) -> L1 {
    L1::connect(url, Some(31_337), QUICK).await.unwrap()
}

#[tokio::test]
async fn a_call_is_mined_and_what_would_revert_is_not_sent() {
    let anvil = Anvil::start(&[]);
    let node = node(&anvil.url).await;
    let sender = Sender::new(node.clone(), anvil.key(0), POLICY);
    let included = sender.send(NOBODY, Bytes::new(), ether(1)).await.unwrap();
    assert_eq!((included.signed, node.balance(NOBODY).await.unwrap()), (1, ether(1)));
    // Code that reverts with one word of reason.
    anvil.ask("anvil_setCode", &format!(r#"["{NOBODY}","0x602a60005260206000fd"]"#));
    let before = node.balance(sender.account()).await.unwrap();
    match sender.send(NOBODY, Bytes::new(), U256::ZERO).await.unwrap_err() {
        SendError::WouldRevert { data: Some(data), .. } => assert_eq!(data.last(), Some(&0x2a)),
        e => panic!("{e}"),
    }
    assert_eq!(node.balance(sender.account()).await.unwrap(), before, "nothing was paid");
    match sender.send(Address::ZERO, Bytes::new(), ether(1_000_000)).await.unwrap_err() {
        SendError::Funds { account, .. } => assert_eq!(account, sender.account()),
        e => panic!("{e}"),
    }
}

#[tokio::test]
async fn fees_rise_until_it_is_mined_and_never_above_the_limit() {
    let anvil = Anvil::start(&["--no-mining"]);
    let node = node(&anvil.url).await;
    let sender = Sender::new(node.clone(), anvil.key(0), POLICY);
    let sending = tokio::spawn(async move { sender.send(NOBODY, Bytes::new(), ether(1)).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    // Two or three raises later somebody mines.
    anvil.ask("anvil_mine", "[]");
    let included = sending.await.unwrap().unwrap();
    assert!((2..=6).contains(&included.signed), "signed {} times", included.signed);
    assert_eq!(node.balance(NOBODY).await.unwrap(), ether(1), "once");
}

#[tokio::test]
async fn the_limit_holds() {
    let anvil = Anvil::start(&["--no-mining"]);
    let node = node(&anvil.url).await;
    let limit = Fees { max: 3_000_000_000, tip: 1 };
    let sender = Sender::new(node.clone(), anvil.key(0), Policy { limit, ..POLICY });
    let sending = tokio::spawn(async move { sender.send(NOBODY, Bytes::new(), ether(1)).await });
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    anvil.ask("anvil_mine", "[]");
    let included = sending.await.unwrap().unwrap();
    assert!(included.receipt.effective_gas_price <= limit.max);
}

#[tokio::test]
async fn what_an_earlier_life_left_in_the_pool_is_replaced() {
    let anvil = Anvil::start(&["--no-mining"]);
    let node = node(&anvil.url).await;
    let first = Sender::new(node.clone(), anvil.key(0), POLICY);
    let killed = tokio::spawn(async move { first.send(OTHER, Bytes::new(), ether(5)).await });
    tokio::time::sleep(Duration::from_millis(400)).await;
    killed.abort();
    let second = Sender::new(node.clone(), anvil.key(0), POLICY);
    let sending = tokio::spawn(async move { second.send(NOBODY, Bytes::new(), ether(1)).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    anvil.ask("anvil_mine", "[]");
    sending.await.unwrap().unwrap();
    assert_eq!(node.balance(NOBODY).await.unwrap(), ether(1));
    assert_eq!(node.balance(OTHER).await.unwrap(), U256::ZERO, "the first was replaced");
}

#[tokio::test]
async fn a_reorganisation_takes_it_and_it_comes_again() {
    let anvil = Anvil::start(&[]);
    let node = node(&anvil.url).await;
    anvil.ask("anvil_mine", r#"["0x5"]"#);
    let sender = Sender::new(node.clone(), anvil.key(0), Policy { confirmations: 3, ..POLICY });
    let sending = tokio::spawn(async move { sender.send(NOBODY, Bytes::new(), ether(1)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(node.balance(NOBODY).await.unwrap(), ether(1), "mined at once");
    anvil.ask("anvil_rollback", "[2]");
    assert_eq!(node.balance(NOBODY).await.unwrap(), U256::ZERO, "and taken");
    tokio::time::sleep(Duration::from_millis(300)).await;
    anvil.ask("anvil_mine", r#"["0x3"]"#);
    sending.await.unwrap().unwrap();
    assert_eq!(node.balance(NOBODY).await.unwrap(), ether(1), "once");
}

#[tokio::test]
async fn what_waits_for_transactions_that_a_reorganisation_took_is_given_up_at_once() {
    let anvil = Anvil::start(&["--no-mining"]);
    let node = node(&anvil.url).await;
    anvil.ask("anvil_mine", r#"["0x5"]"#);
    let policy = Policy { raise_after: Duration::from_secs(600), ..POLICY };
    let sender = Sender::new(node.clone(), anvil.key(0), policy);
    let (first, _) = tokio::join!(sender.send(NOBODY, Bytes::new(), ether(1)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        anvil.ask("anvil_mine", "[]");
    });
    first.unwrap();
    let (second, _) = tokio::join!(sender.send(NOBODY, Bytes::new(), ether(2)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        anvil.ask("anvil_reorg", "[2,[]]");
    });
    match second.unwrap_err() {
        SendError::NonceAhead { account, nonce } => assert_eq!((account, nonce), (sender.account(), 1)),
        e => panic!("{e}"),
    }
    assert_eq!(node.balance(NOBODY).await.unwrap(), U256::ZERO, "both are gone");
    let (again, _) = tokio::join!(sender.send(OTHER, Bytes::new(), ether(1)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        anvil.ask("anvil_mine", "[]");
    });
    again.unwrap();
    assert_eq!(node.balance(OTHER).await.unwrap(), ether(1));
}

#[tokio::test]
async fn a_node_that_hangs_and_fails_is_asked_again() {
    let anvil = Anvil::start(&[]);
    for seed in 0..6 {
        let proxy = Proxy::start(anvil.port, seed);
        let patience = Patience { retries: 12, ..QUICK };
        let node = L1::connect(&proxy.url, Some(31_337), patience).await.unwrap();
        let sender = Sender::new(node.clone(), anvil.key(seed as usize), POLICY);
        let to = Address::repeat_byte(0x80 + seed as u8);
        // An answer that is lost after the node has acted is the worst of them: it must not be paid twice.
        proxy.faults(&[Fault::Hang, Fault::Error, Fault::LoseAnswer, Fault::Garbage]);
        for _ in 0..3 {
            sender.send(to, Bytes::new(), ether(1)).await.unwrap();
        }
        proxy.faults(&[]);
        assert_eq!(node.balance(to).await.unwrap(), ether(3), "seed {seed}");
    }
}

#[tokio::test]
async fn a_node_that_is_gone_or_another_is_named() {
    let gone = L1::connect("http://127.0.0.1:9/?key=secret", None, Patience { retries: 1, ..QUICK }).await;
    let said = gone.unwrap_err().to_string();
    assert!(said.contains("127.0.0.1:9") && !said.contains("secret"), "{said}");
    let anvil = Anvil::start(&[]);
    let wrong = L1::connect(&anvil.url, Some(1), QUICK).await.unwrap_err();
    assert!(matches!(wrong, L1Error::WrongChain { found: 31_337, expected: 1, .. }), "{wrong}");
    assert!(L1::connect("not a url", None, QUICK).await.is_err());
}

/// Applies steps to a list; it must be the node's chain whenever there is nothing to do.
#[tokio::test]
async fn a_follower_walks_over_reorganisations() {
    let anvil = Anvil::start(&[]);
    let node = node(&anvil.url).await;
    anvil.ask("anvil_mine", r#"["0x4"]"#);
    let start = node.block(0.into()).await.unwrap().unwrap();
    let mut follower = Follower::new(node.clone(), [start], 20).unwrap();
    let mut chain = vec![start];
    for round in 0..8_u64 {
        let mut back = 0;
        while let Some(step) = follower.next().await.unwrap() {
            match step {
                Step::Forward(block) => {
                    assert_eq!(block.parent, chain.last().unwrap().hash);
                    chain.push(block);
                }
                Step::Back(block) => {
                    assert_eq!(chain.pop(), Some(block));
                    back += 1;
                }
            }
        }
        assert_eq!(*chain.last().unwrap(), node.head().await.unwrap());
        assert_eq!(back > 0, round > 0, "round {round}");
        // A restart goes on from what was kept.
        follower = Follower::new(node.clone(), follower.known().collect::<Vec<_>>(), 20).unwrap();
        let depth = 1 + round % 3;
        anvil.ask("anvil_reorg", &format!("[{depth}, []]"));
        anvil.ask("anvil_mine", &format!(r#"["{:#x}"]"#, 1 + round % 2));
    }
    // Deeper than what is kept: said, not guessed.
    let head = node.head().await.unwrap();
    let mut short = Follower::new(node.clone(), [head], 20).unwrap();
    anvil.ask("anvil_reorg", "[3, []]");
    anvil.ask("anvil_mine", r#"["0x1"]"#);
    let error = short.next().await.unwrap_err().to_string();
    assert!(error.contains("reorganisation deeper"), "{error}");
}
