//! The exported programs of the tests, made by `tools/export_pt2.py`, and what they give.

use std::path::{Path, PathBuf};

use executor::check::float::FloatModel;
use executor::engine::{Emission, Engine, Feed};
use executor::import::lower::Options;
use executor::import::pt2;
use executor::import::run::import;
use executor::import::source::SourceModel;
use executor::import::weights::Precision;
use executor::kernels::Sampling;
use executor::model::Model;
use executor::native::Native;
use executor::program::Output;
use executor::reference::Reference;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::vocabulary;

pub const THREADS: usize = 2;
pub const W8: Options = Options { precision: Precision::W8, kv_bits: 16 };

pub fn data(name: &str) -> PathBuf {
    // From any package of the workspace: the tests of the binary use the same files.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/tests/data/pt2").join(name)
}

pub fn recorded<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(data(name)).unwrap()).unwrap()
}

#[derive(Deserialize)]
pub struct Told {
    pub tokens: Vec<u32>,
    pub output: Vec<f64>,
}

#[derive(Deserialize)]
pub struct Tiny {
    pub decoder: Told,
    pub ops: Told,
    pub encoder: Told,
    pub padded: Told,
}

#[derive(Deserialize)]
pub struct Digits {
    pub images: Vec<Vec<u32>>,
    pub labels: Vec<usize>,
    pub cnn: Vec<Vec<f64>>,
    pub mlp: Vec<Vec<f64>>,
}

/// The file with a tokenizer beside it: a program of text is not read without.
pub fn with_tokenizer(name: &str, folder: &Path, vocabulary: usize) -> SourceModel {
    let path = folder.join(name);
    std::fs::copy(data(name), &path).unwrap();
    std::fs::write(folder.join("tokenizer.json"), vocabulary::tokenizer_json(vocabulary)).unwrap();
    pt2::open(&path).unwrap()
}

pub fn float(source: &SourceModel) -> FloatModel {
    FloatModel::new(&source.graph(), &source.config, &*source.tensors).unwrap()
}

/// The model, its formats chosen by a pilot run on a back end.
pub fn model(source: &SourceModel, pilot: &dyn Fn(Model) -> Box<dyn Engine>) -> Model {
    let bytes = import(source, W8, &|model| Ok(pilot(model)), &mut |_| {}).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    model.verify().unwrap();
    model
}

pub fn native(model: Model) -> Box<dyn Engine> {
    Box::new(Native::new(&model, THREADS, None).unwrap())
}

pub fn reference(model: Model) -> Box<dyn Engine> {
    Box::new(Reference::new(model))
}

/// The program on the reference kernels.
pub fn imported(source: &SourceModel) -> Box<dyn Engine> {
    reference(model(source, &reference))
}

pub fn emission(engine: &mut dyn Engine, tokens: &[u32]) -> Emission {
    let sequence = engine.open(Sampling::GREEDY).unwrap();
    let outputs_from = tokens.len() as u32 - 1;
    let out = engine.step(&[Feed { sequence, tokens, outputs_from }], None).unwrap();
    engine.close(sequence);
    out[0][0].clone()
}

pub fn vector(engine: &mut dyn Engine, tokens: &[u32]) -> Vec<f64> {
    let Output::Vector { fraction, .. } = engine.program().interface.output else { panic!("no vector") };
    let Emission::Vector(values) = emission(engine, tokens) else { panic!("no vector") };
    values.iter().map(|x| f64::from(*x) * f64::from(-fraction).exp2()).collect()
}

pub fn largest(values: &[f64]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap()
}

/// Largest difference as a share of the largest value.
pub fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    ours.iter().zip(theirs).fold(0.0, |max: f64, (o, t)| max.max((o - t).abs())) / scale
}

pub fn last_row(y: &[f32], width: usize) -> Vec<f64> {
    y[y.len() - width..].iter().map(|x| f64::from(*x)).collect()
}
