//! The tokenizer's part of the metadata.

use crate::import::error::ImportError;
use crate::import::files::malformed;
use crate::import::limits::{VOCABULARY_BYTES_MAX, VOCABULARY_MAX};
use crate::tokenizer::gguf::GgufVocabulary;

use super::keys::Keys;

/// Tokens that end a generation whatever the metadata says, when the vocabulary has them (llama.cpp's habit).
const END_OF_GENERATION: [&str; 12] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "<|end_of_text|>",
    "<end_of_utterance>",
];

/// Pre-tokenizers whose models begin with the beginning-of-sequence token unless the file says otherwise.
const BEGIN_BY_DEFAULT: [&str; 5] = ["llama3", "llama-v3", "llama-bpe", "falcon3", "tekken"];

/// Reads the vocabulary, which must have `size` tokens.
pub(super) fn read(keys: &Keys<'_>, size: usize) -> Result<GgufVocabulary, ImportError> {
    let wrong = |key: &str, reason: String| malformed(keys.path, format!("tokenizer.ggml.{key} {reason}"));
    let model = keys.text("tokenizer.ggml.model")?.ok_or_else(|| keys.missing("tokenizer.ggml.model"))?;
    let tokens = keys.array("tokenizer.ggml.tokens")?.ok_or_else(|| keys.missing("tokenizer.ggml.tokens"))?;
    if tokens.count != size || size > VOCABULARY_MAX {
        let reason = format!("has {} entries, the embedding {size} rows", tokens.count);
        return Err(wrong("tokens", reason));
    }
    let per_token = |key: &str, count: usize| match count == size {
        true => Ok(()),
        false => Err(wrong(key, format!("has {count} entries for {size} tokens"))),
    };
    let token_types = match keys.array("tokenizer.ggml.token_type")? {
        None => Vec::new(),
        Some(array) => {
            per_token("token_type", array.count)?;
            array.integers().map_err(|reason| wrong("token_type", reason))?
        }
    };
    let scores = match keys.array("tokenizer.ggml.scores")? {
        None => Vec::new(),
        Some(array) => {
            per_token("scores", array.count)?;
            array.floats().map_err(|reason| wrong("scores", reason))?
        }
    };
    let merges = match keys.array("tokenizer.ggml.merges")? {
        None => Vec::new(),
        Some(array) if array.count > VOCABULARY_MAX => {
            return Err(wrong("merges", format!("has {} entries, more than {VOCABULARY_MAX}", array.count)));
        }
        Some(array) => array.texts(VOCABULARY_BYTES_MAX).map_err(|reason| wrong("merges", reason))?,
    };
    Ok(GgufVocabulary {
        model: model.to_string(),
        pre: keys.text("tokenizer.ggml.pre")?.unwrap_or("default").to_string(),
        tokens: tokens.texts(VOCABULARY_BYTES_MAX).map_err(|reason| wrong("tokens", reason))?,
        token_types,
        scores,
        merges,
        bos: token(keys, "bos_token_id", size)?,
        eos: token(keys, "eos_token_id", size)?,
        unk: token(keys, "unknown_token_id", size)?,
        add_space_prefix: keys.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(model == "llama"),
    })
}

/// A token id of the metadata, which must be in the vocabulary.
fn token(keys: &Keys<'_>, name: &str, size: usize) -> Result<Option<u32>, ImportError> {
    let Some(id) = keys.count(&format!("tokenizer.ggml.{name}"))? else {
        return Ok(None);
    };
    match u32::try_from(id) {
        Ok(small) if id < size => Ok(Some(small)),
        // Files without such a token say -1.
        Ok(u32::MAX) => Ok(None),
        _ => Err(malformed(keys.path, format!("tokenizer.ggml.{name} is {id}, past the {size} tokens"))),
    }
}

/// The ids that end a generation, ascending.
pub(super) fn stop_tokens(keys: &Keys<'_>, vocabulary: &GgufVocabulary) -> Result<Vec<u32>, ImportError> {
    let mut stop: Vec<u32> = vocabulary.eos.into_iter().collect();
    for name in ["eot_token_id", "eom_token_id"] {
        stop.extend(token(keys, name, vocabulary.tokens.len())?);
    }
    let by_text = (0u32..).zip(&vocabulary.tokens).filter(|(_, t)| END_OF_GENERATION.contains(&t.as_str()));
    stop.extend(by_text.map(|(id, _)| id));
    stop.sort_unstable();
    stop.dedup();
    Ok(stop)
}

/// Text of the special tokens that chat templates name.
pub(super) fn special_tokens(
    keys: &Keys<'_>,
    vocabulary: &GgufVocabulary,
) -> Result<Vec<(String, String)>, ImportError> {
    let pad = token(keys, "padding_token_id", vocabulary.tokens.len())?;
    let named = [
        ("bos_token", vocabulary.bos),
        ("eos_token", vocabulary.eos),
        ("unk_token", vocabulary.unk),
        ("pad_token", pad),
    ];
    let text = |id: u32| vocabulary.tokens.get(usize::try_from(id).ok()?).cloned();
    Ok(named.into_iter().filter_map(|(name, id)| Some((name.to_string(), text(id?)?))).collect())
}

/// Does an encoded prompt begin with the beginning-of-sequence token.
pub(super) fn add_bos(keys: &Keys<'_>, vocabulary: &GgufVocabulary) -> Result<bool, ImportError> {
    let default = vocabulary.model == "llama" || BEGIN_BY_DEFAULT.contains(&vocabulary.pre.as_str());
    Ok(vocabulary.bos.is_some() && keys.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(default))
}
