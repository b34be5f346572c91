//! GGUF files carry a vocabulary and the name of a way to split text. This writes the `tokenizer.json` that they stand
//! for, so that a model from a GGUF file is tokenised as the model it was converted from.
//!
//! The same vocabulary always gives the same bytes: the digest of an imported model covers them.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::check::TOKENS_MAX;
use super::decode::{byte_alphabet, fallback_byte};
use super::{pre, sentencepiece};

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1 << 16;

/// The keys `tokenizer.ggml.*` of a GGUF file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufVocabulary {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece BPE).
    pub model: String,
    /// `tokenizer.ggml.pre`: how `gpt2` splits text before merging; `default` if the file has none.
    pub pre: String,
    /// The text of each token; its place is its id.
    pub tokens: Vec<String>,
    /// The kind of each token, see [`kind`].
    pub token_types: Vec<i32>,
    /// `llama`: a higher score is merged first. One per token, or none for `gpt2`.
    pub scores: Vec<f32>,
    /// `gpt2`: two tokens with a space between them, first merges first.
    pub merges: Vec<String>,
    /// Beginning of a sequence.
    pub bos: Option<u32>,
    /// End of a sequence.
    pub eos: Option<u32>,
    /// What the vocabulary cannot express.
    pub unk: Option<u32>,
    /// `llama`: does a text begin with an additional space.
    pub add_space_prefix: bool,
}

/// Values of [`GgufVocabulary::token_types`].
pub mod kind {
    /// Comes out of merges.
    pub const NORMAL: i32 = 1;
    /// Stands for what the vocabulary cannot express.
    pub const UNKNOWN: i32 = 2;
    /// Special: has a meaning, no text.
    pub const CONTROL: i32 = 3;
    /// Matched in the text before anything else.
    pub const USER_DEFINED: i32 = 4;
    /// Fills a gap.
    pub const UNUSED: i32 = 5;
    /// One byte, `<0x41>`.
    pub const BYTE: i32 = 6;
}

/// Writes the `tokenizer.json` of a vocabulary. The error says what about the vocabulary is wrong.
pub fn tokenizer_json(v: &GgufVocabulary) -> Result<Vec<u8>, String> {
    let tokens = check(v)?;
    let kinds = kinds(v, &tokens);
    let ids = index(&tokens)?;
    let parts = match v.model.as_str() {
        "gpt2" => byte_level(v, &ids)?,
        "llama" => sentencepiece::parts(v, &tokens, &kinds, &ids)?,
        other => {
            return Err(format!("tokenizer model {other:?} is not supported; gpt2 and llama are"));
        }
    };
    let file = File {
        version: "1.0",
        truncation: None,
        padding: None,
        added_tokens: added_tokens(&tokens, &kinds),
        normalizer: parts.normalizer,
        pre_tokenizer: parts.pre_tokenizer,
        post_processor: None,
        decoder: parts.decoder,
        model: Model {
            r#type: "BPE",
            dropout: None,
            unk_token: parts.unknown,
            continuing_subword_prefix: None,
            end_of_word_suffix: None,
            fuse_unk: parts.sentencepiece,
            byte_fallback: parts.sentencepiece,
            ignore_merges: parts.ignore_merges,
            vocab: ById(&tokens),
            merges: parts.merges,
        },
    };
    serde_json::to_vec(&file).map_err(|e| format!("the tokenizer cannot be written: {e}"))
}

/// What differs between the two kinds of models.
pub(super) struct Parts<'a> {
    pub(super) sentencepiece: bool,
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) decoder: Value,
    pub(super) unknown: Option<&'a str>,
    pub(super) ignore_merges: bool,
    pub(super) merges: Vec<(&'a str, &'a str)>,
}

#[derive(serde::Serialize)]
struct File<'a> {
    version: &'static str,
    truncation: Option<()>,
    padding: Option<()>,
    added_tokens: Vec<Value>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Option<()>,
    decoder: Value,
    model: Model<'a>,
}

#[derive(serde::Serialize)]
struct Model<'a> {
    r#type: &'static str,
    dropout: Option<f32>,
    unk_token: Option<&'a str>,
    continuing_subword_prefix: Option<&'a str>,
    end_of_word_suffix: Option<&'a str>,
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: ById<'a>,
    merges: Vec<(&'a str, &'a str)>,
}

/// Token to id, written in the order of ids.
struct ById<'a>(&'a [String]);

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, token) in self.0.iter().enumerate() {
            map.serialize_entry(token, &id)?;
        }
        map.end()
    }
}

/// Lengths that agree and stay within limits. Nameless tokens (padding of some files) get a name of their own, as
/// llama.cpp gives them.
fn check(v: &GgufVocabulary) -> Result<Vec<String>, String> {
    let count = v.tokens.len();
    if count == 0 || count > TOKENS_MAX || v.merges.len() > TOKENS_MAX {
        return Err(format!(
            "{count} tokens and {} merges; there must be at least one token and at most {TOKENS_MAX} of each",
            v.merges.len()
        ));
    }
    if v.token_types.len() != count {
        return Err(format!("{} token types for {count} tokens", v.token_types.len()));
    }
    if v.token_types.iter().any(|t| !(kind::NORMAL..=kind::BYTE).contains(t)) {
        return Err("a token type is not between 1 and 6".into());
    }
    for (name, id) in [("bos", v.bos), ("eos", v.eos), ("unknown", v.unk)] {
        if id.is_some_and(|id| id as usize >= count) {
            return Err(format!("the {name} token is not among the {count} tokens"));
        }
    }
    if let Some(long) = v.tokens.iter().position(|t| t.len() > TOKEN_BYTES_MAX) {
        return Err(format!("token {long} is longer than {TOKEN_BYTES_MAX} bytes"));
    }
    let name = |(id, text): (usize, &String)| {
        if text.is_empty() { format!("[EMPTY_{id}]") } else { text.clone() }
    };
    Ok(v.tokens.iter().enumerate().map(name).collect())
}

/// The kind of each token. Files err on the side of text: what begins or ends a sequence, and what is written like
/// `<|im_end|>`, is control whatever the file says, or users could write turns that are not theirs.
fn kinds(v: &GgufVocabulary, tokens: &[String]) -> Vec<i32> {
    let framed = |token: &str| {
        [("<|", "|>"), ("<｜", "｜>")].iter().any(|(open, close)| {
            token
                .strip_prefix(open)
                .and_then(|rest| rest.strip_suffix(close))
                .is_some_and(|name| !name.is_empty())
        }) || matches!(token, "<start_of_turn>" | "<end_of_turn>")
    };
    let frame = [v.bos, v.eos];
    let kinds = tokens.iter().zip(&v.token_types).zip(0u32..);
    kinds
        .map(|((token, kind), id)| match *kind {
            kind::NORMAL | kind::USER_DEFINED if frame.contains(&Some(id)) => kind::CONTROL,
            kind::USER_DEFINED if framed(token) => kind::CONTROL,
            kind => kind,
        })
        .collect()
}

fn index(tokens: &[String]) -> Result<HashMap<&str, usize>, String> {
    let mut ids = HashMap::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if let Some(first) = ids.insert(token.as_str(), id) {
            return Err(format!("tokens {first} and {id} are both {token:?}"));
        }
    }
    Ok(ids)
}

/// Control tokens are special; user-defined ones are matched in any text. The unknown token of a SentencePiece model is
/// special as well: no text names it.
fn added_tokens(tokens: &[String], kinds: &[i32]) -> Vec<Value> {
    let added = |id: usize, content: &str, special: bool| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special,
        })
    };
    tokens
        .iter()
        .zip(kinds)
        .enumerate()
        .filter_map(|(id, (token, kind))| match *kind {
            kind::CONTROL | kind::UNKNOWN => Some(added(id, token, true)),
            kind::USER_DEFINED => Some(added(id, token, false)),
            _ => None,
        })
        .collect()
}

fn byte_level<'a>(v: &'a GgufVocabulary, ids: &HashMap<&'a str, usize>) -> Result<Parts<'a>, String> {
    let split = pre::named(&v.pre)?;
    let mut merges = Vec::with_capacity(v.merges.len());
    for (rank, merge) in v.merges.iter().enumerate() {
        // A space can only be the separator: byte-level tokens write theirs as another character.
        let (left, right) = merge
            .split_once(' ')
            .ok_or_else(|| format!("merge {rank} ({merge:?}) is not a pair of tokens"))?;
        for token in [left, right, &format!("{left}{right}")] {
            if !ids.contains_key(token) {
                return Err(format!("merge {rank} ({merge:?}) names {token:?}, which is no token"));
            }
        }
        merges.push((left, right));
    }
    if !byte_alphabet().any(|c| ids.contains_key(c.encode_utf8(&mut [0; 4]) as &str)) {
        return Err("no token stands for a single byte; this is no byte-level vocabulary".into());
    }
    Ok(Parts {
        sentencepiece: false,
        normalizer: split.normalizer,
        pre_tokenizer: split.pre_tokenizer,
        decoder: json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
        unknown: None,
        ignore_merges: split.ignore_merges,
        merges,
    })
}

/// Are all 256 byte tokens there, so that any text can be expressed.
pub(super) fn has_all_bytes(tokens: &[String], kinds: &[i32]) -> bool {
    let bytes = tokens.iter().zip(kinds).filter(|(_, kind)| **kind == kind::BYTE);
    let mut seen = [false; 256];
    for (token, _) in bytes {
        if let Some(slot) = fallback_byte(token).and_then(|byte| seen.get_mut(usize::from(byte))) {
            *slot = true;
        }
    }
    seen.iter().all(|seen| *seen)
}
