//! Vocabularies of SentencePiece BPE against SentencePiece itself (`tools/sentencepiece_vectors.py`).

#[path = "support/vectors.rs"]
mod vectors;

use executor::tokenizer::gguf::{GgufVocabulary, tokenizer_json};
use executor::tokenizer::{Tokenizer, TokenizerOptions};

#[derive(serde::Deserialize)]
struct Model {
    vocabulary: Vocabulary,
    vectors: Vec<serde_json::Value>,
}

#[derive(serde::Deserialize)]
struct Vocabulary {
    model: String,
    tokens: Vec<String>,
    token_types: Vec<i32>,
    scores: Vec<f32>,
    unk: u32,
    bos: u32,
    eos: u32,
    add_space_prefix: bool,
}

#[test]
fn ids_are_those_of_sentencepiece() {
    let models: Vec<Model> =
        serde_json::from_str(include_str!("data/tokenizer/sentencepiece.json")).expect("vectors");
    assert_eq!(models.len(), 2);
    for Model { vocabulary: v, vectors: lines } in models {
        let json = tokenizer_json(&GgufVocabulary {
            model: v.model,
            tokens: v.tokens,
            token_types: v.token_types,
            scores: v.scores,
            unk: Some(v.unk),
            bos: Some(v.bos),
            eos: Some(v.eos),
            add_space_prefix: v.add_space_prefix,
            ..GgufVocabulary::default()
        })
        .expect("a sound vocabulary");
        let tokenizer = Tokenizer::from_json(&json, &TokenizerOptions::default()).expect("a sound tokenizer");
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let (wrong, count) = vectors::mismatches(&tokenizer, &lines.join("\n"));
        assert!(count > 400);
        assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), vectors::listed(&wrong));
    }
}
