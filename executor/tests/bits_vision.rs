//! The same bits of classifiers of pictures, whatever runs them: reference, native and torch, every instruction set, threads.

mod support;

use executor::engine::{Emission, Engine, Feed};
use executor::kernels::Sampling;
use executor::model::Model;
use executor::reference::Reference;
use executor::values::ValueHash;
use support::machines::machines;
use support::vision;

/// What comes out, and the hash over all values.
fn run(engine: &mut dyn Engine, model: &Model, picture: &[u32]) -> (Vec<Emission>, String) {
    let sequence = engine.open(Sampling::GREEDY).unwrap();
    let mut hash = ValueHash::new(model, sequence);
    let feed = [Feed { sequence, tokens: picture, outputs_from: 0 }];
    let out = engine.step(&feed, Some(&mut hash)).unwrap().concat();
    engine.close(sequence);
    (out, format!("{} over {} rows", hash.finish(), hash.len()))
}

fn check(name: &str, model: &Model) {
    let context = model.program().interface.context as usize;
    // A picture that ends too early has nothing where it ends.
    for length in [context, context - 3, 1] {
        let picture = vision::picture(length as u64, length);
        let want = run(&mut Reference::new(model.clone()), model, &picture);
        let [Emission::Vector(classes)] = want.0.as_slice() else { panic!("{:?}", want.0) };
        // Classes that are told apart, and none at an end of the range.
        assert!(classes.iter().any(|y| *y != classes[0]), "{name}: {classes:?}");
        assert!(classes.iter().all(|y| y.unsigned_abs() < 1 << 30), "{name}: {classes:?}");
        for (machine, mut engine) in machines(model, &[1, 2, 3]) {
            let case = format!("{name}, {length} numbers, {machine}");
            assert_eq!(run(engine.as_mut(), model, &picture), want, "{case}");
            // Without a listener, and with another picture beside it.
            let sequences = [(); 2].map(|()| engine.open(Sampling::GREEDY).unwrap());
            let other = vision::picture(99, context);
            let feeds = [
                Feed { sequence: sequences[0], tokens: &other, outputs_from: 0 },
                Feed { sequence: sequences[1], tokens: &picture, outputs_from: 0 },
            ];
            let both = engine.step(&feeds, None).unwrap();
            assert_eq!(both[1], want.0, "unwatched: {case}");
        }
    }
}

#[test]
fn convolutions_give_the_same_bits() {
    for (seed, side, channels) in [(1, 4, 2), (2, 7, 5), (3, 5, 33)] {
        check(&format!("{side} x {side}, {channels} channels"), &vision::cnn(seed, side, channels));
    }
}

#[test]
fn perceptrons_give_the_same_bits() {
    check("perceptron", &vision::perceptron(4, 64, 48));
    check("wide perceptron", &vision::perceptron(5, 784, 130));
}
