//! SentencePiece BPE models (GGUF's `llama`: Llama 2, Gemma) in terms of the `tokenizers` library.
//!
//! SentencePiece joins the neighbours whose union has the highest score; the library joins by the rank of the pair. The
//! pairs are derived as `transformers` derives them when it converts such a model: every way to cut a piece in two
//! pieces, ordered by the score of the whole, then by the lengths of the halves, longer first.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::gguf::{GgufVocabulary, Parts, has_all_bytes, kind};

/// Longest piece that may come out of merges, in bytes: finding the cuts of a piece is quadratic in it.
const PIECE_BYTES_MAX: usize = 512;
/// All pieces together, in bytes.
const PIECES_BYTES_MAX: usize = 32 << 20;
/// SentencePiece's space.
const SPACE: &str = "\u{2581}";

/// Everything but the vocabulary of the `tokenizer.json`.
pub(super) fn parts<'a>(
    v: &GgufVocabulary,
    tokens: &'a [String],
    kinds: &[i32],
    ids: &HashMap<&'a str, usize>,
) -> Result<Parts<'a>, String> {
    if v.scores.len() != tokens.len() {
        return Err(format!("{} scores for {} tokens", v.scores.len(), tokens.len()));
    }
    if let Some(id) = v.scores.iter().position(|score| score.is_nan()) {
        return Err(format!("the score of token {id} is not a number"));
    }
    if !has_all_bytes(tokens, kinds) {
        return Err("not all of the tokens <0x00> to <0xFF> are there; texts could not be expressed".into());
    }
    let unknown = v.unk.and_then(|id| tokens.get(id as usize)).map(String::as_str);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    let normalizer = if v.add_space_prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, replace]})
    } else {
        replace
    };
    Ok(Parts {
        sentencepiece: true,
        normalizer,
        pre_tokenizer: Value::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        unknown,
        ignore_merges: false,
        merges: merges(&v.scores, tokens, kinds, ids)?,
    })
}

struct Cut<'a> {
    left: &'a str,
    right: &'a str,
    score: f32,
    /// Ids of piece, left and right: the order among equals.
    ids: (usize, usize, usize),
}

impl Cut<'_> {
    /// Earlier merges first.
    fn order(&self, other: &Self) -> Ordering {
        let lengths = |cut: &Self| (cut.left.chars().count(), cut.right.chars().count());
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| lengths(other).cmp(&lengths(self)))
            .then_with(|| self.ids.cmp(&other.ids))
    }
}

fn merges<'a>(
    scores: &[f32],
    tokens: &'a [String],
    kinds: &[i32],
    ids: &HashMap<&'a str, usize>,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let merged =
        |id: usize| matches!(kinds.get(id), Some(&(kind::NORMAL | kind::USER_DEFINED | kind::UNUSED)));
    let mut bytes = 0;
    let mut cuts = Vec::new();
    for (id, (token, score)) in tokens.iter().zip(scores).enumerate().filter(|(id, _)| merged(*id)) {
        if kinds.get(id) != Some(&kind::NORMAL) && token.len() > PIECE_BYTES_MAX {
            continue;
        }
        bytes += token.len();
        if token.len() > PIECE_BYTES_MAX || bytes > PIECES_BYTES_MAX {
            return Err(format!(
                "piece {id} has {} bytes, the pieces up to it {bytes}; at most {PIECE_BYTES_MAX} and {PIECES_BYTES_MAX} are supported",
                token.len()
            ));
        }
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) else {
                continue;
            };
            if merged(l) && merged(r) {
                // -0.0 and 0.0 are one score.
                cuts.push(Cut { left, right, score: score + 0.0, ids: (id, l, r) });
            }
        }
    }
    cuts.sort_by(Cut::order);
    Ok(cuts.into_iter().map(|cut| (cut.left, cut.right)).collect())
}
