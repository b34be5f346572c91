//! Whole games on the real contracts over the real models: of 200 wrong numbers all are refuted, of 200 wrong challenges
//! none succeeds. What is drawn depends on the run; its seed is printed.

#[path = "../../executor/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use challenger::arena::{Arena, Party, Report};
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::tokenizer::Tokenizer;
use executor::trace::{Corrupted, Held, Lie, Random, Source, Subject, Trace, another, random_place};

const GAMES: usize = 200;
/// The largest transaction of a dispute.
const GAS_MAX: u64 = 1_000_000;

fn model(name: &str) -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache/models").join(name);
    assert!(folder.exists(), "{} is not there: run `make test`, which imports it", folder.display());
    Model::open(&folder).unwrap()
}

const TEXT: &str = "A lighthouse keeper climbed the spiral stair each evening, trimmed the wick, and watched the \
    beam sweep over black water. Ships far out answered with a flash. In the morning he wrote the weather into a \
    book that nobody read, fed the hens, and slept until the gulls woke him again. One night the light failed, and";

/// An item of at least 64 prompt and 64 output tokens, sampled; of an encoder, 64 tokens and their vector.
fn subject(model: &Model) -> Subject {
    let tokenizer =
        Tokenizer::of_model(model.tokenizer_json().unwrap(), model.add_bos(), model.special_tokens())
            .unwrap();
    let mut prompt = tokenizer.encode(TEXT, false).unwrap();
    assert!(prompt.len() >= 64, "{} tokens", prompt.len());
    prompt.truncate(64);
    let sampling = Sampling { temperature: 50_000, top_k: 50, top_p: 60_000, min_p: 600, seed: [9; 32] };
    let output = support::items::published(model, &prompt, sampling, 64);
    Subject::new(model, sampling, prompt, output)
}

fn seed() -> u64 {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    seed
}

/// A wrong number somewhere.
fn lie(honest: &mut Trace<&Held>, random: &mut Random) -> Lie {
    let (node, position, element) = random_place(honest.subject(), random).unwrap();
    let value = honest.value(node, position, element).unwrap();
    let kind = honest.subject().tensors()[node as usize].shape.element;
    // Off by one is as wrong as anything.
    let by = if random.below(2) == 0 { 0 } else { random.bits() };
    Lie { node, position, element, value: another(kind, value, by) }
}

fn play<A: Source, B: Source>(arena: &Arena, held: &Held, mut posted: Trace<A>, mut own: Trace<B>) -> Report {
    let mut arena = arena.clone();
    let assertion = arena.post(Trace::new(held).subject()).unwrap();
    let report = arena.dispute(assertion, &mut posted, &mut own, |_| {}).unwrap();
    assert!(report.largest() < GAS_MAX, "{} gas", report.largest());
    report
}

fn refute_all(name: &str) {
    let model = model(name);
    let held = Held::new(subject(&model), &mut Native::new(&model, 2, None).unwrap()).unwrap();
    let (arena, mut random) = (Arena::new().unwrap(), Random::new(seed()));
    let (mut gas, mut rounds, mut kinds) = (0, 0, BTreeSet::new());
    for game in 0..GAMES {
        let lie = lie(&mut Trace::new(&held), &mut random);
        // Every tenth liar commits to hashes of nothing.
        let report = if game % 10 == 9 {
            let tensor = held.subject().tensors()[lie.node as usize];
            let chunk = tensor.address(lie.position, lie.element).unwrap().chunk;
            let liar = Corrupted::garbage(&held, lie.node, 0, chunk).unwrap();
            play(&arena, &held, Trace::new(liar), Trace::new(&held))
        } else {
            play(&arena, &held, Trace::new(Corrupted::element(&held, lie).unwrap()), Trace::new(&held))
        };
        assert_eq!(report.winner, Party::Challenger, "game {game}: {lie:?}");
        gas += report.gas();
        rounds += report.rounds;
        kinds.insert(model.program().nodes[lie.node as usize].op.stem());
    }
    println!(
        "{name}: {GAMES} of {GAMES} refuted, {} kinds of operations, {} gas and {:.1} rounds in the mean",
        kinds.len(),
        gas / GAMES as u64,
        rounds as f64 / GAMES as f64
    );
}

fn withstand_all(name: &str) {
    let model = model(name);
    let held = Held::new(subject(&model), &mut Native::new(&model, 2, None).unwrap()).unwrap();
    let (arena, mut random) = (Arena::new().unwrap(), Random::new(seed()));
    for game in 0..GAMES {
        let lie = lie(&mut Trace::new(&held), &mut random);
        let own = Trace::new(Corrupted::element(&held, lie).unwrap());
        let report = play(&arena, &held, Trace::new(&held), own);
        assert_eq!(report.winner, Party::Proposer, "game {game}: {lie:?}");
    }
}

#[test]
fn smollm2_every_wrong_number_is_refuted() {
    refute_all("smollm2-135m-w8");
}

#[test]
fn smollm2_no_wrong_challenge_succeeds() {
    withstand_all("smollm2-135m-w8");
}

#[test]
fn minilm_every_wrong_number_is_refuted() {
    refute_all("all-minilm-l6-v2-w8");
}

#[test]
fn minilm_no_wrong_challenge_succeeds() {
    withstand_all("all-minilm-l6-v2-w8");
}
