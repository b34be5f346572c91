//! Importers: from what people publish (GGUF files, Hugging Face folders, exported PyTorch programs) to a program of exact integers.
//!
//! A reader turns a file or a folder into a [`source::SourceModel`]: one normalised description, tensors under
//! one set of names, the tokenizer. What comes after a reader does not know which one it was.

pub mod architecture;
pub(crate) mod chain;
pub mod error;
pub mod gguf;
pub mod graph;
pub mod hf;
pub mod lower;
pub mod numbers;
pub mod pilot;
pub mod pt2;
pub mod run;
pub mod source;

mod digest;
mod encoding;
mod files;
mod limits;
mod rope;
mod store;
mod tables;
pub mod weights;
