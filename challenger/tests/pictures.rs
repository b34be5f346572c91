//! Whole games on the real contracts over classifiers of pictures: of 200 wrong numbers of a convolutional network and of
//! 200 of a perceptron all are refuted. What is drawn depends on the run; its seed is printed.

mod parity;
#[path = "../../executor/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use bisection::trace::{Place, TraceProvider};
use challenger::arena::{Arena, Party, Report};
use executor::engine::{Emission, Engine, Feed};
use executor::kernels::Sampling;
use executor::model::Model;
use executor::reference::Reference;
use executor::trace::{
    Corrupted, Held, Lie, Published, Random, Source, Subject, Trace, another, random_place, worst_case,
};
use parity::twin::{Committed, Twin};
use support::vision;

const GAMES: usize = 200;
/// The largest transaction of a dispute.
const GAS_MAX: u64 = 1_000_000;
/// The dearest dispute, and the longest.
const DISPUTE_GAS_MAX: u64 = 2_000_000;
const ROUNDS_MAX: usize = 10;

/// A picture and its classes.
fn classified(model: &Model, seed: u64) -> (Vec<u32>, Vec<i32>) {
    let picture = vision::picture(seed, model.program().interface.context as usize);
    let mut engine = Reference::new(model.clone());
    let sequence = engine.open(Sampling::GREEDY).unwrap();
    let emissions = engine.step(&[Feed { sequence, tokens: &picture, outputs_from: 0 }], None).unwrap();
    let Some(Emission::Vector(classes)) = emissions.concat().pop() else { panic!("no vector") };
    (picture, classes)
}

fn traced(model: &Model, (picture, classes): (Vec<u32>, Vec<i32>)) -> Held {
    let subject = Subject::new(model, Sampling::GREEDY, picture, Published::Vector(classes));
    Held::new(subject, &mut Reference::new(model.clone())).unwrap()
}

fn held(model: &Model, seed: u64) -> Held {
    traced(model, classified(model, seed))
}

fn seed() -> u64 {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    seed
}

fn play<A: Source, B: Source>(arena: &Arena, held: &Held, mut posted: Trace<A>, mut own: Trace<B>) -> Report {
    let mut arena = arena.clone();
    let assertion = arena.post(held.subject()).unwrap();
    let report = arena.dispute(assertion, &mut posted, &mut own, |_| {}).unwrap();
    assert!(report.largest() < GAS_MAX, "{} gas", report.largest());
    report
}

/// A place and a wrong number there; off by one is as wrong as anything.
fn lie(honest: &mut Trace<&Held>, (node, position, element): (u32, u64, u64), by: u64) -> Lie {
    let value = honest.value(node, position, element).unwrap();
    let kind = honest.subject().tensors()[node as usize].shape.element;
    Lie { node, position, element, value: another(kind, value, by) }
}

fn refute_all(name: &str, model: &Model) {
    let held = held(model, 1);
    let (arena, mut random) = (Arena::new().unwrap(), Random::new(seed()));
    let nodes = held.subject().tensors().len();
    let (mut gas, mut dearest, mut rounds, mut longest, mut kinds) = (0, 0, 0, 0, BTreeSet::new());
    for game in 0..GAMES {
        // Each node once, so that no operation is left to chance, then anywhere.
        let mut place = random_place(held.subject(), &mut random).unwrap();
        while game < nodes && place.0 as usize != game {
            place = random_place(held.subject(), &mut random).unwrap();
        }
        let by = if random.below(2) == 0 { 0 } else { random.bits() };
        let lie = lie(&mut Trace::new(&held), place, by);
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
        assert!(report.rounds <= ROUNDS_MAX, "game {game}: {} rounds", report.rounds);
        assert!(report.gas() <= DISPUTE_GAS_MAX, "game {game}: {} gas", report.gas());
        (gas, dearest) = (gas + report.gas(), dearest.max(report.gas()));
        (rounds, longest) = (rounds + report.rounds, longest.max(report.rounds));
        kinds.insert(model.program().nodes[lie.node as usize].op.stem());
    }
    let all: BTreeSet<_> = model.program().nodes.iter().map(|n| n.op.stem()).collect();
    assert_eq!(kinds, all);
    println!(
        "{name}: {GAMES} of {GAMES} refuted, {} kinds of operations, {} gas and {:.1} rounds in the mean, {dearest} and \
         {longest} at most",
        kinds.len(),
        gas / GAMES as u64,
        rounds as f64 / GAMES as f64
    );
}

#[test]
fn every_wrong_number_of_a_convolutional_network_is_refuted() {
    refute_all("cnn", &vision::cnn(7, 8, 4));
}

#[test]
fn every_wrong_number_of_a_perceptron_is_refuted() {
    refute_all("mlp", &vision::perceptron(7, 64, 32));
}

/// Groups of more terms than a step has: their lists are games of their own.
#[test]
fn wrong_numbers_of_a_wide_perceptron_are_refuted() {
    let model = vision::perceptron(3, 2_500, 4);
    let held = held(&model, 2);
    let arena = Arena::new().unwrap();
    for node in 0..held.subject().tensors().len() as u32 {
        let tensor = held.subject().tensors()[node as usize];
        let lie = lie(&mut Trace::new(&held), (node, tensor.first, 0), 0);
        let liar = Trace::new(Corrupted::element(&held, lie).unwrap());
        assert_eq!(play(&arena, &held, liar, Trace::new(&held)).winner, Party::Challenger, "{lie:?}");
    }
}

#[test]
fn no_wrong_challenge_of_a_picture_succeeds() {
    let arena = Arena::new().unwrap();
    for model in [vision::cnn(7, 8, 4), vision::perceptron(7, 64, 32)] {
        let held = held(&model, 1);
        let mut random = Random::new(seed());
        for _ in 0..GAMES / 4 {
            let place = random_place(held.subject(), &mut random).unwrap();
            let lie = lie(&mut Trace::new(&held), place, random.bits());
            let own = Trace::new(Corrupted::element(&held, lie).unwrap());
            let report = play(&arena, &held, Trace::new(&held), own);
            assert_eq!(report.winner, Party::Proposer, "{lie:?}");
        }
    }
}

/// A wrong class over an honest trace.
#[test]
fn a_wrong_class_is_refuted() {
    let arena = Arena::new().unwrap();
    let model = vision::cnn(7, 8, 4);
    let (picture, mut classes) = classified(&model, 1);
    classes[3] ^= 1;
    let wrong = traced(&model, (picture, classes));
    assert!(Trace::new(&wrong).wrong_output().unwrap().is_some());
    let report = play(&arena, &wrong, Trace::new(&wrong), Trace::new(&wrong));
    assert_eq!(report.winner, Party::Challenger);
}

/// Elements of pictures of random sizes: the step in Rust and in Solidity, whose witness is no longer than the worst.
#[test]
fn random_elements_are_the_same_in_both() {
    let mut random = Random::new(seed());
    let mut twin = Twin::new();
    let mut kinds = BTreeSet::new();
    for round in 0..6 {
        let seed = random.bits();
        let (side, channels) = (2 + random.below(7) as usize, 1 + random.below(5) as usize);
        let model = match round {
            // Maps of more than a chunk.
            0 => vision::cnn(seed, 12, 2),
            1 => vision::perceptron(seed, side * side, 2 + 2 * channels),
            _ => vision::cnn(seed, side, channels),
        };
        let mut trace = Trace::new(held(&model, seed));
        let worst = worst_case(&model, model.program().interface.context);
        let of = Committed { root: trace.root(), item: trace.subject().item().hash() };
        for node in 0..trace.nodes() {
            let tensor = trace.subject().tensors()[node as usize];
            for _ in 0..4 {
                let t = tensor.first + random.below(tensor.count);
                let e = random.below(tensor.row(t));
                let address = tensor.address(t, e).unwrap();
                let at = Place::element(node, address.chunk, address.slot);
                let claimed = trace.value(node, t, e).unwrap();
                let (rust, data) = trace.step(at).unwrap();
                let op = model.program().nodes[node as usize].op.stem();
                assert_eq!(rust, claimed, "{op} {at:?}");
                assert_eq!(twin.step(of, at, claimed, &data).unwrap(), rust.into(), "{op} {at:?}");
                let most = worst.iter().find(|cost| cost.node == node).unwrap().witness_bytes;
                assert!(data.witness.len() as u64 <= most, "{op} {at:?}: {} over {most}", data.witness.len());
                kinds.insert(op);
            }
        }
    }
    println!("{kinds:?}");
    assert_eq!(kinds.len(), 9);
}
