//! The kernels of our own that a card runs, compiled as C++: every vector of their operations, and whole models.
#![cfg(feature = "torch")]

// Not in `support`, which packages without libtorch read too.
#[path = "support/host.rs"]
mod host;
mod support;
mod vectors {
    #[expect(dead_code, reason = "vectors are only read here")]
    pub(crate) mod format;
}

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use executor::backend::Device;
use executor::engine::{Emission, Engine, EngineError, Feed};
use executor::import::lower::Options;
use executor::import::run::import;
use executor::import::source::Architecture;
use executor::import::weights::Precision;
use executor::kernels::{Constant, ConstantData, Operands, Sampling};
use executor::model::Model;
use executor::native::Native;
use executor::reference::Reference;
use executor::torch::tensor::fused::{Arguments, Launcher, NAMES};
use executor::torch::tensor::{TensorEngine, apply_single};
use executor::values::ValueHash;
use host::Host;
use support::tiny::{self, Shape};
use vectors::format::{expand, parse};

/// Operations with a kernel: `lut` and `act` share one, `linear` and `mix` have two.
const STEMS: [&str; 16] = [
    "act", "add", "exp2w", "glu", "linear", "lut", "mix", "norm", "quantise", "rnorm", "rope", "rowexp",
    "rowmax", "score", "sumsq", "timemax",
];

/// Runs kernels and remembers which.
#[derive(Debug)]
struct Watched {
    host: Host,
    seen: Mutex<BTreeSet<&'static str>>,
}

impl Launcher for Watched {
    unsafe fn launch(
        &self,
        kernel: &'static str,
        blocks: u32,
        arguments: &Arguments,
    ) -> Result<(), EngineError> {
        self.seen.lock().unwrap().insert(kernel);
        // SAFETY: as the caller promises.
        unsafe { self.host.launch(kernel, blocks, arguments) }
    }
}

#[test]
fn every_vector_reproduces_by_kernels() {
    let kernels = Watched { host: Host::new(), seen: Mutex::default() };
    let (mut compared, mut wrong) = (0, Vec::new());
    for stem in STEMS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/v1/{stem}.json"));
        for (vector, expected) in parse(stem, &std::fs::read_to_string(path).unwrap()) {
            // `torch_vectors` says why none that must be refused is ever asked.
            let Ok(want) = expected else { continue };
            let inputs: Vec<Vec<Vec<i64>>> =
                vector.inputs.iter().map(|rows| rows.iter().map(expand).collect()).collect();
            let constants = vector.constants();
            let operands = Operands {
                inputs: inputs.iter().map(|rows| rows.iter().map(Vec::as_slice).collect()).collect(),
                constants: constants
                    .iter()
                    .map(|(info, bytes)| Constant { info: *info, data: ConstantData::Rows(bytes) })
                    .collect(),
                token: vector.token,
                position: vector.position,
                row_groups: vector.row_groups,
                sampling: &vector.sampling,
            };
            let got = apply_single(&vector.op, &operands, Device::Cpu, Some(&kernels)).unwrap();
            if got != want {
                wrong.push(format!("{stem}: {}", vector.name));
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(kernels.seen.into_inner().unwrap(), BTreeSet::from(NAMES));
    assert!(compared > 100, "{compared}");
}

fn run(engine: &mut dyn Engine, model: &Model, tokens: &[u32], piece: usize) -> (Vec<Emission>, String) {
    let sequence = engine.open(Sampling::GREEDY).unwrap();
    let mut hash = ValueHash::new(model, sequence);
    let mut out = Vec::new();
    for tokens in tokens.chunks(piece) {
        let feed = [Feed { sequence, tokens, outputs_from: 4 }];
        out.extend(engine.step(&feed, Some(&mut hash)).unwrap().concat());
    }
    engine.close(sequence);
    (out, format!("{} over {} rows", hash.finish(), hash.len()))
}

#[test]
fn models_give_the_same_bits_by_kernels() {
    use Architecture::{Bert, Gemma3, Llama, Qwen2};
    for (architecture, precision, kv_bits) in [
        (Llama, Precision::W8, 16),
        (Qwen2, Precision::W16, 8),
        (Gemma3, Precision::W8, 16),
        (Bert, Precision::W8, 8),
    ] {
        let shape = Shape { window: Some(7), softcap: Some(30.0), layers: 2, ..Shape::default() };
        let native = |m: Model| Ok(Box::new(Native::new(&m, 1, None).unwrap()) as Box<dyn Engine>);
        let source = tiny::model(architecture, 7, shape);
        let bytes = import(&source, Options { precision, kv_bits }, &native, &mut |_| {}).unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        let tokens = tiny::tokens(3, 21, shape.vocabulary);
        let mut engine =
            TensorEngine::with_kernels(&model, Device::Cpu, Some(Box::new(Host::new()))).unwrap();
        let causal = model.program().is_causal();
        let want = run(&mut Reference::new(model.clone()), &model, &tokens, tokens.len());
        for piece in if causal { vec![tokens.len(), 4, 1] } else { vec![tokens.len()] } {
            let got = run(&mut engine, &model, &tokens, piece);
            assert_eq!(got, want, "{architecture:?}, {piece} at a time");
        }
        // Several sequences of different lengths in one step.
        if causal {
            let sequences = [(); 3].map(|()| engine.open(Sampling::GREEDY).unwrap());
            let fed = [&tokens[..9], &tokens[..5], &tokens[..9]];
            let feeds = [0, 1, 2].map(|i| Feed { sequence: sequences[i], tokens: fed[i], outputs_from: 4 });
            let together = engine.step(&feeds, None).unwrap();
            for (got, tokens) in together.iter().zip(fed) {
                assert_eq!(*got, want.0[..tokens.len() - 4], "{architecture:?} in company");
            }
        }
    }
}
