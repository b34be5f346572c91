//! all-MiniLM-L6-v2's tokenizer against Python's `tokenizers` (`tools/minilm_vectors.py`).

#[path = "support/models.rs"]
mod models;
#[path = "support/vectors.rs"]
mod vectors;

use executor::tokenizer::{Tokenizer, TokenizerError, TokenizerOptions};

fn minilm() -> Tokenizer {
    let file = models::model_source("minilm").join("tokenizer.json");
    let json = std::fs::read(file).expect("the file is readable");
    let special_tokens = ["[CLS]", "[SEP]", "[MASK]"].map(String::from).to_vec();
    let options = TokenizerOptions { special_tokens, ..TokenizerOptions::default() };
    Tokenizer::from_json(&json, &options).expect("the tokenizer loads")
}

#[test]
fn ids_are_those_of_python_without_truncation() {
    let (wrong, count) = vectors::mismatches(&minilm(), include_str!("data/tokenizer/minilm.jsonl"));
    assert_eq!(count, 20);
    assert!(wrong.is_empty(), "{}", vectors::listed(&wrong));
}

#[test]
fn user_text_cannot_name_special_tokens() {
    let tokenizer = minilm();
    let sep = tokenizer.token_to_id("[SEP]").expect("a token");
    let plain = tokenizer.encode("a [SEP] b", false).expect("ids");
    assert_eq!(plain.iter().filter(|id| **id == sep).count(), 1);
    assert!(tokenizer.encode("a [SEP] b", true).expect("ids").contains(&sep));
    assert_eq!(tokenizer.special_in("a [SEP] b [CLS]").as_deref(), Some("[SEP]"));
    assert_eq!(tokenizer.special_in("a b"), None);
}

#[test]
fn decodes_words_and_refuses_strangers() {
    let tokenizer = minilm();
    assert_eq!(tokenizer.vocabulary_size(), 30_522);
    let ids = tokenizer.encode("Hello, unbelievable world!", false).expect("ids");
    assert_eq!(tokenizer.decode(&ids).as_deref(), Ok("hello, unbelievable world!"));
    assert_eq!(tokenizer.decode(&[30_522]), Err(TokenizerError::UnknownId { id: 30_522, size: 30_522 }));
}
