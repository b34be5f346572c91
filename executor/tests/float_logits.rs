//! The float side is the model that its authors published: its logits are those of llama.cpp and of transformers,
//! whether a model comes from memory, from a GGUF file or from a Hugging Face folder.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use executor::check::float::FloatModel;
use executor::import::graph::{Graph, Head, Operation, StepId};
use executor::import::source::{Architecture, SourceModel};
use executor::import::{architecture, gguf, hf};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use support::{cases, cases::Case, models::model_source};

/// Share of the largest logit. Others sum in another order, all of them in f32, and six digits are kept; 9e-6 was seen.
const TOLERANCE: f64 = 3e-5;
/// llama.cpp looks GELU up in a table of 16-bit floats.
const TOLERANCE_F16_GELU: f64 = 1e-2;

#[derive(Deserialize)]
struct Reference {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    references: BTreeMap<String, Vec<Vec<f64>>>,
}

fn recorded<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/logits/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn float(source: &SourceModel) -> FloatModel {
    let graph = architecture::graph(&source.config, &*source.tensors);
    FloatModel::new(&graph, &source.config, &*source.tensors).unwrap()
}

fn logits(source: &SourceModel, tokens: &[u32]) -> Vec<f32> {
    float(source).forward(tokens, &mut |_, _| {}).unwrap()
}

/// Largest difference as a share of the largest value.
fn distance(ours: &[f32], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    ours.iter().zip(theirs).fold(0.0, |max: f64, (o, t)| max.max((f64::from(*o) - t).abs())) / scale
}

#[test]
fn logits_are_those_of_other_implementations() {
    for case in cases::all() {
        let reference: Reference = recorded(case.name);
        let source = case.model();
        assert_eq!(reference.tokens, case.tokens(), "{}: run tools/reference_logits.py again", case.name);
        let y = logits(&source, &reference.tokens);
        let bert = source.config.architecture == Architecture::Bert;
        let width = if bert { source.config.width } else { source.config.vocabulary };
        let rows = reference.positions.iter().map(|p| if bert { 0 } else { *p });
        let ours: Vec<f32> = rows.flat_map(|p| y[p * width..(p + 1) * width].to_vec()).collect();
        assert_eq!(reference.references.len(), 1 + usize::from(case.gguf), "{}", case.name);
        for (name, theirs) in &reference.references {
            let f16_gelu =
                source.config.architecture == Architecture::Gemma3 && name.starts_with("llama.cpp");
            let tolerance = if f16_gelu { TOLERANCE_F16_GELU } else { TOLERANCE };
            let distance = distance(&ours, &theirs.concat());
            println!("{}: {distance:.1e} from {name}", case.name);
            assert!(distance <= tolerance, "{}: {distance} from {name}", case.name);
        }
    }
}

fn same_model(case: &Case, original: &SourceModel, read: &SourceModel) {
    assert_eq!(original.config, read.config, "{} as {}", case.name, read.format);
    let tokens = case.tokens();
    assert_eq!(logits(original, &tokens), logits(read, &tokens), "{} as {}", case.name, read.format);
}

#[test]
fn a_model_read_from_a_folder_is_the_model_written() {
    for case in cases::all() {
        let folder = tempfile::tempdir().unwrap();
        let original = case.model();
        support::hugging_face::write(&original, folder.path());
        same_model(&case, &original, &hf::open(folder.path()).unwrap());
    }
}

#[test]
fn a_model_read_from_a_gguf_file_is_the_model_written() {
    for case in cases::all().into_iter().filter(|case| case.gguf) {
        let folder = tempfile::tempdir().unwrap();
        let original = case.model();
        let file = folder.path().join("tiny.gguf");
        support::gguf::write(&original, &file);
        same_model(&case, &original, &gguf::open(&file).unwrap());
    }
}

#[test]
fn every_step_is_seen_once_in_order_with_its_width() {
    for case in cases::all() {
        let (model, tokens) = (float(&case.model()), case.tokens());
        let steps = &model.graph().steps;
        let mut next = 0;
        let mut last = Vec::new();
        let result = model.forward(&tokens, &mut |step, values| {
            assert_eq!(step, StepId(next));
            next += 1;
            let encoder_end = steps[step.0].outputs_only && matches!(model.graph().head, Head::Vector(_));
            let rows = if encoder_end { 1 } else { tokens.len() };
            assert_eq!(values.len(), rows * steps[step.0].width, "{}", steps[step.0].name);
            last = values.to_vec();
        });
        assert_eq!(next, steps.len());
        assert_eq!(result.unwrap(), last);
    }
}

#[test]
fn what_no_table_holds_is_refused_by_name() {
    let error = |case: &Case, tokens: &[u32]| {
        float(&case.model()).forward(tokens, &mut |_, _| {}).unwrap_err().to_string()
    };
    let cases = cases::all();
    let unknown = error(&cases[0], &[0, 288]);
    assert!(unknown.contains("refused at embed") && unknown.contains("288"), "{unknown}");
    let bert = cases.iter().find(|case| case.name == "bert").unwrap();
    let long = error(bert, &[1; 257]);
    assert!(long.contains("refused at position_embed") && long.contains("256"), "{long}");
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let source = cases::all()[0].model();
    let good = architecture::graph(&source.config, &*source.tensors);
    let refused = |change: &dyn Fn(&mut Graph)| {
        let mut graph = good.clone();
        change(&mut graph);
        FloatModel::new(&graph, &source.config, &*source.tensors).err().unwrap().to_string()
    };
    let step = |name: &str| good.steps.iter().position(|step| step.name == name).unwrap();
    let (q, norm) = (step("layers.1.q"), step("layers.1.ffn_norm"));
    for (change, named) in [
        (refused(&|g| g.steps[q].width += 1), "layers.1.q"),
        (refused(&|g| g.steps[norm].width = 0), "layers.1.ffn_norm"),
        (refused(&|g| g.head = Head::Logits(StepId(9999))), "result"),
        (refused(&|g| g.steps[norm].operation = Operation::Pool { x: StepId(norm) }), "layers.1.ffn_norm"),
        (
            refused(&|g| match &mut g.steps[q].operation {
                Operation::Linear { weights, .. } => *weights = "nowhere".into(),
                _ => unreachable!(),
            }),
            "nowhere",
        ),
    ] {
        assert!(change.contains(named), "{change}");
    }
}

#[derive(Deserialize)]
struct Sentences {
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    text: String,
    tokens: Vec<u32>,
    embedding: Vec<f64>,
}

#[test]
fn embeddings_of_minilm_are_those_of_transformers() {
    let source = hf::open(&model_source("minilm")).unwrap();
    let model = float(&source);
    for sentence in recorded::<Sentences>("all-MiniLM-L6-v2").sentences {
        let vector = model.forward(&sentence.tokens, &mut |_, _| {}).unwrap();
        let distance = distance(&vector[..sentence.embedding.len()], &sentence.embedding);
        println!("{distance:.1e}: {}", sentence.text);
        assert!(distance <= TOLERANCE, "{distance}: {}", sentence.text);
    }
}

#[derive(Deserialize)]
struct Sampled {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    /// The most probable token at each of the positions.
    tops: Vec<usize>,
    /// Some tokens.
    ids: Vec<usize>,
    /// Their logits at each of the positions.
    logits: Vec<Vec<f64>>,
}

#[test]
fn logits_of_smollm2_are_those_of_llama_cpp() {
    let source = gguf::open(&model_source("smollm2")).unwrap();
    let reference: Sampled = recorded("SmolLM2-135M-Instruct");
    let y = logits(&source, &reference.tokens);
    let rows: Vec<&[f32]> = y.chunks(source.config.vocabulary).collect();
    let sampled = |p: &usize| reference.ids.iter().map(|id| rows[*p][*id]).collect::<Vec<f32>>();
    let ours: Vec<f32> = reference.positions.iter().flat_map(sampled).collect();
    let distance = distance(&ours, &reference.logits.concat());
    println!("{distance:.1e}");
    assert!(distance <= TOLERANCE, "{distance}");
    for (p, top) in reference.positions.iter().zip(&reference.tops) {
        assert!(rows[*p].iter().all(|x| *x <= rows[*p][*top]), "position {p}");
    }
}
