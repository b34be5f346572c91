//! One suite over both kinds of store.

mod postgres;

use sequencer::store::{
    BatchRow, BlockRow, Db, Delegated, Group, Inferred, Mark, Numbered, Received, Signed, SpanRow,
    StoreError, Withdrawn,
};

use postgres::Postgres;

fn received(n: u8) -> Received {
    Received {
        hash: [n; 32],
        account: u32::from(n),
        delegated: n % 2 == 1,
        body: vec![n; 156],
        prompt: vec![n; usize::from(n)],
        signature: [n; 64],
        created: 1000 + u64::from(n),
    }
}

fn numbered(number: u64, n: u8) -> Numbered {
    let (request, root, payee, signature) = ([n; 32], [n ^ 1; 32], [n; 20], [n ^ 2; 64]);
    Numbered { number, op: 3, request, root, deadline: 9, payee, signature }
}

fn inferred(number: u64, n: u8) -> Inferred {
    let fee = (1 << 100) + u128::from(n);
    Inferred { request: received(n), number, length: 4, output: vec![n; 8], fee, finish: 1 }
}

/// Numbers `first..first + count`, of requests with the same bytes.
fn group(first: u8, count: u8) -> Group {
    let numbers = || first..first + count;
    Group {
        epoch: 3,
        first: first.into(),
        receipts: numbers().map(|n| numbered(n.into(), n)).collect(),
        inferred: numbers().map(|n| inferred(n.into(), n)).collect(),
        accounts: vec![(u32::from(first), vec![first; 136])],
        ..Group::default()
    }
}

async fn begin(db: &Db) -> Result<u64, StoreError> {
    db.begin_epoch(3, &[1; 20], &[2; 32]).await
}

async fn what_is_committed_is_found(db: &Db) {
    assert_eq!(begin(db).await.unwrap(), 0);
    db.commit(&group(0, 100)).await.unwrap();
    assert_eq!((db.next_number(3).await.unwrap(), begin(db).await.unwrap()), (100, 100));
    let found = db.find(&[42; 32]).await.unwrap().unwrap();
    let request = found.request.unwrap();
    assert_eq!(
        (request.account, request.delegated, request.prompt.len(), request.created),
        (42, false, 42, 1042)
    );
    let (epoch, receipt) = found.receipt.unwrap();
    assert_eq!((epoch, receipt.number, receipt.signature, receipt.payee), (3, 42, [40; 64], [42; 20]));
    assert_eq!(found.result.unwrap(), (4, vec![42; 8], (1 << 100) + 42, 1));
    assert_eq!(found.status, 1);
    assert!(db.find(&[200; 32]).await.unwrap().is_none());
    let numbers: Vec<u64> = db.receipts_from(3, 90, 50).await.unwrap().iter().map(|r| r.number).collect();
    assert_eq!(numbers, (90..100).collect::<Vec<_>>());
}

async fn a_group_is_whole_or_nothing(db: &Db) {
    begin(db).await.unwrap();
    db.commit(&group(0, 3)).await.unwrap();
    // The last of them is there already.
    let mut bad = group(3, 2);
    bad.receipts.push(numbered(5, 1));
    let error = db.commit(&bad).await.unwrap_err();
    assert!(error.is_final() && !matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(db.next_number(3).await.unwrap(), 3);
    assert!(db.find(&[3; 32]).await.unwrap().is_none());
    assert_eq!(db.load().await.unwrap().accounts.len(), 1);
    db.commit(&group(3, 2)).await.unwrap();
}

async fn an_epoch_is_one_proposers_in_one_place(db: &Db) {
    begin(db).await.unwrap();
    for (proposer, domain) in [([9; 20], [2; 32]), ([1; 20], [9; 32])] {
        let error = db.begin_epoch(3, &proposer, &domain).await.unwrap_err();
        assert!(matches!(error, StoreError::Epoch(3)), "{error}");
    }
    assert_eq!(db.begin_epoch(4, &[9; 20], &[2; 32]).await.unwrap(), 0);
}

async fn two_writers_cannot_both_count(db: &Db) {
    begin(db).await.unwrap();
    db.commit(&group(0, 2)).await.unwrap();
    let late = Group { first: 1, receipts: vec![numbered(1, 50)], epoch: 3, ..Group::default() };
    // Its number is taken; with other numbers the count itself says so.
    assert!(db.commit(&late).await.is_err());
    let ahead = Group { first: 7, receipts: vec![numbered(7, 51)], epoch: 3, ..Group::default() };
    match db.commit(&ahead).await.unwrap_err() {
        StoreError::Fenced { expected, found, .. } => assert_eq!((expected, found), (7, 2)),
        other => panic!("{other}"),
    }
    assert!(db.find(&[51; 32]).await.unwrap().is_none());
}

async fn what_is_received_waits_until_it_is_executed_or_given_up(db: &Db) {
    begin(db).await.unwrap();
    let three = vec![received(1), received(2), received(3)];
    db.commit(&Group { received: three, ..Group::default() }).await.unwrap();
    let mut done = group(0, 0);
    (done.receipts, done.inferred) = (vec![numbered(0, 2)], vec![inferred(0, 2)]);
    done.given_up = vec![[3; 32]];
    db.commit(&done).await.unwrap();
    let left: Vec<[u8; 32]> = db.load().await.unwrap().received.iter().map(|r| r.hash).collect();
    assert_eq!(left, [[1; 32]]);
    let status = async |n: u8| db.find(&[n; 32]).await.unwrap().unwrap().status;
    assert_eq!([status(1).await, status(2).await, status(3).await], [0, 1, 2]);
    // What was given up may be asked again, what is executed not.
    db.commit(&Group { received: vec![received(2), received(3)], ..Group::default() }).await.unwrap();
    assert_eq!([status(2).await, status(3).await], [1, 0]);
}

async fn delegations_and_accounts_are_loaded(db: &Db) {
    begin(db).await.unwrap();
    let delegated =
        Delegated { hash: [7; 32], account: 5, delegate: [8; 20], body: vec![9; 104], signature: [1; 64] };
    let receipts = vec![Numbered { op: 5, ..numbered(0, 7) }];
    let accounts = vec![(5, vec![5; 136]), (4, vec![4; 136])];
    let group = Group { epoch: 3, receipts, delegated: vec![delegated], accounts, ..Group::default() };
    db.commit(&group).await.unwrap();
    let snapshot = db.load().await.unwrap();
    assert_eq!(snapshot.accounts, [(4, vec![4; 136]), (5, vec![5; 136])]);
    assert_eq!((snapshot.delegations[0].delegate, snapshot.delegations[0].account), ([8; 20], 5));
    let found = db.find(&[7; 32]).await.unwrap().unwrap();
    assert!(found.request.is_none() && found.result.is_none() && found.receipt.unwrap().1.op == 5);
}

async fn what_is_posted_is_kept(db: &Db) {
    begin(db).await.unwrap();
    let withdrawn = Withdrawn { hash: [9; 32], account: 1, body: vec![8; 56], signature: [7; 64] };
    let delegated =
        Delegated { hash: [8; 32], account: 5, delegate: [8; 20], body: vec![9; 104], signature: [1; 64] };
    let mark = |number, cursor| Mark { number, cursor, acc: [cursor as u8; 32] };
    let mut first = group(0, 1);
    first.receipts.push(Numbered { op: 4, ..numbered(1, 9) });
    first.receipts.push(Numbered { op: 5, ..numbered(2, 8) });
    (first.withdrawn, first.delegated, first.marks) = (vec![withdrawn], vec![delegated], vec![mark(0, 2)]);
    db.commit(&first).await.unwrap();
    // Where the inbox is read on is told by numbers: only their one writer says it.
    let late = Group { epoch: 3, first: 1, marks: vec![mark(1, 3)], ..Group::default() };
    assert!(matches!(db.commit(&late).await.unwrap_err(), StoreError::Fenced { found: 3, .. }));
    let next = Group { epoch: 3, first: 3, marks: vec![mark(3, 4)], ..Group::default() };
    db.commit(&next).await.unwrap();
    db.commit(&next).await.unwrap();
    assert_eq!(db.marks(3).await.unwrap(), [mark(0, 2), mark(3, 4)]);
    let moved = Mark { acc: [0; 32], ..mark(3, 4) };
    db.move_mark(3, &moved).await.unwrap();
    assert_eq!(db.marks(3).await.unwrap()[1], moved);
    let promised = db.promised(3, 0, 3).await.unwrap();
    assert_eq!(promised.iter().map(|p| p.number).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(matches!(&promised[0].what, Signed::Inference { length: 4, fee, .. } if *fee == 1 << 100));
    assert!(matches!(&promised[1].what, Signed::Withdrawal { body, .. } if body.len() == 56));
    assert!(matches!(&promised[2].what, Signed::Delegation { body, .. } if body.len() == 104));
    assert_eq!(db.promised(3, 1, 2).await.unwrap().len(), 1);
    let batch = BatchRow {
        hash: [1; 32],
        parent: [2; 32],
        from: 0,
        to: 3,
        left_out: vec![1, 1 << 40],
        time: 77,
        data: vec![5; 1000],
    };
    db.keep_batch(3, &batch).await.unwrap();
    db.keep_batch(3, &batch).await.unwrap();
    let later = BatchRow { hash: [4; 32], from: 3, to: 5, left_out: vec![], time: 78, ..batch.clone() };
    assert_eq!(db.last_batch(3).await.unwrap(), Some(batch.clone()));
    db.keep_batch(3, &later).await.unwrap();
    assert_eq!(db.last_batch(3).await.unwrap(), Some(later));
    let span = |hash, from, to, left_out| SpanRow { hash: [hash; 32], from, to, left_out };
    let mut spans = db.spans(3).await.unwrap();
    spans.sort_by_key(|span| span.from);
    assert_eq!(spans, [span(1, 0, 3, vec![1, 1 << 40]), span(4, 3, 5, vec![])]);
    assert_eq!(db.batch_data(&[1; 32]).await.unwrap(), Some(batch.data));
    assert_eq!((db.spans(4).await.unwrap(), db.last_batch(4).await.unwrap()), (vec![], None));
    assert_eq!(db.batch_data(&[3; 32]).await.unwrap(), None);
    let block = |number: u64, logs: usize| BlockRow {
        number,
        hash: [number as u8; 32],
        parent: [number as u8 - 1; 32],
        time: number * 12,
        logs: vec![1; logs],
    };
    for number in 60..=64 {
        db.keep_block(&block(number, usize::from(number == 61)), 63).await.unwrap();
    }
    assert_eq!(db.blocks(0, 9).await.unwrap(), [block(61, 1), block(63, 0), block(64, 0)]);
    assert_eq!(db.blocks(62, 1).await.unwrap(), [block(63, 0)]);
    assert_eq!(db.checkpoint().await.unwrap(), None);
    db.keep_checkpoint(60, &[1; 10]).await.unwrap();
    db.keep_checkpoint(61, &[2; 20]).await.unwrap();
    db.forget_blocks(63).await.unwrap();
    assert_eq!(db.blocks(0, 9).await.unwrap(), [block(61, 1)]);
    assert_eq!(db.checkpoint().await.unwrap(), Some((61, vec![2; 20])));
    // What sums up a block goes with it.
    db.forget_blocks(61).await.unwrap();
    assert_eq!((db.blocks(0, 9).await.unwrap(), db.checkpoint().await.unwrap()), (vec![], None));
    db.keep_l1_result(&[4; 32], 3, &[1, 2]).await.unwrap();
    db.keep_l1_result(&[4; 32], 9, &[9]).await.unwrap();
    assert_eq!(db.l1_results().await.unwrap(), [([4; 32], 3, vec![1, 2])]);
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let address = format!("sqlite:{}", folder.path().join("store.db").display());
                let db = super::Db::open(&address).await.unwrap();
                super::$name(&db).await;
                db.close().await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                let server = super::Postgres::start();
                let db = super::Db::open(&server.address).await.unwrap();
                super::$name(&db).await;
                db.close().await;
            })*
        }
    };
}

suite!(
    what_is_committed_is_found,
    a_group_is_whole_or_nothing,
    an_epoch_is_one_proposers_in_one_place,
    two_writers_cannot_both_count,
    what_is_received_waits_until_it_is_executed_or_given_up,
    delegations_and_accounts_are_loaded,
    what_is_posted_is_kept,
);

#[tokio::test]
async fn other_addresses_are_refused() {
    assert!(matches!(Db::open("mysql://x").await, Err(StoreError::Address(_))));
}
