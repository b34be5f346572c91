//! Random batches, right ones and broken ones: both derive the same, or both refuse.

use bisection::Hash;
use bisection::ledger::inbox::{Entry, Transfer, accumulate};
use bisection::ledger::request::Withdrawal;
use bisection::ledger::shape::{self, ModelProof};
use bisection::ledger::{
    Batch, Built, Context, Derived, Model, Parent, Posted, Posting, Price, Registry, Replay, Step,
};

use crate::dice::rounds;
use crate::keys::Keys;
use crate::stage::{Queue, Stage, same};
use crate::world::{Dice, Offered, TIME, World};

/// A world of the usual models, or of random ones, and the contracts of it.
pub(crate) fn world(seed: u64) -> (World, Stage) {
    let mut world = World::new(Keys::Real, seed);
    if world.dice.one_in(2) {
        world.models = (0..3).map(|i| offered(i, &mut world.dice)).collect();
        world.models.sort_by_key(|model| model.id);
        world.registry = Registry::new();
        for model in &world.models {
            world.registry.announce(model.id, model.model);
        }
        for model in &world.models {
            for from in [1_000, TIME + 10_000, TIME + 50_000] {
                let (price_in, price_out) = (world.dice.roll(1 << 34), world.dice.roll(1 << 34));
                world.registry.schedule(&model.id, Price { from, price_in, price_out }).unwrap();
            }
        }
    }
    let stage = Stage::new(world.rules, &with_prices(&world));
    (world, stage)
}

/// All that both registries hold.
fn with_prices(world: &World) -> Vec<(ModelProof, Vec<Price>)> {
    let times = [1_000, TIME + 10_000, TIME + 50_000];
    let prices = |id: &Hash| {
        let mut all: Vec<Price> = times.iter().map(|t| world.registry.price_at(id, *t).unwrap().1).collect();
        all.dedup_by_key(|price| price.from);
        all
    };
    world.models.iter().map(|m| (m.proof.clone(), prices(&m.id))).collect()
}

fn offered(nth: u32, dice: &mut Dice) -> Offered {
    let bits = 1 + dice.roll(32) as u32;
    let full = 1u64 << bits;
    let vocabulary = match dice.roll(3) {
        0 => full,
        1 => full - 1,
        _ => full / 2 + 1 + dice.roll((full / 2).max(1)),
    };
    let vocabulary = vocabulary.clamp(1, u32::MAX.into()) as u32;
    let (vector, context) = (dice.one_in(4), 100 + dice.roll(3_000) as u32);
    let stops: Vec<u32> = (0..dice.roll(5)).map(|_| dice.roll(vocabulary.into()) as u32).collect();
    let mut interface = vocabulary.to_be_bytes().to_vec();
    interface.extend(context.to_be_bytes());
    interface.push(u8::from(vector));
    interface.extend([7; 72]);
    interface.extend((stops.len() as u32).to_be_bytes());
    stops.iter().for_each(|stop| interface.extend(stop.to_be_bytes()));
    let (nodes_root, constants_root) = (Hash([nth as u8; 32]), Hash([9; 32]));
    let proof = ModelProof { nodes: 1 + nth, constants: 0, nodes_root, constants_root, interface };
    let token_bits = (32 - (vocabulary - 1).leading_zeros()).max(1) as u8;
    Offered { id: proof.id(), model: Model { vector, token_bits, context, vocabulary }, proof }
}

/// A batch, and L1 as it is when it is posted.
struct Scene {
    parent: Parent,
    built: Built,
    now: u64,
    queue: Queue,
}

impl Scene {
    fn new(world: &mut World, entries: u64, items: u64) -> Self {
        let parent = world.parent;
        let built = world.batch(entries, items);
        let dice = &mut world.dice;
        let mut acc = parent.inbox;
        let mut accumulators = Vec::new();
        let taken = built.batch.steps.iter().filter_map(|posted| posted.step.entry());
        for (index, entry) in (parent.cursor..).zip(taken) {
            acc = accumulate(acc, entry.hash(index));
            accumulators.push((index + 1, acc));
        }
        let cursor = parent.cursor + accumulators.len() as u64;
        let late = built.batch.head.time - world.rules.force_delay;
        let left = if dice.one_in(3) { late + dice.roll(3) - 1 } else { 0 };
        let queue = Queue { count: cursor + u64::from(left != 0), accumulators, left: (cursor, left) };
        Self { parent, now: built.batch.head.time - dice.roll(901), built, queue }
    }

    /// What the twin says of some bytes, with what L1 says of their head.
    fn twin(&self, world: &World, data: &[u8]) -> Result<Derived, String> {
        let context = Context { parent: self.parent, ..world.context() };
        let batch = context.decode(data).map_err(|e| format!("{e:?}"))?;
        let head = &batch.head;
        let all = [(self.parent.cursor, self.parent.inbox)];
        let acc = all.iter().chain(&self.queue.accumulators).find(|(i, _)| *i == head.cursor);
        let posting = Posting {
            now: self.now,
            next_number: head.first_number,
            count: self.queue.count,
            inbox_hash: acc.map_or(Hash::default(), |(_, acc)| *acc),
            left: Some(self.left(head.cursor)).filter(|time| *time != 0),
        };
        posting.check(&world.rules, &self.parent, &batch).map_err(|e| format!("{e:?}"))?;
        context.derive(&batch).map_err(|e| format!("{e:?}"))
    }

    /// Time of the entry at a cursor: that of those which the batch takes is not written, for they are not asked for unless
    /// another cursor is.
    fn left(&self, cursor: u64) -> u64 {
        if cursor == self.queue.left.0 { self.queue.left.1 } else { 0 }
    }

    /// Both say the same of some bytes; is it that they are right.
    fn compare(&self, world: &World, stage: &mut Stage, data: &[u8]) -> bool {
        let (ours, theirs) = (self.twin(world, data), stage.derive(self.now, data));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => assert!(same(ours, theirs), "{ours:?}\n{theirs:?}"),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => panic!("the contract refuses by {error}: 0x{}", hex(data)),
            (Err(error), Ok(_)) => panic!("the twin refuses by {error}: 0x{}", hex(data)),
        }
        ours.is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The batch with one value of its structure changed to another that the encoding has.
fn bent(dice: &mut Dice, built: &Built) -> Vec<u8> {
    let mut batch = built.batch.clone();
    let head = &mut batch.head;
    match dice.roll(14) {
        0 => head.time = head.time.wrapping_add(dice.roll(2_000)).wrapping_sub(1_000),
        1 => head.cursor = head.cursor.wrapping_add(dice.roll(3)).wrapping_sub(1),
        2 => head.cursor = *dice.pick(&[0, u64::MAX, head.cursor + 65_535, head.cursor + 65_536]),
        3 => head.table.reverse(),
        4 => {
            head.table.pop();
        }
        5 if !head.table.is_empty() => {
            let at = dice.roll(head.table.len() as u64) as usize;
            head.table[at].version = dice.roll(4) as u32;
        }
        6 if !head.table.is_empty() => head.table.push(head.table[0]),
        7 => batch.steps.reverse(),
        8 => {
            batch.steps.pop();
        }
        _ => {
            let at = dice.roll(batch.steps.len() as u64) as usize;
            bend(dice, &mut batch.steps[at].step);
        }
    }
    batch.encode()
}

fn bend(dice: &mut Dice, step: &mut Step) {
    let length = |dice: &mut Dice, x: &mut u32| {
        let most = u128::from(u32::MAX);
        *x = (dice.near((*x).into()) & most) as u32;
    };
    match step {
        Step::Request { model, output_length, output, .. } => match dice.roll(4) {
            0 => *model = dice.roll(5) as u8,
            1 => length(dice, output_length),
            2 => (*output_length, *output) = (0, Vec::new()),
            _ => *output = dice.broken(output),
        },
        Step::Inference { call, sampling, seed, prompt, output } => match dice.roll(12) {
            0 => call.flags = dice.roll(18) as u8,
            1 => call.model = dice.roll(5) as u8,
            2 => length(dice, &mut call.prompt_length),
            3 => length(dice, &mut call.output_length),
            4 => length(dice, &mut call.max_tokens),
            5 => sampling.temperature = *dice.pick(&[0, 655, 656, 6_553_600, 6_553_601, u32::MAX]),
            6 => sampling.top_p = *dice.pick(&[0, 1, 65_536, 65_537, u32::MAX]),
            7 => sampling.min_p = *dice.pick(&[0, 65_536, 65_537, u32::MAX]),
            8 => *seed = Hash(dice.bytes()),
            9 => *prompt = dice.broken(prompt),
            10 => *output = dice.broken(output),
            _ => {
                // The last token becomes as high as its bits allow.
                if let Some(last) = prompt.last_mut() {
                    *last |= *dice.pick(&[0x80, 0xc0, 0xf0, 0xff]);
                }
            }
        },
        Step::Forced { paid, .. } => *paid = dice.near(*paid),
        _ => {}
    }
}

#[test]
fn derived_is_the_same_or_refused_by_both() {
    let (mut right, mut wrong) = (0, 0);
    rounds(25, |seed| {
        let (mut world, mut stage) = world(seed);
        for (entries, items) in [(5, 3), (2, 8), (9, 0)] {
            let scene = Scene::new(&mut world, entries, items);
            stage.set(&scene.parent, &scene.queue);
            let data = scene.built.bytes.clone();
            scene.compare(&world, &mut stage, &data);
            for _ in 0..40 {
                let changed = if world.dice.one_in(2) {
                    bent(&mut world.dice, &scene.built)
                } else {
                    world.dice.broken(&data)
                };
                *if scene.compare(&world, &mut stage, &changed) { &mut right } else { &mut wrong } += 1;
            }
        }
    });
    eprintln!("changed and right still: {right}; refused: {wrong}");
    assert!(right > 0 && wrong > 0 || std::env::var_os("REFUTE_PARITY_SEED").is_some());
}

#[test]
fn a_batch_has_as_many_steps_as_an_index() {
    let (world, mut stage) = world(1);
    let entry = Transfer { time: 5, account: 0, owner: [1; 20], amount: 7 };
    let order = Withdrawal { account: 0, nonce: 0, amount: 0, to: [3; 20], valid_until: u64::MAX };
    for (entries, signed) in [(0, 65_535), (1, 65_534), (1, 65_535), (2, 65_534)] {
        let mut batch = Batch::default();
        batch.head.time = TIME;
        batch.head.cursor = entries;
        let mut queue = Queue { count: entries, accumulators: vec![], left: (entries, 0) };
        for index in 0..entries {
            batch.steps.push(Posted { root: Hash([1; 32]), step: Step::Deposit(entry) });
            batch.head.inbox_hash = accumulate(batch.head.inbox_hash, Entry::Deposit(entry).hash(index));
            queue.accumulators.push((index + 1, batch.head.inbox_hash));
        }
        let step = Step::Withdrawal { order, signature: [9; 64] };
        batch.steps.extend((0..signed).map(|_| Posted { root: Hash([2; 32]), step: step.clone() }));
        let parent = Parent::default();
        stage.set(&parent, &queue);
        let data = batch.encode();
        let context = Context { parent, ..world.context() };
        let ours = context.decode(&data).and_then(|batch| context.derive(&batch));
        let theirs = stage.derive(TIME, &data);
        assert_eq!(ours.is_ok(), entries + signed <= 65_535);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => assert!(same(&ours, &theirs)),
            (ours, theirs) => assert!(ours.is_err() && theirs.is_err(), "{entries} {signed}"),
        }
    }
}

#[test]
fn every_byte_of_a_batch_counts_on_both_sides() {
    rounds(1, |seed| {
        let (mut world, mut stage) = world(seed);
        world.batch(6, 4);
        let scene = Scene::new(&mut world, 3, 4);
        stage.set(&scene.parent, &scene.queue);
        for i in 0..scene.built.bytes.len().min(2_500) {
            let mut data = scene.built.bytes.clone();
            data[i] ^= 1 << world.dice.roll(8);
            scene.compare(&world, &mut stage, &data);
            if i % 7 == 0 {
                assert!(!scene.compare(&world, &mut stage, &scene.built.bytes[..i]));
            }
        }
    });
}

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Real.recover(digest, signature)
}

/// The steps of right batches are proven, by their witnesses and no others, as what follows and nothing else; so are their tokens.
#[test]
fn what_was_posted_right_is_proven() {
    rounds(6, |seed| {
        let (mut world, mut stage) = world(seed);
        for (entries, items) in [(6, 4), (2, 10)] {
            let ledger = world.ledger.clone();
            let scene = Scene::new(&mut world, entries, items);
            let derived = scene.built.replay.derived().clone();
            let mut replay = Replay::new(ledger, derived.clone()).unwrap();
            for (i, step) in (0u32..).zip(&derived.steps) {
                let witness = replay.witness(i, &recover).unwrap();
                assert_eq!(stage.prove(&step.leaf, derived.time, &witness), Ok(()));
                let mut leaf = step.leaf;
                leaf.post.0[world.dice.roll(32) as usize] ^= 1 << world.dice.roll(8);
                assert!(stage.prove(&leaf, derived.time, &witness).is_err());
                for _ in 0..8 {
                    let broken = world.dice.broken(&witness);
                    if broken != witness {
                        assert!(stage.prove(&step.leaf, derived.time, &broken).is_err());
                    }
                }
                tokens(&mut world, &mut stage, &scene.built.batch.steps[i as usize].step, step);
            }
        }
    });
}

fn tokens(world: &mut World, stage: &mut Stage, posted: &Step, step: &bisection::ledger::DerivedStep) {
    let length = step.header.map_or(1, |header| header.output_length);
    let model = step.header.map_or(0, |h| world.models.iter().position(|m| m.id == h.model).unwrap());
    let body = step.leaf.body.encode();
    for index in [0, length - 1, world.dice.roll(length.into()) as u32, length, u32::MAX] {
        let witness = shape::make(step, posted, &world.models[model].proof, index).unwrap();
        let ours = shape::check(&step.leaf.body, index, &witness);
        let theirs = stage.shape(&body, index, &witness);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?}");
        for _ in 0..4 {
            let broken = world.dice.broken(&witness);
            let other = if world.dice.one_in(4) { index ^ 1 } else { index };
            let ours = shape::check(&step.leaf.body, other, &broken);
            let theirs = stage.shape(&body, other, &broken);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?}");
            assert!(ours.is_err() || broken == witness || other != index);
        }
    }
}
