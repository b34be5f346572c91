//! Placeholder until the tokenizer's own branch is merged.

/// The tokenizer's part of a GGUF file.
pub struct GgufVocabulary {
    /// `tokenizer.ggml.model`: gpt2 or llama.
    pub model: String,
    /// `tokenizer.ggml.pre`.
    pub pre: String,
    /// Text of the tokens.
    pub tokens: Vec<String>,
    /// Kind of each token.
    pub token_types: Vec<i32>,
    /// Score of each token.
    pub scores: Vec<f32>,
    /// Merges, in order.
    pub merges: Vec<String>,
    /// Beginning of sequence.
    pub bos: Option<u32>,
    /// End of sequence.
    pub eos: Option<u32>,
    /// Unknown.
    pub unk: Option<u32>,
    /// Is a space put before the text.
    pub add_space_prefix: bool,
}

/// The tokenizer as `tokenizer.json`.
pub fn tokenizer_json(_: &GgufVocabulary) -> Result<Vec<u8>, String> {
    Err("tokenizer conversion is not built yet".into())
}
