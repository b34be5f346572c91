//! What a `tokenizer.json` must satisfy before the library sees it.
//!
//! The library trusts its files: merges that do not fit the vocabulary make it panic, tokens with the same id make it
//! depend on the order of a hash map, dropout makes it random. Here such files are refused, with the reason.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TokenizerError;

/// Longest file, in bytes. The largest published ones (a quarter of a million tokens) have 35 MB.
pub(super) const JSON_BYTES_MAX: usize = 128 << 20;
/// Highest token id, plus one.
pub(super) const TOKENS_MAX: usize = 1 << 22;

/// What the check learned on its way.
#[derive(Debug)]
pub(super) struct Facts {
    /// One more than the highest id.
    pub(super) size: usize,
    /// The token that stands for what the vocabulary cannot express.
    pub(super) unknown: Option<u32>,
    /// Added tokens and the ids that the file gives them.
    pub(super) added: Vec<(String, u32)>,
}

/// Parses and checks a file; returns it without its truncation and padding.
pub(super) fn parse(json: &[u8]) -> Result<(Value, Facts), TokenizerError> {
    if json.len() > JSON_BYTES_MAX {
        return Err(malformed(format!("{} bytes, at most {JSON_BYTES_MAX} are read", json.len())));
    }
    let mut file: Value = serde_json::from_slice(json).map_err(|e| malformed(e.to_string()))?;
    let root = file.as_object_mut().ok_or_else(|| malformed("not an object"))?;
    root.remove("truncation");
    root.remove("padding");
    let model = root.get("model").and_then(Value::as_object).ok_or_else(|| malformed("no model"))?;
    let vocab = model.get("vocab").and_then(Value::as_object).ok_or_else(|| malformed("no vocabulary"))?;
    check_model(model, vocab)?;
    check_decoder(root.get("decoder").unwrap_or(&Value::Null))?;

    let mut by_id = BTreeMap::new();
    for (text, id) in vocab {
        claim(&mut by_id, text, token_id(text, Some(id))?)?;
    }
    let mut added = Vec::new();
    for token in root.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        let text = token.get("content").and_then(Value::as_str).unwrap_or_default();
        if text.is_empty() {
            return Err(malformed("an added token has no content"));
        }
        let id = token_id(text, token.get("id"))?;
        claim(&mut by_id, text, id)?;
        added.push((text.to_owned(), id));
    }
    let size = by_id.last_key_value().map_or(0, |(id, _)| *id as usize + 1);
    let unknown = model.get("unk_token").and_then(Value::as_str);
    let unknown = unknown.and_then(|text| by_id.iter().find(|(_, t)| *t == text)).map(|(id, _)| *id);
    Ok((file, Facts { size, unknown, added }))
}

fn malformed(reason: impl Into<String>) -> TokenizerError {
    TokenizerError::Malformed(reason.into())
}

fn token_id(text: &str, id: Option<&Value>) -> Result<u32, TokenizerError> {
    id.and_then(Value::as_u64)
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| (*id as usize) < TOKENS_MAX)
        .ok_or_else(|| malformed(format!("token {text:?} has no id below {TOKENS_MAX}")))
}

/// Gives `id` to `text`; a second text for the same id is refused.
fn claim(by_id: &mut BTreeMap<u32, String>, text: &str, id: u32) -> Result<(), TokenizerError> {
    match by_id.insert(id, text.to_owned()) {
        Some(other) if other != text => {
            Err(malformed(format!("tokens {other:?} and {text:?} have the same id {id}")))
        }
        _ => Ok(()),
    }
}

fn check_model(model: &Map<String, Value>, vocab: &Map<String, Value>) -> Result<(), TokenizerError> {
    if let Some(text) = model.get("unk_token").and_then(Value::as_str)
        && !vocab.contains_key(text)
    {
        return Err(malformed(format!("unknown token {text:?} is not in the vocabulary")));
    }
    match model.get("type").and_then(Value::as_str) {
        Some("WordPiece") => Ok(()),
        Some("BPE") => check_bpe(model, vocab),
        other => Err(TokenizerError::Unsupported(format!(
            "model type {}; BPE and WordPiece are supported",
            other.unwrap_or("not given")
        ))),
    }
}

fn check_bpe(model: &Map<String, Value>, vocab: &Map<String, Value>) -> Result<(), TokenizerError> {
    if model.get("dropout").and_then(Value::as_f64).is_some_and(|p| p != 0.0) {
        return Err(TokenizerError::Unsupported(
            "dropout makes every encoding random; set it to null".into(),
        ));
    }
    for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model.get(affix).and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
            return Err(TokenizerError::Unsupported(format!("BPE with a {affix}")));
        }
    }
    let merges = model.get("merges").and_then(Value::as_array).ok_or_else(|| malformed("no merges"))?;
    for (rank, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Value::String(text) => text.split_once(' '),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
                _ => None,
            },
            _ => None,
        };
        let (left, right) = pair.ok_or_else(|| malformed(format!("merge {rank} is not a pair of tokens")))?;
        for token in [left, right, &format!("{left}{right}")] {
            if !vocab.contains_key(token) {
                return Err(malformed(format!("merge {rank} names {token:?}, which is no token")));
            }
        }
    }
    Ok(())
}

/// Only decoders under which the text of a token depends on the token and on whether it is the first: that is what
/// makes streaming exact.
fn check_decoder(decoder: &Value) -> Result<(), TokenizerError> {
    match decoder.get("type").and_then(Value::as_str) {
        Some("ByteLevel" | "WordPiece" | "Metaspace") => Ok(()),
        Some("Sequence") => {
            let steps = decoder.get("decoders").and_then(Value::as_array);
            steps.into_iter().flatten().try_for_each(check_step)
        }
        other => Err(TokenizerError::Unsupported(format!(
            "decoder {}; ByteLevel, WordPiece, Metaspace and sequences of Replace, ByteFallback, Fuse, Strip are supported",
            other.unwrap_or("not given")
        ))),
    }
}

fn check_step(step: &Value) -> Result<(), TokenizerError> {
    let refuse = |what: String| Err(TokenizerError::Unsupported(format!("{what} in a decoder sequence")));
    match step.get("type").and_then(Value::as_str) {
        Some("Replace" | "ByteFallback" | "Fuse" | "Metaspace") => Ok(()),
        Some("Strip") if step.get("stop").and_then(Value::as_u64) == Some(0) => Ok(()),
        Some("Strip") => refuse("Strip at the end of the text".into()),
        other => refuse(other.unwrap_or("a decoder without type").to_owned()),
    }
}
