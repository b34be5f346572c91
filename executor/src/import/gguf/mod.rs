//! GGUF files: language models of the Llama, Qwen 2, Qwen 3 and Gemma 3 families.
//!
//! A file is mapped, its header checked whole (sizes, counts, names, overlaps), and its weights are decoded row by
//! row when they are asked for. Whatever the reader does not know is refused by name.

pub(super) mod dequant;
pub(super) mod k_quants;

mod config;
mod cursor;
mod file;
mod keys;
mod model;
mod value;
mod vocabulary;

use std::path::Path;
use std::sync::Arc;

use super::error::ImportError;
use super::files;
use super::source::SourceModel;

/// Opens a GGUF file. The file must not be changed while the model is in use.
pub fn open(path: &Path) -> Result<SourceModel, ImportError> {
    model::read(path, &files::map(path)?)
}

/// Reads a GGUF file that is already in memory; `name` stands for its path.
pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<SourceModel, ImportError> {
    let bytes: files::Bytes = Arc::new(bytes);
    model::read(name.as_ref(), &bytes)
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
