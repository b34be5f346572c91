//! Why a tokenizer or a chat template cannot do its work.

/// A refusal by a tokenizer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenizerError {
    /// The `tokenizer.json` does not hold what the format promises.
    #[error("tokenizer.json is malformed: {0}")]
    Malformed(String),
    /// The `tokenizer.json` is sound but asks for something that is not supported.
    #[error("tokenizer not supported: {0}")]
    Unsupported(String),
    /// The text cannot be encoded with this vocabulary.
    #[error("text cannot be encoded: {0}; shorten or change the text")]
    Text(String),
    /// The vocabulary would make a special token out of plain text.
    #[error("text cannot be encoded: it would produce special token {0}; change the text")]
    SpecialFromText(u32),
    /// No such token.
    #[error(
        "token id {id} is not in the vocabulary of {size} tokens; use the tokenizer that belongs to the model"
    )]
    UnknownId {
        /// The id asked for.
        id: u32,
        /// One more than the highest id.
        size: usize,
    },
}
