//! Tokenizers and chat templates: from text to token ids and back.
//!
//! The work is done by the `tokenizers` library, which is what Hugging Face models are published with. This module
//! decides what may be loaded (`check`), what users may write (special tokens in user text stay text), and how ids
//! become text while a model is still generating ([`DecodeStream`]). GGUF files carry only a vocabulary: [`gguf`]
//! writes the `tokenizer.json` that belongs to it, so that every model goes through the same code.

pub mod chat;
mod check;
mod decode;
mod error;
pub mod gguf;
mod pre;
mod python;
mod sentencepiece;
mod stop_strings;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{AddedToken, AddedVocabulary, Model, OffsetType, PreTokenizer, Result as LibraryResult};

pub use decode::DecodeStream;
pub use error::TokenizerError;
pub use stop_strings::StopStrings;

/// What a model says about its tokenizer outside `tokenizer.json`.
#[derive(Clone, Debug, Default)]
pub struct TokenizerOptions {
    /// Does encoded user text begin with `bos`. Needed only where the post-processor of the file does not add it.
    pub add_bos: bool,
    /// The beginning-of-sequence token.
    pub bos: Option<u32>,
    /// Texts of tokens that are special even if the file does not mark them so. Each must be in the vocabulary.
    pub special_tokens: Vec<String>,
}

/// A loaded tokenizer. Cheap to share behind an `Arc`; never changes.
pub struct Tokenizer {
    /// Takes special tokens in text as plain text.
    library: tokenizers::Tokenizer,
    /// The same added tokens, but recognised in text.
    recognising: AddedVocabulary,
    special: BTreeSet<u32>,
    unknown: Option<u32>,
    bos: Option<u32>,
    size: usize,
    pieces: decode::Pieces,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Loads a `tokenizer.json`. Truncation and padding that the file asks for are dropped: the length of a prompt is
    /// the caller's to decide, and a silently shortened prompt would be a different computation.
    pub fn from_json(json: &[u8], options: &TokenizerOptions) -> Result<Self, TokenizerError> {
        let (value, facts) = check::parse(json)?;
        let mut library: tokenizers::Tokenizer =
            guarded(|| Ok(serde_json::from_value(value)?)).map_err(TokenizerError::Malformed)?;
        for (text, id) in &facts.added {
            if library.token_to_id(text) != Some(*id) {
                return Err(TokenizerError::Malformed(format!(
                    "added token {text:?} has id {id}, but the tokens before it leave it another one: \
                     list added tokens in the order of their ids and without gaps"
                )));
            }
        }
        add_special(&mut library, &options.special_tokens)?;
        let bos = if options.add_bos { options.bos } else { None };
        if options.add_bos && bos.is_none_or(|id| library.id_to_token(id).is_none()) {
            return Err(TokenizerError::Malformed(
                "the model wants a beginning-of-sequence token, but names none of its vocabulary".into(),
            ));
        }
        let special = library
            .get_added_tokens_decoder()
            .into_iter()
            .filter_map(|(id, token)| token.special.then_some(id))
            .collect();
        library.set_encode_special_tokens(false);
        let recognising = library.get_added_vocabulary().clone();
        library.set_encode_special_tokens(true);
        let pieces = decode::Pieces::new(&library)?;
        Ok(Self { library, recognising, special, unknown: facts.unknown, bos, size: facts.size, pieces })
    }

    /// The tokenizer of a model: its `tokenizer.json`, whether it adds a beginning-of-sequence token, and the texts of
    /// its special tokens by name (`bos_token`, ...). Texts that are not in the vocabulary are left to the template.
    pub fn of_model(
        json: &[u8],
        add_bos: bool,
        special_tokens: &[(String, String)],
    ) -> Result<Self, TokenizerError> {
        let plain = Self::from_json(json, &TokenizerOptions::default())?;
        let known = |text: &String| plain.token_to_id(text).is_some();
        let bos = special_tokens.iter().find(|(name, _)| name == "bos_token");
        let options = TokenizerOptions {
            add_bos,
            bos: bos.and_then(|(_, text)| plain.token_to_id(text)),
            special_tokens: special_tokens.iter().map(|(_, text)| text.clone()).filter(known).collect(),
        };
        let already = |text: &String| plain.token_to_id(text).is_some_and(|id| plain.is_special(id));
        if !add_bos && options.special_tokens.iter().all(already) {
            return Ok(plain);
        }
        Self::from_json(json, &options)
    }

    /// Token ids of `text`.
    ///
    /// With `allow_special` false, `text` comes from a user: special tokens written in it are encoded as the plain
    /// characters that they are, and what the model frames a text with is added (BERT's `[CLS]` and `[SEP]`, a
    /// beginning-of-sequence token). With `allow_special` true, `text` was rendered by a chat template: special tokens
    /// in it are recognised, and nothing is added, because the template has written the frame itself.
    pub fn encode(&self, text: &str, allow_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let added = if allow_special { &self.recognising } else { self.library.get_added_vocabulary() };
        let plain = guarded(|| {
            let mut parts = added.extract_and_normalize(self.library.get_normalizer(), text);
            if let Some(pre_tokenizer) = self.library.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut parts)?;
            }
            self.library.get_model().tokenize_in_pretokenized(&mut parts, None)?;
            parts.into_encoding(None, 0, OffsetType::None)
        })
        .map_err(TokenizerError::Text)?;
        if !allow_special {
            let forged =
                plain.get_ids().iter().find(|id| self.special.contains(id) && self.unknown != Some(**id));
            if let Some(id) = forged {
                return Err(TokenizerError::SpecialFromText(*id));
            }
        }
        let framed = guarded(|| self.library.post_process(plain, None, !allow_special))
            .map_err(TokenizerError::Text)?;
        let bos = self.bos.filter(|bos| !allow_special && framed.get_ids().first() != Some(bos));
        let ids: Vec<u32> = bos.into_iter().chain(framed.get_ids().iter().copied()).collect();
        for id in &ids {
            self.known(*id)?;
        }
        Ok(ids)
    }

    /// Text of `ids`, special tokens left out. Bytes that are not UTF-8 become U+FFFD, as in
    /// [`String::from_utf8_lossy`]. The same text comes out of a [`DecodeStream`] piece by piece.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut stream = self.decode_stream();
        let mut text = String::new();
        for id in ids {
            text.push_str(&stream.push(*id)?);
        }
        text.push_str(&stream.finish());
        Ok(text)
    }

    /// Starts to decode ids that arrive one at a time.
    pub fn decode_stream(&self) -> DecodeStream<'_> {
        DecodeStream::new(self)
    }

    /// One more than the highest token id. The model's embedding may have more rows (padding), never fewer.
    pub fn vocabulary_size(&self) -> usize {
        self.size
    }

    /// The id of a token, by its text in the vocabulary (not of a piece of text).
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.library.token_to_id(token)
    }

    /// The text of a token in the vocabulary (byte-level tokens are not readable text: see [`Tokenizer::decode`]).
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.library.id_to_token(id)
    }

    /// Is this a special token, which never comes from user text and leaves no text when decoded.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// The first special token written in `text`, if any. A chat template renders user text beside its own special
    /// tokens, and the result is encoded as one: a service asks this of each message to keep users from writing a
    /// turn that is not theirs.
    pub fn special_in(&self, text: &str) -> Option<String> {
        let tokens = self.special.iter().filter_map(|id| self.library.id_to_token(*id));
        tokens.filter_map(|token| text.find(&token).map(|at| (at, token))).min().map(|(_, token)| token)
    }

    fn is_added(&self, id: u32) -> bool {
        self.library.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id)
    }

    fn known(&self, id: u32) -> Result<String, TokenizerError> {
        self.library.id_to_token(id).ok_or(TokenizerError::UnknownId { id, size: self.size })
    }
}

/// Marks tokens of the vocabulary as special; keeps the properties of those that the file declares special already.
fn add_special(library: &mut tokenizers::Tokenizer, texts: &[String]) -> Result<(), TokenizerError> {
    for text in texts {
        let Some(id) = library.token_to_id(text) else {
            return Err(TokenizerError::Malformed(format!(
                "special token {text:?} is not in the vocabulary: take it out of the model's special tokens"
            )));
        };
        if library.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special) {
            continue;
        }
        let token = AddedToken::from(text.as_str(), true);
        guarded(|| library.add_special_tokens([token])).map_err(TokenizerError::Malformed)?;
    }
    Ok(())
}

/// Runs the library. It has panics of its own on inputs nobody foresaw (a regular expression that gives up, a broken
/// table); a request must not bring a node down, so they become errors like any other.
fn guarded<T>(work: impl FnOnce() -> LibraryResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the tokenizers library gave up on this input".into()),
    }
}
