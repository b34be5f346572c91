//! Somebody else posts because the sequencer is late; it goes on from there.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use bindings::assertions::Assertions;
use bindings::batches::Batches;
use bindings::dispute_game::DisputeGame;
use bindings::inbox::Inbox;
use bindings::l1::Sender;
use bisection::ledger::inbox::Transfer;
use bisection::ledger::{Draft, Ledger, Opening, Parent, Registry, Rules, Step};
use sequencer::ledger::{Hash, curve};

use crate::support::{ETHER, Rollup, Server, key, parameters, policy, until};

#[tokio::test]
async fn what_somebody_else_posted_is_taken_over() {
    let rollup = Rollup::new(parameters()).await;
    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    let (at, p) = (rollup.made.contracts, rollup.made.parameters.rollup);
    let owner = rollup.sender.account();
    rollup.deposit(owner, ETHER).await;
    rollup.deposit(key(0).address(), ETHER).await;
    rollup.mine(2);
    let tip = async || rollup.call(at.assertions, &Assertions::tipCall {}).await;
    until("the deposits are posted", async || tip().await.cursor == 2).await;
    server.stop().await;
    let force = Inbox::forceWithdrawalCall { account: 0, amount: ETHER / 4 };
    rollup.send(at.inbox, &force, p.entry_fee).await;
    rollup.pass(p.force_delay + p.grace + 2);

    let rules = Rules {
        domain: rollup.domain(),
        entry_fee: p.entry_fee,
        expire: p.expire,
        slack: p.slack,
        force_delay: p.force_delay,
        forced_entries: p.forced_entries.into(),
    };
    let time = async |index| rollup.call(at.inbox, &Inbox::timeOfCall { index }).await;
    let transfer = async |index: u64, account, owner: alloy::primitives::Address, amount| Transfer {
        time: time(index).await,
        account,
        owner: owner.0.0,
        amount,
    };
    let registry = Registry::new();
    let ledger = Ledger::genesis(rules);
    let parent = Parent { root: ledger.root(), ..Parent::default() };
    let mut draft = Draft::new(&registry, parent, ledger, Opening::default()).unwrap();
    draft.push(Step::Deposit(transfer(0, 0, owner, ETHER).await), &curve).unwrap();
    draft.push(Step::Deposit(transfer(1, 1, key(0).address(), ETHER).await), &curve).unwrap();
    let inbox = Hash(rollup.call(at.inbox, &Inbox::accumulatorCall { index: 2 }).await.0);
    let ledger = draft.finish().unwrap().replay.into_ledger();
    assert_eq!(ledger.root().0, tip().await.stateRoot.0);
    let parent = Parent { root: ledger.root(), cursor: 2, inbox };
    let now = rollup.node.head().await.unwrap().time;
    let opening = Opening { time: now + 20, ..Opening::default() };
    let mut draft = Draft::new(&registry, parent, ledger, opening).unwrap();
    let step = draft.forced(transfer(2, 0, owner, ETHER / 4).await);
    draft.push(step, &curve).unwrap();
    let data = draft.finish().unwrap().bytes.into();

    let stranger = Sender::new(rollup.node.clone(), rollup.anvil.key(4), policy());
    let stake: U256 = rollup.call(at.dispute_game, &DisputeGame::leastStakeCall {}).await;
    let parent: B256 = tip().await.assertion;
    let post = Batches::postCall { parent, defender: stranger.account(), data };
    stranger.send(at.batches, post.abi_encode().into(), stake).await.unwrap();

    let server = Server::new(&rollup, rollup.config(&rollup.sqlite())).await;
    server.balance(0, ETHER - ETHER / 4).await;
    let api_key = server.make_key(&rollup, 1, 0, 1).await;
    let (request, number) = server.chat(&api_key, "still here").await;
    assert_eq!(number, 1);
    server.wait_for(&request, "posted").await;
    rollup.pass(601);
    server.wait_for(&request, "final").await;
    server.stop().await;
}
