//! From token ids to text, one token at a time.
//!
//! A token stands for bytes, and a character may be spread over several tokens. Text is therefore given out only up to
//! the last boundary between characters; the rest waits for the next token. What has come out in pieces is exactly
//! what [`String::from_utf8_lossy`] makes of all the bytes at once.

use std::collections::HashMap;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::tokenizer::Decoder;

use super::{Tokenizer, TokenizerError, guarded};

/// How the text in the vocabulary becomes the bytes that a token stands for.
pub(super) enum Pieces {
    /// Every byte is written as one printable character (GPT-2's table).
    ByteLevel(HashMap<char, u8>),
    /// The library's decoder, asked about single tokens.
    Chain(DecoderWrapper),
}

/// Stands before a token when the decoder is asked what the token is in the middle of a text.
const BEFORE: &str = "a";

impl Pieces {
    pub(super) fn new(library: &tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        match library.get_decoder() {
            Some(DecoderWrapper::ByteLevel(_)) => Ok(Self::ByteLevel(byte_alphabet().zip(0..=255).collect())),
            Some(decoder) => Ok(Self::Chain(decoder.clone())),
            None => Err(TokenizerError::Unsupported("no decoder".into())),
        }
    }

    /// Bytes of one token; `first` if no text came before it, `added` if it is no product of the byte-level model.
    fn bytes(&self, token: &str, first: bool, added: bool) -> Result<Vec<u8>, TokenizerError> {
        let decoder = match self {
            Self::ByteLevel(_) if added => return Ok(token.as_bytes().to_vec()),
            Self::ByteLevel(table) => {
                let bytes: Option<Vec<u8>> = token.chars().map(|c| table.get(&c).copied()).collect();
                return Ok(bytes.unwrap_or_else(|| token.as_bytes().to_vec()));
            }
            Self::Chain(decoder) => decoder,
        };
        if let Some(byte) = fallback_byte(token).filter(|byte| !byte.is_ascii()) {
            return Ok(vec![byte]);
        }
        let mut chain = vec![BEFORE.to_owned(), token.to_owned()];
        if first {
            chain.remove(0);
        }
        let text = guarded(|| decoder.decode(chain)).map_err(TokenizerError::Text)?;
        let own = if first { &text } else { text.strip_prefix(BEFORE).unwrap_or(&text) };
        Ok(own.as_bytes().to_vec())
    }
}

/// GPT-2's table: the character that stands for each byte, from 0 to 255. Printable bytes of Latin-1 stand for
/// themselves, the others take the code points from 256 on, in order.
pub(super) fn byte_alphabet() -> impl Iterator<Item = char> {
    let mut replaced = 0..;
    (0..=255u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        _ => {
            replaced.next().and_then(|n: u32| char::from_u32(256 + n)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    })
}

/// The byte of a token `<0xE2>`.
pub(super) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || digits.starts_with('+') {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// Decodes ids as they come; see [`Tokenizer::decode_stream`].
#[derive(Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a Tokenizer,
    /// The beginning of a character whose end has not come yet: at most three bytes.
    pending: Vec<u8>,
    started: bool,
}

impl<'a> DecodeStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, pending: Vec::new(), started: false }
    }

    /// The text that `id` completes; empty for special tokens and where a character is still unfinished.
    /// After an error the stream is as it was before.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        let token = self.tokenizer.known(id)?;
        if self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        let bytes = self.tokenizer.pieces.bytes(&token, !self.started, self.tokenizer.is_added(id))?;
        self.started = true;
        self.pending.extend(bytes);
        Ok(take_complete(&mut self.pending))
    }

    /// What is left when no more ids come: nothing, or U+FFFD for an unfinished character.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Takes all text out of `bytes` but an unfinished character at the end.
fn take_complete(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut rest = bytes.as_slice();
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                rest = &[];
                break;
            }
            Err(error) => {
                let (valid, broken) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                match error.error_len() {
                    Some(length) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        rest = broken.get(length..).unwrap_or_default();
                    }
                    None => {
                        rest = broken;
                        break;
                    }
                }
            }
        }
    }
    *bytes = rest.to_vec();
    text
}
