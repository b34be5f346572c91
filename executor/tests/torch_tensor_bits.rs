//! The same bits by tensors, whatever the program and however it is fed: the hash over every value of every node is that of
//! the reference.
#![cfg(feature = "torch")]

mod support;

use executor::engine::{Emission, Engine, EngineError, Feed, SequenceId};
use executor::import::lower::Options;
use executor::import::run::import;
use executor::import::source::Architecture;
use executor::import::weights::Precision;
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::reference::Reference;
use executor::torch::tensor::TensorEngine;
use executor::values::ValueHash;
use support::device::device;
use support::random::Random;
use support::tiny::{self, Shape};
use support::vision;

fn imported(
    architecture: Architecture,
    seed: u64,
    shape: Shape,
    precision: Precision,
    kv_bits: u32,
) -> Model {
    let engine = |m: Model| Ok(Box::new(Native::new(&m, 1, None).unwrap()) as Box<dyn Engine>);
    let source = tiny::model(architecture, seed, shape);
    let bytes = import(&source, Options { precision, kv_bits }, &engine, &mut |_| {}).unwrap();
    Model::from_bytes(&bytes).unwrap()
}

fn tensors(model: &Model) -> TensorEngine {
    TensorEngine::new(model, device()).unwrap()
}

fn sampled(random: &mut Random) -> Sampling {
    Sampling {
        temperature: 656 + random.below(200_000) as u32,
        top_k: [0, 1, 5, 100_000][random.below(4)],
        top_p: [65_536, 60_000, 1, 30_000][random.below(4)],
        min_p: [0, 0, 1_000, 65_536][random.below(4)],
        seed: std::array::from_fn(|_| random.bits() as u8),
    }
}

/// Feeds `tokens` in pieces; gives the emissions and the hash over all values.
fn run(
    engine: &mut dyn Engine,
    model: &Model,
    sampling: Sampling,
    tokens: &[u32],
    pieces: &[usize],
    outputs_from: u32,
) -> (Vec<Emission>, String) {
    let sequence = engine.open(sampling).unwrap();
    let mut hash = ValueHash::new(model, sequence);
    let (mut out, mut rest) = (Vec::new(), tokens);
    for piece in pieces.iter().copied().chain([tokens.len()]) {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        if !now.is_empty() {
            let feed = [Feed { sequence, tokens: now, outputs_from }];
            out.extend(engine.step(&feed, Some(&mut hash)).unwrap().concat());
        }
        rest = later;
    }
    engine.close(sequence);
    (out, format!("{} over {} rows", hash.finish(), hash.len()))
}

/// One model: at once, unwatched, in pieces, greedy and sampled.
fn check(case: &str, model: &Model, tokens: &[u32], outputs_from: u32, random: &mut Random) {
    let causal = model.program().is_causal();
    let mut engine = tensors(model);
    for sampling in [Sampling::GREEDY, sampled(random)] {
        let whole = [tokens.len()];
        let want = run(&mut Reference::new(model.clone()), model, sampling, tokens, &whole, outputs_from);
        let got = run(&mut engine, model, sampling, tokens, &whole, outputs_from);
        assert_eq!(got, want, "at once: {case}");
        // Without a listener nodes are computed only where they are read.
        let sequence = engine.open(sampling).unwrap();
        let feed = [Feed { sequence, tokens, outputs_from }];
        assert_eq!(engine.step(&feed, None).unwrap().concat(), want.0, "unwatched: {case}");
        engine.close(sequence);
        if causal {
            let pieces: Vec<usize> = tokens.iter().map(|_| 1 + random.below(9)).collect();
            let got = run(&mut engine, model, sampling, tokens, &pieces, outputs_from);
            assert_eq!(got, want, "in pieces {pieces:?}: {case}");
        }
    }
}

#[test]
fn every_architecture_gives_the_same_bits() {
    use Architecture::{Bert, Gemma3, Llama, Qwen2, Qwen3};
    for (i, architecture) in [Llama, Qwen2, Qwen3, Gemma3, Bert, Llama].into_iter().enumerate() {
        for (precision, kv_bits) in [(Precision::W8, 16), (Precision::W8, 8), (Precision::W16, 16)] {
            let window = (i == 5).then_some(7);
            let shape = Shape { window, softcap: (i == 3).then_some(30.0), ..Shape::default() };
            let seed = 1 + i as u64;
            let model = imported(architecture, seed, shape, precision, kv_bits);
            let mut random = Random::new(seed);
            let tokens = tiny::tokens(seed, 20 + random.below(15), shape.vocabulary);
            let outputs_from = if model.program().is_causal() { random.below(20) as u32 } else { 0 };
            let case = format!("{architecture:?} {shape:?} {precision:?} {kv_bits}");
            check(&case, &model, &tokens, outputs_from, &mut random);
        }
    }
}

/// More positions than go through the nodes together.
#[test]
fn long_prompts_give_the_same_bits() {
    const LENGTH: usize = 300;
    let shape = Shape { window: Some(50), context: 320, ..Shape::default() };
    let model = imported(Architecture::Llama, 3, shape, Precision::W8, 8);
    let tokens = tiny::tokens(5, LENGTH, shape.vocabulary);
    let from = LENGTH as u32 - 3;
    let want = run(&mut Reference::new(model.clone()), &model, Sampling::GREEDY, &tokens, &[LENGTH], from);
    let mut engine = tensors(&model);
    assert_eq!(run(&mut engine, &model, Sampling::GREEDY, &tokens, &[LENGTH], from), want);
    assert_eq!(run(&mut engine, &model, Sampling::GREEDY, &tokens, &[100, 199, 1], from), want);
}

/// One to 64 sequences of different lengths in one step: those that prefill and those that decode, greedy and sampled.
#[test]
fn batches_give_the_same_bits() {
    let shape = Shape { window: Some(9), ..Shape::default() };
    let model = imported(Architecture::Qwen3, 11, shape, Precision::W8, 8);
    let mut random = Random::new(17);
    for count in [1, 2, 7, 16, 64] {
        let mut engine = tensors(&model);
        let fed: Vec<(Sampling, Vec<u32>)> = (0..count)
            .map(|i| {
                let sampling = if i % 3 == 1 { sampled(&mut random) } else { Sampling::GREEDY };
                let length = 3 + random.below(14);
                (sampling, tiny::tokens(random.bits(), length, shape.vocabulary))
            })
            .collect();
        let sequences: Vec<SequenceId> =
            fed.iter().map(|(sampling, _)| engine.open(*sampling).unwrap()).collect();
        let mut got = vec![Vec::new(); count];
        let mut done = vec![0; count];
        // A hash over the last sequence, which is in every group that there is.
        let mut hash = ValueHash::new(&model, sequences[count - 1]);
        while (0..count).any(|i| done[i] < fed[i].1.len()) {
            let mut feeds = Vec::new();
            let mut who = Vec::new();
            for (i, (_, tokens)) in fed.iter().enumerate() {
                let piece = if done[i] == 0 { 1 + random.below(9) } else { 1 };
                let end = tokens.len().min(done[i] + piece);
                // Some wait.
                if end > done[i] && random.below(5) > 0 {
                    feeds.push(Feed {
                        sequence: sequences[i],
                        tokens: &tokens[done[i]..end],
                        outputs_from: 1,
                    });
                    who.push((i, end));
                }
            }
            if feeds.is_empty() {
                continue;
            }
            let emissions = engine.step(&feeds, Some(&mut hash)).unwrap();
            for ((i, end), emissions) in who.into_iter().zip(emissions) {
                got[i].extend(emissions);
                done[i] = end;
            }
        }
        for (i, (sampling, tokens)) in fed.iter().enumerate() {
            let mut reference = Reference::new(model.clone());
            let want = run(&mut reference, &model, *sampling, tokens, &[tokens.len()], 1);
            assert_eq!(got[i], want.0, "sequence {i} of {count}");
            if i == count - 1 {
                assert_eq!(format!("{} over {} rows", hash.finish(), hash.len()), want.1, "of {count}");
            }
        }
    }
}

#[test]
fn pictures_give_the_same_bits() {
    for (case, model) in [
        ("convolutions", vision::cnn(2, 7, 5)),
        ("wide convolutions", vision::cnn(3, 5, 33)),
        ("perceptron", vision::perceptron(4, 64, 48)),
    ] {
        let context = model.program().interface.context as usize;
        for length in [context, context - 3, 1] {
            let picture = vision::picture(length as u64, length);
            check(&format!("{case}, {length} numbers"), &model, &picture, 0, &mut Random::new(1));
        }
        // Pictures of different lengths together.
        let mut engine = tensors(&model);
        let pictures = [context, 5, context, 1].map(|length| vision::picture(length as u64, length));
        let sequences = [(); 4].map(|()| engine.open(Sampling::GREEDY).unwrap());
        let feeds: Vec<Feed<'_>> = sequences
            .iter()
            .zip(&pictures)
            .map(|(sequence, tokens)| Feed { sequence: *sequence, tokens, outputs_from: 0 })
            .collect();
        let together = engine.step(&feeds, None).unwrap();
        for (picture, got) in pictures.iter().zip(together) {
            let mut reference = Reference::new(model.clone());
            let want = run(&mut reference, &model, Sampling::GREEDY, picture, &[picture.len()], 0).0;
            assert_eq!(got, want, "{case}");
        }
    }
}

#[test]
fn wrong_feeds_and_broken_constants_are_refused() {
    let shape = Shape::default();
    let model = imported(Architecture::Llama, 5, shape, Precision::W8, 16);
    let mut engine = tensors(&model);
    let cold = Sampling { temperature: 1, ..Sampling::GREEDY };
    assert_eq!(engine.open(cold), Err(EngineError::Sampling));
    let sequence = engine.open(Sampling::GREEDY).unwrap();
    let feed = |tokens| Feed { sequence, tokens, outputs_from: 0 };
    let vocabulary = shape.vocabulary as u32;
    let unknown = [1, vocabulary];
    let wrong = engine.step(&[feed(&unknown)], None).unwrap_err();
    assert_eq!(wrong, EngineError::Token { token: vocabulary, vocabulary });
    assert!(matches!(engine.step(&[feed(&[])], None), Err(EngineError::Feed(_))));
    assert!(matches!(engine.step(&[feed(&[1]), feed(&[2])], None), Err(EngineError::Feed(_))));
    let long = vec![1; shape.context + 1];
    assert!(matches!(engine.step(&[feed(&long)], None), Err(EngineError::Context { .. })));
    // Nothing of this has left a trace.
    let tokens = tiny::tokens(1, 9, shape.vocabulary);
    let want = run(&mut Reference::new(model.clone()), &model, Sampling::GREEDY, &tokens, &[9], 2);
    assert_eq!(engine.step(&[Feed { sequence, tokens: &tokens, outputs_from: 2 }], None).unwrap()[0], want.0);
    engine.close(sequence);
    assert!(matches!(engine.step(&[feed(&[1])], None), Err(EngineError::Sequence(_))));
}
