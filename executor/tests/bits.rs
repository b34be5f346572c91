//! The same bits, whatever runs a program and however: reference, native and torch, every instruction set, threads,
//! prefill and decode, alone and in company, greedy and sampled. "The same" is the hash over every value of every node.

mod support;

use executor::engine::{Emission, Engine, Feed, SequenceId};
use executor::import::lower::Options;
use executor::import::run::import;
use executor::import::source::{Architecture, SourceModel};
use executor::import::weights::Precision;
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::reference::Reference;
use executor::values::ValueHash;
use proptest::prelude::*;
use support::machines::machines;
use support::random::Random;
use support::tiny::{self, Shape};

const ARCHITECTURES: [Architecture; 6] = [
    Architecture::Llama,
    Architecture::Qwen2,
    Architecture::Qwen3,
    Architecture::Gemma3,
    Architecture::Bert,
    Architecture::Llama,
];

fn imported(source: &SourceModel, precision: Precision, kv_bits: u32) -> Model {
    let engine = |m: Model| Ok(Box::new(Native::new(&m, 1, None).unwrap()) as Box<dyn Engine>);
    let bytes = import(source, Options { precision, kv_bits }, &engine, &mut |_| {}).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    model.verify().unwrap();
    model
}

/// Feeds `tokens` in pieces and gives the emissions and the hash over all values.
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

fn sampled(random: &mut Random) -> Sampling {
    Sampling {
        temperature: 656 + random.below(200_000) as u32,
        top_k: [0, 1, 5, 100_000][random.below(4)],
        top_p: [65_536, 60_000, 1, 30_000][random.below(4)],
        min_p: [0, 0, 1_000, 65_536][random.below(4)],
        seed: std::array::from_fn(|_| random.bits() as u8),
    }
}

/// One random model, run in many ways.
fn check(architecture: Architecture, seed: u64, shape: Shape, precision: Precision, kv_bits: u32) {
    let source = tiny::model(architecture, seed, shape);
    let model = imported(&source, precision, kv_bits);
    let causal = model.program().is_causal();
    let mut random = Random::new(seed);
    let length = if causal { 20 + random.below(15) } else { 5 + random.below(30) };
    let tokens = tiny::tokens(seed, length, shape.vocabulary);
    let outputs_from = if causal { random.below(length) as u32 } else { 0 };
    for sampling in [Sampling::GREEDY, sampled(&mut random)] {
        let whole = [tokens.len()];
        let mut reference = Reference::new(model.clone());
        let want = run(&mut reference, &model, sampling, &tokens, &whole, outputs_from);
        for (machine, mut engine) in machines(&model, &[1, 2]) {
            let case = format!("{architecture:?} {shape:?} {machine}");
            let engine = engine.as_mut();
            let got = run(engine, &model, sampling, &tokens, &whole, outputs_from);
            assert_eq!(got, want, "prefilled: {case}");
            // Without a listener the back end takes its short ways.
            let sequence = engine.open(sampling).unwrap();
            let feed = [Feed { sequence, tokens: &tokens, outputs_from }];
            assert_eq!(engine.step(&feed, None).unwrap().concat(), want.0, "unwatched: {case}");
            engine.close(sequence);
            if causal {
                let pieces: Vec<usize> = (0..length).map(|_| 1 + random.below(4)).collect();
                let got = run(engine, &model, sampling, &tokens, &pieces, outputs_from);
                assert_eq!(got, want, "in pieces {pieces:?}: {case}");
                in_company(engine, &model, sampling, &tokens, outputs_from, &want, &mut random);
            }
        }
    }
}

/// The sequence grows among others that come and go.
fn in_company(
    engine: &mut dyn Engine,
    model: &Model,
    sampling: Sampling,
    tokens: &[u32],
    outputs_from: u32,
    want: &(Vec<Emission>, String),
    random: &mut Random,
) {
    let vocabulary = model.program().interface.vocabulary as usize;
    let sequence = engine.open(sampling).unwrap();
    let mut hash = ValueHash::new(model, sequence);
    let mut others: Vec<SequenceId> = Vec::new();
    let (mut out, mut rest) = (Vec::new(), tokens);
    while !rest.is_empty() {
        if others.len() < 3 {
            others.push(engine.open(sampled(random)).unwrap());
        } else if random.below(3) == 0 {
            engine.close(others.swap_remove(random.below(3)));
        }
        let (now, later) = rest.split_at((1 + random.below(6)).min(rest.len()));
        rest = later;
        let noise: Vec<Vec<u32>> =
            others.iter().map(|_| tiny::tokens(random.bits(), 1 + random.below(3), vocabulary)).collect();
        let mut feeds: Vec<Feed<'_>> = others
            .iter()
            .zip(&noise)
            .map(|(sequence, tokens)| Feed { sequence: *sequence, tokens, outputs_from: 0 })
            .collect();
        let at = random.below(feeds.len() + 1);
        feeds.insert(at, Feed { sequence, tokens: now, outputs_from });
        out.extend(engine.step(&feeds, Some(&mut hash)).unwrap().swap_remove(at));
    }
    others.into_iter().for_each(|other| engine.close(other));
    engine.close(sequence);
    assert_eq!(
        (&out, format!("{} over {} rows", hash.finish(), hash.len())),
        (&want.0, want.1.clone()),
        "in company"
    );
}

#[test]
fn every_architecture_gives_the_same_bits() {
    for (i, architecture) in ARCHITECTURES.into_iter().enumerate() {
        for (precision, kv_bits) in [(Precision::W8, 16), (Precision::W8, 8), (Precision::W16, 16)] {
            let window = (i == 5).then_some(7);
            let shape = Shape { window, softcap: (i == 3).then_some(30.0), ..Shape::default() };
            check(architecture, 1 + i as u64, shape, precision, kv_bits);
        }
    }
}

/// So many positions that threads take rows of their own, with and without a listener.
#[test]
fn long_blocks_give_the_same_bits() {
    const LENGTH: usize = 230;
    for (architecture, window, kv_bits) in [
        (Architecture::Llama, None, 8),
        (Architecture::Qwen2, Some(50), 16),
        (Architecture::Gemma3, Some(7), 8),
        (Architecture::Bert, None, 16),
    ] {
        let shape = Shape { window, ..Shape::default() };
        let model = imported(&tiny::model(architecture, 3, shape), Precision::W8, kv_bits);
        let tokens = tiny::tokens(5, LENGTH, shape.vocabulary);
        let outputs_from = if model.program().is_causal() { LENGTH as u32 - 3 } else { 0 };
        let mut reference = Reference::new(model.clone());
        let want = run(&mut reference, &model, Sampling::GREEDY, &tokens, &[LENGTH], outputs_from);
        // Three threads share out each step, one and two own rows.
        for (machine, mut engine) in machines(&model, &[1, 2, 3]) {
            let case = format!("{architecture:?} {machine}");
            let got = run(engine.as_mut(), &model, Sampling::GREEDY, &tokens, &[LENGTH], outputs_from);
            assert_eq!(got, want, "{case}");
            let sequence = engine.open(Sampling::GREEDY).unwrap();
            let feed = [Feed { sequence, tokens: &tokens, outputs_from }];
            assert_eq!(engine.step(&feed, None).unwrap().concat(), want.0, "unwatched: {case}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn random_shapes_give_the_same_bits(
        seed: u64,
        architecture in 0..ARCHITECTURES.len(),
        (kv_heads, share, half_dim) in (1..4_usize, 1..4_usize, 1..20_usize),
        (width, ffn) in (1..40_usize, 1..150_usize),
        vocabulary in 270..400_usize,
        window in proptest::option::of(1..40_u32),
        (w16, narrow, tied) in any::<(bool, bool, bool)>(),
    ) {
        let heads = kv_heads * share;
        let bert = ARCHITECTURES[architecture] == Architecture::Bert;
        // BERT's heads divide its width.
        let width = if bert { heads * 2 * half_dim } else { 2 * width };
        let shape = Shape {
            width, heads, kv_heads, head_dim: 2 * half_dim, ffn, vocabulary, layers: 2, context: 64, window, tied,
            ..Shape::default()
        };
        let precision = if w16 { Precision::W16 } else { Precision::W8 };
        check(ARCHITECTURES[architecture], seed, shape, precision, if narrow { 8 } else { 16 });
    }
}
