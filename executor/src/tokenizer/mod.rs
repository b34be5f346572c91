//! Tokenizers and chat templates.
pub mod gguf;
