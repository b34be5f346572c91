//! An integer program is as good as the model it was made from, measured on text that no import has seen.

mod support;

use std::path::Path;

use executor::check::run::{Report, Side, embeddings, languages};
use executor::engine::Engine;
use executor::import::lower::Options;
use executor::import::run::import_into;
use executor::import::source::SourceModel;
use executor::import::weights::Precision;
use executor::import::{gguf, hf};
use executor::model::Model;
use executor::native::Native;
use executor::tokenizer::Tokenizer;
use support::models::model_source;

const PROSE: &str = include_str!("data/prose.txt");
const SENTENCES: &str = include_str!("data/sentences.txt");
const TOKENS: usize = 4096;
const WINDOW: usize = 512;
const THREADS: usize = 2;

fn imported(source: &SourceModel, precision: Precision, kv_bits: u32, folder: &Path) -> Model {
    let engine = |m: Model| Ok(Box::new(Native::new(&m, THREADS, None).unwrap()) as Box<dyn Engine>);
    let path = import_into(source, Options { precision, kv_bits }, &engine, folder, &mut |_| {}).unwrap();
    Model::open(&path).unwrap()
}

fn tokenizer(source: &SourceModel) -> Tokenizer {
    Tokenizer::of_model(&source.tokenizer_json, source.add_bos, &source.special_tokens).unwrap()
}

/// Prints what was found, and the steps with the largest errors.
fn print(name: &str, report: &Report) {
    println!("{name}: {} tokens, saturated {}", report.tokens, report.saturated);
    println!("  headroom {} bits at {}", report.headroom_bits, report.headroom_step);
    if let Some(l) = &report.language {
        let change = 100.0 * (l.perplexity_integer / l.perplexity_float - 1.0);
        println!("  perplexity {:.4} -> {:.4} ({change:+.3} %)", l.perplexity_float, l.perplexity_integer);
        println!(
            "  KL mean {:.7} max {:.6}, same top {:.4}",
            l.divergence_mean, l.divergence_max, l.same_top_share
        );
    }
    if let Some(e) = &report.embedding {
        println!("  cosine mean {:.7} min {:.7}", e.cosine_mean, e.cosine_min);
        println!("  ranking: {:.5} of all couples of sentence pairs in the same order", e.ranking_agreement);
        println!("  nearest sentence unchanged: {:.4}", e.same_nearest_share);
    }
    let mut steps: Vec<_> = report.steps.iter().collect();
    steps.sort_by(|a, b| b.relative_error.total_cmp(&a.relative_error));
    for step in &steps[..6] {
        println!("  {:.6} {} ({} bits)", step.relative_error, step.name, step.headroom_bits);
    }
}

#[test]
fn smollm2_predicts_as_its_float_original() {
    let source = gguf::open(&model_source("smollm2")).unwrap();
    let mut tokens = tokenizer(&source).encode(PROSE, false).unwrap();
    assert!(tokens.len() >= TOKENS, "the prose has {} tokens", tokens.len());
    tokens.truncate(TOKENS);
    // Precision, KV bits, greatest KL.
    let cases = [(Precision::W8, 16, 0.006), (Precision::W8, 8, 0.009), (Precision::W16, 16, 0.0001)];
    let folder = tempfile::tempdir().unwrap();
    let models = cases.map(|(precision, kv_bits, _)| {
        imported(&source, precision, kv_bits, &folder.path().join(format!("{precision:?}{kv_bits}")))
    });
    let mut engines: Vec<Native> = models.iter().map(|m| Native::new(m, THREADS, None).unwrap()).collect();
    let side = |(model, engine)| Side { model, engine };
    let mut sides: Vec<Side<'_>> =
        models.iter().zip(engines.iter_mut().map(|e| e as &mut dyn Engine)).map(side).collect();
    let reports = languages(&source, &mut sides, &tokens, WINDOW, &mut |_, _| {}).unwrap();
    for ((precision, kv_bits, _), report) in cases.iter().zip(&reports) {
        print(&format!("SmolLM2 {precision:?} KV i{kv_bits}"), report);
    }
    for ((precision, kv_bits, divergence), report) in cases.iter().zip(&reports) {
        let language = report.language.as_ref().unwrap();
        let case = format!("{precision:?} KV i{kv_bits}: {language:?}");
        assert!(language.divergence_mean <= *divergence, "{case}");
        assert_eq!(report.saturated, 0, "{case}");
        assert!(report.headroom_bits >= 1, "{case}");
        if *kv_bits == 16 {
            assert!((language.perplexity_integer / language.perplexity_float - 1.0).abs() <= 0.005, "{case}");
        }
    }
}

#[test]
fn minilm_places_sentences_as_its_float_original() {
    let source = hf::open(&model_source("minilm")).unwrap();
    let tokenizer = tokenizer(&source);
    let sentences: Vec<Vec<u32>> =
        SENTENCES.lines().map(|line| tokenizer.encode(line, false).unwrap()).collect();
    assert_eq!(sentences.len(), 200);
    let folder = tempfile::tempdir().unwrap();
    // Precision, least cosine of a sentence, least agreement of the ranking.
    for (precision, cosine, ranking) in [(Precision::W16, 0.999_999, 0.999), (Precision::W8, 0.9995, 0.99)] {
        let model = imported(&source, precision, 16, &folder.path().join(format!("{precision:?}")));
        let mut engine = Native::new(&model, THREADS, None).unwrap();
        let report = embeddings(&source, &model, &mut engine, &sentences, &mut |_, _| {}).unwrap();
        print(&format!("MiniLM {precision:?}"), &report);
        let embedding = report.embedding.as_ref().unwrap();
        assert!(embedding.cosine_min >= cosine, "{precision:?}: {embedding:?}");
        assert!(embedding.ranking_agreement >= ranking, "{precision:?}: {embedding:?}");
        assert_eq!(report.saturated, 0, "{precision:?}");
        assert!(report.headroom_bits >= 1, "{precision:?}: {}", report.headroom_step);
    }
}

#[test]
fn another_source_is_refused() {
    use executor::import::source::Architecture;
    let tiny = |seed, layers| {
        support::tiny::model(Architecture::Llama, seed, support::tiny::Shape { layers, ..Default::default() })
    };
    let folder = tempfile::tempdir().unwrap();
    let model = imported(&tiny(1, 2), Precision::W8, 16, folder.path());
    let check = |source: &SourceModel, tokens: &[u32]| {
        let mut engine = Native::new(&model, 1, None).unwrap();
        executor::check::run::language(source, &model, &mut engine, tokens, 4, &mut |_, _| {})
            .map_err(|e| e.to_string())
    };
    let tokens = support::tiny::tokens(1, 11, 288);
    let report = check(&tiny(1, 2), &tokens).unwrap();
    assert_eq!((report.tokens, report.steps.len()), (11, model.steps().len()));
    assert!(check(&tiny(1, 3), &tokens).unwrap_err().contains("another source"));
    let digest = SourceModel { digest: [1; 32], ..tiny(1, 2) };
    assert!(check(&digest, &tokens).unwrap_err().contains("another source"));
    assert!(check(&tiny(1, 2), &tokens[..1]).unwrap_err().contains("two tokens"));
}
