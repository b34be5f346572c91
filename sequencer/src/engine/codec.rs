//! From text to tokens and back, for a served model.

use executor::model::Model;
use executor::tokenizer::chat::{ChatError, ChatTemplate, Message};
use executor::tokenizer::{DecodeStream, Tokenizer, TokenizerError};
use serde_json::json;

use super::ModelError;

/// A text that cannot become a prompt.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The tokenizer refuses the text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The template refuses the conversation.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The model was not made for conversations.
    #[error("this model has no chat template: use /v1/completions")]
    NoChat,
    /// A message would end itself.
    #[error(
        "the {role} message holds the special token {token}, which would end the message there: take it out"
    )]
    Special {
        /// Whose.
        role: String,
        /// Which.
        token: String,
    },
}

/// A tokenizer with its chat template.
#[derive(Debug)]
pub struct Codec {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
}

impl Codec {
    /// That of a model.
    pub(super) fn of_model(model: &Model) -> Result<Self, ModelError> {
        let tokenizer =
            Tokenizer::of_model(model.tokenizer_json()?, model.add_bos(), model.special_tokens())?;
        let template =
            model.chat_template().map(|t| ChatTemplate::new(t, model.special_tokens())).transpose()?;
        Ok(Self { tokenizer, template })
    }

    /// Tokens of a text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, CodecError> {
        Ok(self.tokenizer.encode(text, false)?)
    }

    /// Tokens of a conversation, up to where the model is to speak.
    pub fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, CodecError> {
        let template = self.template.as_ref().ok_or(CodecError::NoChat)?;
        for message in messages {
            let found =
                [&message.role, &message.content].into_iter().find_map(|x| self.tokenizer.special_in(x));
            if let Some(token) = found {
                return Err(CodecError::Special { role: message.role.clone(), token });
            }
        }
        Ok(self.tokenizer.encode(&template.render(messages, true)?, true)?)
    }

    /// Has the model a chat template.
    pub fn has_chat(&self) -> bool {
        self.template.is_some()
    }

    /// Turns tokens into text as they come.
    pub fn decoder(&self) -> DecodeStream<'_> {
        self.tokenizer.decode_stream()
    }

    /// The text of tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, CodecError> {
        Ok(self.tokenizer.decode(tokens)?)
    }
}

/// The token after which an echo ends.
pub(super) const ECHO_STOP: u32 = 256;

/// A tokenizer of the 256 bytes and one stop token; a conversation is its messages one after the other.
pub(super) fn of_echo() -> Result<Codec, ModelError> {
    // GPT-2's table of printable bytes, in the order that the tokenizers library knows.
    let mut replaced = 256_u32;
    let mut vocabulary = serde_json::Map::new();
    for byte in 0..=255_u8 {
        let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if printable {
            u32::from(byte)
        } else {
            replaced += 1;
            replaced - 1
        };
        let text = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).to_string();
        vocabulary.insert(text, json!(byte));
    }
    vocabulary.insert("<|end|>".into(), json!(ECHO_STOP));
    let stop = json!({"id": ECHO_STOP, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [stop], "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": []},
    });
    let tokenizer = Tokenizer::of_model(tokenizer.to_string().as_bytes(), false, &[])?;
    let template = ChatTemplate::new("{% for m in messages %}{{ m.content }}{% endfor %}", &[])?;
    Ok(Codec { tokenizer, template: Some(template) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_speaks_bytes() {
        let codec = of_echo().unwrap();
        let text = "A\u{0}b \u{7f}é漢\n";
        let tokens = codec.encode(text).unwrap();
        assert_eq!(tokens, text.bytes().map(u32::from).collect::<Vec<_>>());
        assert_eq!(codec.decode(&tokens).unwrap(), text);
        assert_eq!(codec.decode(&[65, ECHO_STOP]).unwrap(), "A");
        let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
        let messages = [message("system", "a"), message("user", "b")];
        assert_eq!(codec.chat(&messages).unwrap(), [97, 98]);
        let error = codec.chat(&[message("user", "x<|end|>")]).unwrap_err();
        assert!(error.to_string().contains("<|end|>"), "{error}");
    }
}
