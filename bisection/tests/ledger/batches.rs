//! Random batches: encoding, derivation, execution, money.

use bisection::ledger::{Context, Replay, Why, WrongStep};
use bisection::{Hash, proof};
use proptest::prelude::*;

use crate::keys::Keys;
use crate::world::World;

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Fake.recover(digest, signature)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_batch_decodes_to_itself_and_replays(seed: u64) {
        let mut world = World::new(Keys::Fake, seed);
        for (entries, items) in [(6, 4), (0, 30), (9, 0), (3, 12)] {
            let (ledger, parent) = (world.ledger.clone(), world.parent);
            let built = world.batch(entries, items);
            let context = Context { parent, ..world.context() };
            let batch = context.decode(&built.bytes).unwrap();
            prop_assert_eq!(&batch, &built.batch);
            prop_assert_eq!(batch.encode(), &built.bytes[..]);
            let derived = context.derive(&batch).unwrap();
            prop_assert_eq!(&derived, built.replay.derived());
            prop_assert_eq!(world.inbox(), batch.head.inbox_hash);
            let mut replay = Replay::new(ledger.clone(), derived.clone()).unwrap();
            prop_assert_eq!(replay.run(&recover), Ok(()));
            prop_assert_eq!(replay.ledger(), &world.ledger);
            prop_assert_eq!(replay.rewound(), ledger);
            for (i, step) in (0u32..).zip(&derived.steps) {
                let path = derived.path(i).unwrap();
                let root = proof::path_root(derived.steps.len() as u64, i.into(), step.leaf.hash(i), &mut path.into_iter());
                prop_assert_eq!(root, Ok(derived.steps_root));
            }
            for i in 0..derived.items {
                let (_, header) = derived.item(i).unwrap();
                let path = derived.item_path(i).unwrap();
                let root = proof::path_root(derived.items.into(), i.into(), header.hash(), &mut path.into_iter());
                prop_assert_eq!(root, Ok(derived.items_root));
            }
        }
    }

    #[test]
    fn no_wei_is_made_or_lost(seed: u64) {
        let mut world = World::new(Keys::Fake, seed);
        for _ in 0..4 {
            world.batch(8, 12);
            let balances: u128 = world.ledger.accounts().iter().map(|account| account.balance).sum();
            prop_assert_eq!(balances + world.ledger.state().fees + world.tally.paid_out, world.tally.paid_in);
        }
    }

    #[test]
    fn the_first_wrong_root_is_found(seed: u64, at: prop::sample::Index, others: bool, as_before: bool) {
        let mut world = World::new(Keys::Fake, seed);
        world.batch(6, 6);
        let (ledger, parent) = (world.ledger.clone(), world.parent);
        let mut built = world.batch(4, 8);
        let k = at.index(built.batch.steps.len());
        let due = built.batch.steps[k].root;
        let before = if k == 0 { parent.root } else { built.batch.steps[k - 1].root };
        prop_assume!(!as_before || before != due);
        built.batch.steps[k].root = if as_before { before } else { Hash([7; 32]) };
        if others {
            built.batch.steps.iter_mut().skip(k + 1).for_each(|posted| posted.root.0[5] ^= 1);
        }
        let context = Context { parent, ..world.context() };
        let derived = context.derive(&context.decode(&built.batch.encode()).unwrap()).unwrap();
        let mut replay = Replay::new(ledger, derived).unwrap();
        let wrong = WrongStep { step: k as u32, why: Why::Root { due } };
        prop_assert_eq!(replay.run(&recover), Err(wrong));
        prop_assert_eq!(replay.at(), k as u32);
        prop_assert_eq!(replay.ledger().root(), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_changed_byte_is_refused_or_another_batch(seed: u64, by in 1u8..) {
        let mut world = World::new(Keys::Fake, seed);
        world.batch(6, 6);
        let parent = world.parent;
        let built = world.batch(3, 5);
        let context = Context { parent, ..world.context() };
        let hash = built.replay.derived().batch_hash;
        for i in 0..built.bytes.len() {
            let mut bytes = built.bytes.clone();
            bytes[i] ^= by;
            if let Ok(batch) = context.decode(&bytes) {
                prop_assert_eq!(batch.encode(), bytes, "one batch has one encoding");
                prop_assert_ne!(context.derive(&batch).unwrap().batch_hash, hash);
            }
            prop_assert!(context.decode(&built.bytes[..i]).is_err(), "cut at {}", i);
        }
        let longer = [&built.bytes[..], &[0]].concat();
        prop_assert!(context.decode(&longer).is_err());
    }
}
