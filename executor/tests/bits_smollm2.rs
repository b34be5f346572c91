//! The same bits on a real model: SmolLM2 by the reference kernels and by every fast back end.

mod support;

use executor::engine::{Emission, Engine, Feed};
use executor::import::lower::Options;
use executor::import::weights::Precision;
use executor::import::{gguf, run};
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::reference::Reference;
use executor::values::ValueHash;
use support::machines::machines;
use support::{models::model_source, tiny};

/// Few: the reference kernels take about a second for each.
const POSITIONS: usize = 5;

fn values(engine: &mut dyn Engine, model: &Model, tokens: &[u32], piece: usize) -> (Vec<Emission>, String) {
    let sequence = engine.open(Sampling::GREEDY).unwrap();
    let mut hash = ValueHash::new(model, sequence);
    let mut out = Vec::new();
    for tokens in tokens.chunks(piece) {
        out.extend(
            engine.step(&[Feed { sequence, tokens, outputs_from: 2 }], Some(&mut hash)).unwrap().concat(),
        );
    }
    engine.close(sequence);
    (out, format!("{} over {} rows", hash.finish(), hash.len()))
}

#[test]
fn smollm2_gives_the_same_bits() {
    let source = gguf::open(&model_source("smollm2")).unwrap();
    let options = Options { precision: Precision::W8, kv_bits: 16 };
    let engine = |m: Model| Ok(Box::new(Native::new(&m, 2, None).unwrap()) as Box<dyn Engine>);
    let model = Model::from_bytes(&run::import(&source, options, &engine, &mut |_| {}).unwrap()).unwrap();
    let tokens = tiny::tokens(11, POSITIONS, source.config.vocabulary);
    let want = values(&mut Reference::new(model.clone()), &model, &tokens, POSITIONS);
    assert_eq!(want.0.len(), POSITIONS - 2);
    for (machine, mut engine) in machines(&model, &[1, 2]) {
        for piece in [POSITIONS, 1, 2] {
            let got = values(engine.as_mut(), &model, &tokens, piece);
            assert_eq!(got, want, "{machine}, {piece} at a time");
        }
    }
    #[cfg(feature = "torch")]
    {
        let device = support::device::device();
        let mut engine = executor::torch::tensor::TensorEngine::new(&model, device).unwrap();
        for piece in [POSITIONS, 2] {
            assert_eq!(values(&mut engine, &model, &tokens, piece), want, "tensors, {piece} at a time");
        }
    }
}
