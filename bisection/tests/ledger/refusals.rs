//! Every check of posting, by one field that is broken.

use bisection::ledger::inbox::{L1Request, Transfer, accumulate};
use bisection::ledger::request::{Request, Sampling};
use bisection::ledger::{
    Batch, Choice, Context, Draft, Fault, NotOpened, NotTaken, Opening, Parent, Posted, Posting, Price,
    Refused, Step,
};
use bisection::tree::tensor_root;
use bisection::{Hash, tagged};

use crate::keys::Keys;
use crate::world::{TIME, World, pack};

/// A world, indices of its models by bits of a token, and a batch of an L1 request, a deposit and inferences of two models.
struct Desk {
    world: World,
    letters: u8,
    vector: u8,
    batch: Batch,
}

fn desk() -> Desk {
    let world = World::new(Keys::Fake, 1);
    let index = |bits: u8| world.models.iter().position(|m| m.model.token_bits == bits).unwrap() as u8;
    let (letters, vector) = (index(10), index(9));
    let mut batch = Batch::default();
    batch.head.time = TIME;
    batch.head.table = world.table(TIME);
    let deposit = Transfer { time: TIME, account: 0, owner: [1; 20], amount: 1 << 60 };
    let entry = L1Request {
        time: TIME,
        sender: [9; 20],
        model: world.models[usize::from(letters)].id,
        prompt: tensor_root(&pack(&[1, 2, 3], 10)),
        prompt_length: 3,
        max_tokens: 4,
        sampling: Sampling::GREEDY,
        seed: Hash::default(),
        price_in: 1,
        price_out: 1,
        callback_gas: 0,
    };
    let l1 = Step::Request { entry, model: letters, output_length: 3, output: pack(&[7, 8, 9], 10) };
    let request = |model: u8, prompt: &[u8], max_tokens: u32, sampling: Sampling| Request {
        account: 0,
        nonce: 0,
        model: world.models[usize::from(model)].id,
        prompt: tensor_root(prompt),
        prompt_length: 3,
        max_tokens,
        sampling,
        seed: Hash::default(),
        max_fee: 1_000,
        valid_until: TIME,
    };
    let prompt = pack(&[1, 2, 999], 10);
    let sampled = Sampling { temperature: 65_536, top_k: 3, ..Sampling::GREEDY };
    let tokens = Step::inference(
        &Request { seed: Hash([5; 32]), ..request(letters, &prompt, 4, sampled) },
        letters,
        false,
        [1; 64],
        prompt,
        2,
        pack(&[1_023, 0], 10),
    );
    let prompt = pack(&[1, 2, 299], 9);
    let vector_step = Step::inference(
        &request(vector, &prompt, 0, Sampling::GREEDY),
        vector,
        false,
        [1; 64],
        prompt,
        2,
        vec![1; 8],
    );
    let steps = [Step::Deposit(deposit), l1, tokens, vector_step];
    batch.steps = steps.map(|step| Posted { root: Hash([3; 32]), step }).to_vec();
    batch.head.cursor = 2;
    Desk { world, letters, vector, batch }
}

impl Desk {
    fn context(&self) -> Context<'_> {
        Context { parent: Parent::default(), ..self.world.context() }
    }

    /// The batch's bytes with the inbox hash that the entries up to its cursor have.
    fn bytes(&self) -> Vec<u8> {
        let mut batch = self.batch.clone();
        let entries = batch.steps.iter().filter_map(|posted| posted.step.entry());
        let entries = entries.take(usize::try_from(batch.head.cursor).unwrap_or(usize::MAX));
        let acc = (0u64..).zip(entries).fold(Hash::default(), |acc, (i, e)| accumulate(acc, e.hash(i)));
        batch.head.inbox_hash = acc;
        batch.encode()
    }

    fn refused(&self) -> Refused {
        self.context().decode(&self.bytes()).expect_err("it must be refused")
    }

    /// The fault of a step after one change to it.
    #[track_caller]
    fn fault(step: u32, fault: Fault, change: impl FnOnce(&mut Desk)) {
        let mut desk = desk();
        change(&mut desk);
        assert_eq!(desk.refused(), Refused::Step { step, fault });
    }
}

fn call(desk: &mut Desk, step: usize, change: impl FnOnce(&mut bisection::ledger::Inference)) {
    match &mut desk.batch.steps[step].step {
        Step::Inference { call, .. } => change(call),
        _ => panic!("step {step} is no inference"),
    }
}

fn entry(desk: &mut Desk, change: impl FnOnce(&mut L1Request)) {
    match &mut desk.batch.steps[1].step {
        Step::Request { entry, .. } => change(entry),
        _ => panic!("step 1 is no request"),
    }
}

#[test]
fn the_unbroken_batch_is_one() {
    let desk = desk();
    let batch = desk.context().decode(&desk.bytes()).unwrap();
    assert_eq!(batch.steps, desk.batch.steps);
}

#[test]
fn heads() {
    let good = desk().bytes();
    let decode = |bytes: &[u8]| desk().context().decode(bytes).expect_err("it must be refused");
    assert_eq!(decode(&[]), Refused::ShortHead);
    assert_eq!(decode(&good[..80]), Refused::ShortHead);
    let mut other = good.clone();
    other[0] = 2;
    assert_eq!(decode(&other), Refused::Version(2));
    let mut hash = good.clone();
    hash[29] ^= 1;
    assert_eq!(decode(&hash), Refused::Entries { due: Hash(good[29..61].try_into().unwrap()) });
    assert_eq!(decode(&[&good[..], &[0, 0]].concat()), Refused::Leftover(2));
    let with = |change: fn(&mut Desk)| {
        let mut desk = desk();
        change(&mut desk);
        desk.refused()
    };
    assert_eq!(with(|d| d.batch.head.table.swap(0, 1)), Refused::Table { index: 1 });
    assert_eq!(with(|d| d.batch.head.table[1] = d.batch.head.table[0]), Refused::Table { index: 1 });
    let unknown = |d: &mut Desk| d.batch.head.table.push(Choice { model: Hash([0xff; 32]), version: 0 });
    assert_eq!(with(unknown), Refused::Model { index: 3 });
    assert_eq!(with(|d| d.batch.head.table[2].version = 1), Refused::Price { index: 2 });
    assert_eq!(with(|d| d.batch.head.time = TIME + 50_000), Refused::Price { index: 0 });
    assert_eq!(with(|d| d.batch.head.time = 999), Refused::Price { index: 0 });
    assert_eq!(with(|d| d.batch.head.cursor = 3), Refused::Step { step: 2, fault: Fault::Op(3) });
    assert_eq!(with(|d| d.batch.head.cursor = 1), Refused::Step { step: 1, fault: Fault::Op(2) });
    assert_eq!(with(|d| (d.batch.steps, d.batch.head.cursor) = (vec![], 0)), Refused::StepCount(0));
    assert_eq!(with(|d| d.batch.head.cursor = 65_534), Refused::StepCount(65_536));
    assert_eq!(with(|d| d.batch.head.cursor = u64::MAX), Refused::StepCount(u64::MAX));
    let parent = Parent { cursor: 3, ..Parent::default() };
    let later = desk();
    let refused = Context { parent, ..later.context() }.decode(&later.bytes()).unwrap_err();
    assert!(matches!(refused, Refused::Cursor { from: 3, .. }));
}

#[test]
fn steps_of_either_part() {
    Desk::fault(0, Fault::Op(3), |d| d.batch.steps.rotate_right(1));
    Desk::fault(2, Fault::Op(0), |d| d.batch.steps[2].step = d.batch.steps[0].step.clone());
    Desk::fault(3, Fault::Short, |d| match &mut d.batch.steps[3].step {
        Step::Inference { output, .. } => output.truncate(7),
        _ => panic!(),
    });
}

#[test]
fn models_and_lengths() {
    let vector = desk().vector;
    Desk::fault(1, Fault::Model, |d| entry(d, |e| e.model.0[0] ^= 1));
    Desk::fault(1, Fault::Model, |d| match &mut d.batch.steps[1].step {
        Step::Request { model, .. } => *model = vector,
        _ => panic!(),
    });
    Desk::fault(2, Fault::Model, |d| call(d, 2, |c| c.model = 3));
    for (step, lengths) in [
        (2, [3, 0, 4]),
        (2, [0, 2, 4]),
        (2, [3, 2, 1]),
        (2, [63, 2, 4]),
        (3, [3, 2, 1]),
        (3, [513, 2, 0]),
        (3, [3, 0, 0]),
    ] {
        Desk::fault(step as u32, Fault::Length, |d| {
            call(d, step, |c| [c.prompt_length, c.output_length, c.max_tokens] = lengths);
        });
    }
    for lengths in [[0, 4], [62, 4], [3, 2]] {
        Desk::fault(1, Fault::Length, |d| entry(d, |e| [e.prompt_length, e.max_tokens] = lengths));
    }
    Desk::fault(3, Fault::Short, |d| call(d, 3, |c| c.output_length = u32::MAX));
}

#[test]
fn flags_and_sampling() {
    for flags in [2, 6, 8, 9, 255] {
        Desk::fault(2, Fault::Flags(flags), |d| call(d, 2, |c| c.flags = flags));
    }
    for flags in [1, 2, 3, 5] {
        Desk::fault(3, Fault::Flags(flags), |d| call(d, 3, |c| c.flags = flags));
    }
    let ranges: [fn(&mut Sampling); 5] = [
        |s| s.temperature = 655,
        |s| s.temperature = 6_553_601,
        |s| s.top_p = 0,
        |s| s.top_p = 65_537,
        |s| s.min_p = 65_537,
    ];
    for change in ranges {
        Desk::fault(2, Fault::Sampling, |d| match &mut d.batch.steps[2].step {
            Step::Inference { sampling, .. } => change(sampling),
            _ => panic!(),
        });
    }
    Desk::fault(2, Fault::Seed, |d| match &mut d.batch.steps[2].step {
        Step::Inference { seed, .. } => *seed = Hash::default(),
        _ => panic!(),
    });
}

#[test]
fn tokens_and_bits() {
    let packed = |step: usize, which: usize, bytes: Vec<u8>| {
        move |d: &mut Desk| match &mut d.batch.steps[step].step {
            Step::Inference { prompt, output, .. } => *[prompt, output][which] = bytes,
            Step::Request { output, .. } => *output = bytes,
            _ => panic!(),
        }
    };
    Desk::fault(2, Fault::Token { index: 1 }, packed(2, 0, pack(&[1, 1_000, 1_001], 10)));
    Desk::fault(3, Fault::Token { index: 2 }, packed(3, 0, pack(&[1, 2, 300], 9)));
    let loose = |tokens: &[u32], bits| {
        let mut bytes = pack(tokens, bits);
        *bytes.last_mut().unwrap() |= 1;
        bytes
    };
    Desk::fault(2, Fault::LooseBits, packed(2, 0, loose(&[1, 2, 3], 10)));
    Desk::fault(2, Fault::LooseBits, packed(2, 1, loose(&[1, 2], 10)));
    Desk::fault(1, Fault::LooseBits, packed(1, 0, loose(&[7, 8, 9], 10)));
}

#[test]
fn a_request_is_dropped_when_it_is_old() {
    let dropped = |time: u64| {
        let mut desk = desk();
        entry(&mut desk, |e| e.time = time);
        if let Step::Request { output_length, output, .. } = &mut desk.batch.steps[1].step {
            (*output_length, *output) = (0, Vec::new());
        }
        desk
    };
    let old = TIME - desk().world.rules.expire;
    let young = u128::from(TIME + 1);
    assert_eq!(dropped(old + 1).refused(), Refused::Step { step: 1, fault: Fault::Young { due: young } });
    let desk = dropped(old);
    let batch = desk.context().decode(&desk.bytes()).unwrap();
    let derived = desk.context().derive(&batch).unwrap();
    assert_eq!((derived.items, derived.entries, derived.steps.len()), (2, 2, 4));
    assert_eq!((derived.steps[1].header, derived.steps[1].leaf.body.item()), (None, None));
    assert!(derived.steps[1].leaf.body.request().is_some());
}

#[test]
fn what_l1_says_at_that_moment() {
    let desk = desk();
    let (rules, parent) = (desk.world.rules, Parent::default());
    let batch = desk.context().decode(&desk.bytes()).unwrap();
    let inbox_hash = batch.head.inbox_hash;
    let fine = Posting { now: TIME, next_number: 0, count: 2, inbox_hash, left: None };
    let check = |posting: Posting| posting.check(&rules, &parent, &batch);
    assert_eq!(check(fine), Ok(()));
    assert_eq!(check(Posting { now: TIME - 900, ..fine }), Ok(()));
    assert_eq!(
        check(Posting { now: TIME + 1, ..fine }),
        Err(Refused::Time { from: TIME + 1, to: TIME + 901 })
    );
    assert_eq!(
        check(Posting { now: TIME - 901, ..fine }),
        Err(Refused::Time { from: TIME - 901, to: TIME - 1 })
    );
    assert_eq!(check(Posting { count: 1, ..fine }), Err(Refused::Cursor { from: 0, to: 1 }));
    assert_eq!(check(Posting { next_number: 7, ..fine }), Err(Refused::Number { due: 7 }));
    let due = Hash([1; 32]);
    assert_eq!(check(Posting { inbox_hash: due, ..fine }), Err(Refused::Inbox { due }));
    let overdue = TIME - rules.force_delay;
    assert_eq!(check(Posting { count: 3, left: Some(overdue + 1), ..fine }), Ok(()));
    let left = Posting { count: 3, left: Some(overdue), ..fine };
    assert_eq!(check(left), Err(Refused::Overdue { entry: 2 }));
    let mut forced = batch.clone();
    forced.steps.truncate(2);
    assert!(left.check(&rules, &parent, &forced).is_err(), "fewer than K");
    let few = bisection::ledger::Rules { forced_entries: 2, ..rules };
    assert_eq!(left.check(&few, &parent, &forced), Ok(()));
    assert!(left.check(&few, &parent, &batch).is_err(), "signed items");
}

#[test]
fn a_draft_takes_only_what_can_be_posted() {
    let desk = desk();
    let recover = |digest: Hash, signature: &[u8; 64]| Keys::Fake.recover(digest, signature);
    let (world, parent) = (&desk.world, desk.world.parent);
    let mut draft = Draft::new(&world.registry, parent, world.ledger.clone(), world.opening()).unwrap();
    assert!(draft.clone().finish().is_err());
    assert_eq!(draft.model(&desk.world.models[usize::from(desk.letters)].id), Some(desk.letters));
    let inference = desk.batch.steps[2].step.clone();
    assert!(matches!(draft.push(inference, &recover), Err(NotTaken::Invalid(_))), "there is no account");
    let deposit = desk.batch.steps[0].step.clone();
    let root = draft.push(deposit.clone(), &recover).unwrap();
    assert_eq!(root, draft.ledger().root());
    assert_eq!(draft.pop(), Some(deposit.clone()));
    assert_eq!(draft.ledger(), &desk.world.ledger);
    draft.push(deposit.clone(), &recover).unwrap();
    let mut odd = desk.batch.steps[3].step.clone();
    if let Step::Inference { seed, .. } = &mut odd {
        *seed = Hash([1; 32]);
    }
    assert_eq!(draft.push(odd, &recover), Err(NotTaken::Fault(Fault::Unencodable)));
    let order = bisection::ledger::request::Withdrawal {
        account: 0,
        nonce: 0,
        amount: 1,
        to: [1; 20],
        valid_until: TIME,
    };
    let signature = Keys::Fake.sign(0, order.digest(&desk.world.rules.domain));
    draft.push(Step::Withdrawal { order, signature }, &recover).unwrap();
    assert_eq!(draft.push(deposit, &recover), Err(NotTaken::Fault(Fault::Op(0))), "entries come first");
    assert_eq!(draft.clone().discard(), world.ledger);
    let built = draft.finish().unwrap();
    assert_eq!(desk.world.context().decode(&built.bytes).as_ref(), Ok(&built.batch));
    assert_eq!(built.replay.rewound(), desk.world.ledger);
    let elsewhere = Parent { root: Hash([1; 32]), ..parent };
    let opened = Draft::new(&world.registry, elsewhere, world.ledger.clone(), Opening::default());
    assert!(matches!(opened, Err(NotOpened::Elsewhere(_))));
    let table = [world.table(TIME), world.table(TIME)].concat();
    let opened =
        Draft::new(&world.registry, parent, world.ledger.clone(), Opening { table, ..world.opening() });
    assert!(matches!(opened, Err(NotOpened::Refused(Refused::Table { index: 3 }))));
}

#[test]
fn prices_hold_until_the_next_version_does() {
    let mut world = World::new(Keys::Fake, 1);
    let id = world.models[0].id;
    let at = |world: &World, time| world.registry.price_at(&id, time).map(|(version, _)| version);
    assert_eq!(
        [999, 1_000, TIME + 49_999, TIME + 50_000].map(|t| at(&world, t)),
        [None, Some(0), Some(0), Some(1)]
    );
    let price = Price { from: TIME + 60_000, price_in: 1, price_out: 1 };
    assert_eq!(world.registry.schedule(&id, price), Some(2));
    assert_eq!(at(&world, u64::MAX), Some(2));
    assert_eq!(world.registry.schedule(&Hash::default(), price), None);
}

#[test]
fn ids_are_hashes_of_what_they_name() {
    use bisection::ledger::{assertion_id, genesis_id};
    let mut bytes = [1; 64].to_vec();
    bytes.extend([2; 20]);
    bytes.extend([3; 20]);
    bytes.extend(4u64.to_be_bytes());
    let id = assertion_id(Hash([1; 32]), Hash([1; 32]), [2; 20], [3; 20], 4);
    assert_eq!(id, tagged(b"rf.asser", &[&bytes]));
    assert_eq!(genesis_id(5, [6; 20]), tagged(b"rf.genes", &[&5u64.to_be_bytes(), &[6; 20]]));
}
