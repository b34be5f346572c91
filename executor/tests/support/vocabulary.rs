//! A byte-level BPE of any size: the bytes, then pairs of printable characters, `<s>` and `</s>` last.
//!
//! A vocabulary too small for all bytes has the printable ones first and drops the others from a text.

use serde_json::{Map, Value, json};

const PRINTABLE: usize = 94;

/// Id of the token that ends a generation.
pub fn eos_id(size: usize) -> u32 {
    (size - 1) as u32
}

/// Text of the token that begins a sequence.
pub fn bos() -> String {
    "<s>".into()
}

/// Text of the token that ends a generation.
pub fn eos() -> String {
    "</s>".into()
}

/// GPT-2's visible stand-ins for the 256 bytes: the printable ones stand for themselves.
fn alphabet() -> Vec<char> {
    let visible = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff);
    visible.chain(0x100..0x144).filter_map(char::from_u32).collect()
}

/// The two tokens that token `256 + i` is made of.
fn pair(i: usize) -> Option<(char, char)> {
    let letters = alphabet();
    (i < PRINTABLE * PRINTABLE).then(|| (letters[i / PRINTABLE], letters[i % PRINTABLE]))
}

/// All tokens by id. At least 3.
pub fn tokens(size: usize) -> Vec<String> {
    let pairs = (0..).map(|i| match pair(i) {
        Some((a, b)) => format!("{a}{b}"),
        None => format!("<unused{i}>"),
    });
    let ordinary = alphabet().into_iter().map(String::from).chain(pairs);
    ordinary.take(size - 2).chain([bos(), eos()]).collect()
}

/// The merges that make the pairs, in order.
pub fn merges(size: usize) -> Vec<String> {
    (0..size.saturating_sub(258)).map_while(pair).map(|(a, b)| format!("{a} {b}")).collect()
}

/// `tokenizer.json` of the `tokenizers` library.
pub fn tokenizer_json(size: usize) -> Vec<u8> {
    let tokens = tokens(size);
    let vocab: Map<String, Value> =
        tokens.iter().enumerate().map(|(i, t)| (t.clone(), Value::from(i))).collect();
    let special = |id: usize| {
        json!({"id": id, "content": tokens[id], "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [special(size - 2), special(size - 1)],
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                  "vocab": vocab, "merges": merges(size)},
    });
    tokenizer.to_string().into_bytes()
}
