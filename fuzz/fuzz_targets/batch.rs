//! A batch in calldata: the first byte is the parent's cursor. Whatever decodes is executed step by step, and every step that is
//! valid is proven by its witness.

#![no_main]

use bisection::Hash;
use bisection::ledger::request::Domain;
use bisection::ledger::{
    Body, Choice, Context, Draft, Ledger, Model, NotTaken, Opening, Parent, Price, Refused, Registry, Rules,
    Signature, shape, witness,
};
use libfuzzer_sys::fuzz_target;

/// Models by their index in the table, as in `bisection/vectors/ledger.json`.
const MODELS: [Model; 3] = [
    Model { vector: true, token_bits: 9, context: 512, vocabulary: 300 },
    Model { vector: false, token_bits: 17, context: 9_000, vocabulary: 1 << 17 },
    Model { vector: false, token_bits: 10, context: 64, vocabulary: 1_000 },
];

/// Anybody signs for anybody: the first bytes say who.
fn recover(_: Hash, signature: &Signature) -> Option<[u8; 20]> {
    signature.first_chunk().copied()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((cursor, rest)) = bytes.split_first() else { return };
    let _ = Body::decode(rest).map(|body| shape::check(&body, 0, rest));
    let rules = Rules {
        domain: Domain::new(1, [1; 20]),
        entry_fee: 5,
        expire: 1_000,
        slack: 10,
        force_delay: 100,
        forced_entries: 8,
    };
    let mut registry = Registry::new();
    for (line, model) in rest.get(64..).unwrap_or(&[]).chunks_exact(36).zip(MODELS.iter().cycle()) {
        let id = Hash(*line.first_chunk().unwrap());
        registry.announce(id, *model);
        registry.schedule(&id, Price { from: 0, price_in: 1, price_out: 2 });
    }
    let ledger = Ledger::genesis(rules);
    let parent = Parent { root: ledger.root(), cursor: u64::from(*cursor), inbox: Hash::default() };
    let context = Context { rules: &rules, registry: &registry, parent };
    let mut data = rest.to_vec();
    if let Err(Refused::Entries { due }) = context.decode(&data) {
        data[29..61].copy_from_slice(&due.0);
    }
    let Ok(batch) = context.decode(&data) else { return };
    assert_eq!(batch.encode(), data, "one batch has one encoding");
    let derived = context.derive(&batch).unwrap();
    let table: Vec<Choice> = batch.head.table.clone();
    let opening = Opening { time: batch.head.time, epoch: 0, first_number: 0, table };
    let mut draft = Draft::new(&registry, parent, ledger, opening).unwrap();
    for (posted, step) in batch.steps.iter().zip(&derived.steps) {
        let (pre, body, time) = (draft.ledger().root(), step.leaf.body, batch.head.time);
        let made = draft.ledger().witness(&body);
        let proven = made.map(|made| witness::execute(&rules, pre, &body, time, &made, &recover));
        match draft.push(posted.step.clone(), &recover) {
            Ok(root) => assert_eq!(proven, Some(Ok(root))),
            Err(NotTaken::Invalid(_)) => assert!(proven.is_none_or(|proven| proven.is_err())),
            Err(other) => panic!("{other}"),
        }
    }
});
