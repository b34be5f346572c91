//! Items of small models of every architecture, greedy and sampled: what traces are made of in tests.

use std::ops::ControlFlow;

use executor::engine::{Emission, Engine, Feed};
use executor::generate::{Request, generate};
use executor::import::lower::Options;
use executor::import::run::import;
use executor::import::source::Architecture;
use executor::import::weights::Precision;
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::program::Output;
use executor::trace::{Published, Subject};

use super::tiny::{self, Shape};
use super::vision;

/// A request that samples.
pub const SAMPLED: Sampling =
    Sampling { temperature: 60_000, top_k: 40, top_p: 60_000, min_p: 700, seed: [7; 32] };

/// Imports a small model.
pub fn model(architecture: Architecture, shape: Shape, kv_bits: u32) -> Model {
    Model::from_bytes(&artefact(architecture, shape, kv_bits)).unwrap()
}

/// The bytes of a small model.
pub fn artefact(architecture: Architecture, shape: Shape, kv_bits: u32) -> Vec<u8> {
    let engine = |m: Model| Ok(Box::new(Native::new(&m, 1, None).unwrap()) as Box<dyn Engine>);
    let source = tiny::model(architecture, 3, shape);
    let options = Options { precision: Precision::W8, kv_bits };
    import(&source, options, &engine, &mut |_| {}).unwrap()
}

/// A right output of a model.
pub fn published(model: &Model, prompt: &[u32], sampling: Sampling, max_tokens: u32) -> Published {
    let mut engine = Native::new(model, 2, None).unwrap();
    if let Output::Tokens { .. } = model.program().interface.output {
        let request = Request { prompt: prompt.to_vec(), sampling, max_tokens };
        let made = generate(&mut engine, &request, &mut |_| ControlFlow::Continue(())).unwrap();
        return Published::Tokens(made.output);
    }
    let sequence = engine.open(sampling).unwrap();
    let emissions = engine.step(&[Feed { sequence, tokens: prompt, outputs_from: 0 }], None).unwrap();
    match emissions.concat().pop().unwrap() {
        Emission::Vector(vector) => Published::Vector(vector),
        Emission::Token(_) => unreachable!(),
    }
}

/// An item of a small model, with its right output.
pub struct Item {
    /// The model.
    pub model: Model,
    /// The prompt.
    pub prompt: Vec<u32>,
    /// What the request says.
    pub sampling: Sampling,
    /// What the model gives.
    pub output: Published,
}

impl Item {
    /// With a prompt of so many tokens.
    pub fn new(architecture: Architecture, sampling: Sampling, prompt: usize) -> Self {
        let window = (architecture == Architecture::Llama).then_some(7);
        let shape = Shape { layers: 2, window, ..Shape::default() };
        let model = model(architecture, shape, if architecture == Architecture::Qwen3 { 8 } else { 16 });
        let prompt = tiny::tokens(5, prompt, shape.vocabulary);
        let output = published(&model, &prompt, sampling, 11);
        Self { model, prompt, sampling, output }
    }

    /// A picture for a classifier, with its classes.
    pub fn picture(model: Model, seed: u64) -> Self {
        let prompt = vision::picture(seed, model.program().interface.context as usize);
        let output = published(&model, &prompt, Sampling::GREEDY, 1);
        Self { model, prompt, sampling: Sampling::GREEDY, output }
    }

    /// Of every architecture, greedy and sampled, and of classifiers.
    pub fn all() -> Vec<Self> {
        use Architecture::{Bert, Gemma3, Llama, Qwen2, Qwen3};
        vec![
            Self::new(Llama, Sampling::GREEDY, 9),
            Self::new(Llama, SAMPLED, 1),
            Self::new(Qwen2, Sampling::GREEDY, 5),
            Self::new(Qwen3, SAMPLED, 4),
            Self::new(Gemma3, SAMPLED, 8),
            Self::new(Bert, Sampling::GREEDY, 21),
            Self::picture(vision::cnn(1, 5, 3), 2),
            Self::picture(vision::perceptron(2, 30, 20), 3),
        ]
    }

    /// What is published.
    pub fn subject(&self) -> Subject {
        Subject::new(&self.model, self.sampling, self.prompt.clone(), self.output.clone())
    }
}
