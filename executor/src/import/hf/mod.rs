//! Hugging Face folders: `config.json`, safetensors weights and `tokenizer.json`, as `from_pretrained` reads them.
//!
//! Llama, Mistral, Qwen 2, Qwen 3 and Gemma 3 (text) decoders, and BERT encoders of sentence-transformers. No file
//! outside the folder is opened, and nothing in it is executed.

mod bert;
mod config;
mod decoder;
mod fields;
mod folder;
mod pooling;
mod rope;
mod safetensors;
mod tokenizer;
mod weights;

use std::path::Path;

use super::error::ImportError;
use super::limits;
use super::source::{Architecture, SourceModel};

use folder::Folder;
pub(super) use tokenizer::Tokenizer;

/// Opens a folder. Its files must not be changed while the model is in use.
pub fn open(path: &Path) -> Result<SourceModel, ImportError> {
    let mut folder = Folder::new(path)?;
    let json = folder.tree("config.json")?.ok_or_else(|| {
        ImportError::Missing(format!(
            "config.json in {}; name the folder that holds the model's files",
            path.display()
        ))
    })?;
    let fields = fields::Fields::new(path.join("config.json"), &json)?;
    let architecture = config::architecture(&fields)?;
    let mut config = config::read(&fields, architecture)?;
    if architecture == Architecture::Bert {
        config.normalize_embedding = pooling::read(&mut folder, config.width)?;
    }
    limits::check(&config)?;
    let assembly = weights::open(&mut folder)?;
    let store = match architecture {
        Architecture::Bert => bert::tensors(&config, &fields, assembly)?,
        _ => decoder::tensors(&config, &fields, assembly)?,
    };
    let tokenizer = tokenizer::read(&mut folder, &fields, config.vocabulary)?;
    Ok(SourceModel {
        exported: None,
        tensors: Box::new(store),
        tokenizer_json: tokenizer.json,
        chat_template: tokenizer.chat_template,
        special_tokens: tokenizer.special_tokens,
        // BERT's post-processor frames a text by itself.
        add_bos: tokenizer.add_bos && config.architecture != Architecture::Bert,
        stop_tokens: tokenizer.stop_tokens,
        name: folder.name(fields.text("_name_or_path")?),
        format: "huggingface",
        digest: folder.digest(),
        config,
    })
}

/// The tokenizer in the folder of the file `path`, as a Hugging Face folder has it; `config.json` may be missing.
pub(super) fn tokenizer_beside(path: &Path, vocabulary: usize) -> Result<Tokenizer, ImportError> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let mut folder = Folder::new(parent.unwrap_or(Path::new(".")))?;
    let json = folder.tree("config.json")?.unwrap_or_else(|| serde_json::json!({}));
    let fields = fields::Fields::new(folder.path.join("config.json"), &json)?;
    tokenizer::read(&mut folder, &fields, vocabulary)
}

/// Checks the header of a safetensors file in memory and counts its tensors; `name` stands for its path.
pub fn inspect_weights(name: &str, bytes: &[u8]) -> Result<usize, ImportError> {
    safetensors::parse(name.as_ref(), bytes, 0).map(|tensors| tensors.len())
}

/// Checks a `model.safetensors.index.json` in memory and names its files; `name` stands for its path.
pub fn inspect_index(name: &str, bytes: &[u8]) -> Result<Vec<String>, ImportError> {
    weights::shards(name.as_ref(), bytes).map(|map| map.into_keys().collect())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
