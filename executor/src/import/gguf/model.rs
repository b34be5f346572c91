//! From a parsed file to a model.

use std::path::Path;

use crate::import::digest;
use crate::import::error::ImportError;
use crate::import::files::Bytes;
use crate::import::limits;
use crate::import::source::{Architecture, ModelConfig, SourceModel};
use crate::import::store::{Assembly, Layout, Store};
use crate::tokenizer::gguf::{GgufVocabulary, tokenizer_json};

use super::config::{self, Hints};
use super::file;
use super::keys::Keys;
use super::vocabulary;

/// Reads a model; `path` gives it a name if it has none, and is for error messages.
pub(super) fn read(path: &Path, bytes: &Bytes) -> Result<SourceModel, ImportError> {
    let (model, vocabulary) = understand(path, bytes)?;
    let tokenizer_json = tokenizer_json(&vocabulary)
        .map_err(|reason| ImportError::Unsupported(format!("the tokenizer: {reason}")))?;
    Ok(SourceModel { tokenizer_json, digest: digest::keccak256((**bytes).as_ref()), ..model })
}

/// Everything but the converted tokenizer and the digest, which is the one slow step.
pub(super) fn understand(path: &Path, bytes: &Bytes) -> Result<(SourceModel, GgufVocabulary), ImportError> {
    let content = (**bytes).as_ref();
    let parsed = file::parse(path, content)?;
    let keys = Keys::new(path, &parsed.metadata)?;
    config::architecture(keys.architecture)?;
    let mut assembly = Assembly::new(vec![bytes.clone()], parsed.tensors);
    let hints = Hints {
        vocabulary: assembly.shape("token_embd.weight").and_then(|shape| shape.first().copied()).ok_or_else(
            || ImportError::Missing("tensor token_embd.weight; the file is no language model".into()),
        )?,
        rope_divisors: rope_divisors(&keys, &mut assembly)?,
    };
    let config = config::config(&keys, hints)?;
    limits::check(&config)?;
    keys.refuse_unknown()?;
    let store = tensors(&keys, &config, assembly)?;
    let vocabulary = vocabulary::read(&keys, config.vocabulary)?;
    let name = match keys.text("general.name")? {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
    };
    let model = SourceModel {
        exported: None,
        tensors: Box::new(store),
        chat_template: keys.text("tokenizer.chat_template")?.map(str::to_string),
        special_tokens: vocabulary::special_tokens(&keys, &vocabulary)?,
        add_bos: vocabulary::add_bos(&keys, &vocabulary)?,
        stop_tokens: vocabulary::stop_tokens(&keys, &vocabulary)?,
        tokenizer_json: Vec::new(),
        name,
        format: "gguf",
        digest: [0; 32],
        config,
    };
    Ok((model, vocabulary))
}

/// Llama 3's frequency divisors, which llama.cpp applies in Llama graphs only.
fn rope_divisors(keys: &Keys<'_>, assembly: &mut Assembly) -> Result<Option<Vec<f64>>, ImportError> {
    const NAME: &str = "rope_freqs.weight";
    if config::architecture(keys.architecture)? != Architecture::Llama || !assembly.has(NAME) {
        return Ok(None);
    }
    let values = assembly.take_values(NAME, config::rotated(keys)? / 2)?;
    Ok(Some(values.into_iter().map(f64::from).collect()))
}

fn tensors(keys: &Keys<'_>, config: &ModelConfig, mut assembly: Assembly) -> Result<Store, ImportError> {
    let (width, vocabulary) = (config.width, config.vocabulary);
    assembly.take("token_embd.weight", "embed", &[vocabulary, width], Layout::AsStored)?;
    assembly.take("output_norm.weight", "final_norm", &[width], Layout::AsStored)?;
    assembly.take_optional("output.weight", "head", &[vocabulary, width], Layout::AsStored)?;
    let rows = match config.architecture {
        Architecture::Llama => {
            Layout::Interleaved { head_dim: config.head_dim, rotated: config::rotated(keys)? }
        }
        _ => Layout::AsStored,
    };
    for layer in 0..config.layers.len() {
        attention(config, layer, rows, &mut assembly)?;
        feed_forward(config, layer, &mut assembly)?;
    }
    assembly.finish()
}

fn attention(
    config: &ModelConfig,
    layer: usize,
    rows: Layout,
    assembly: &mut Assembly,
) -> Result<(), ImportError> {
    let ModelConfig { width, head_dim, .. } = *config;
    let (query, value) = (config.heads * head_dim, config.kv_heads * head_dim);
    let weight = |name: &str| format!("blk.{layer}.{name}.weight");
    let to = |name: &str| format!("layers.{layer}.{name}");
    let stored = Layout::AsStored;
    assembly.take(&weight("attn_norm"), &to("attn_norm"), &[width], stored)?;
    let products = [
        ("attn_q", "q", query, width, rows),
        ("attn_k", "k", value, width, rows),
        ("attn_v", "v", value, width, stored),
        ("attn_output", "o", width, query, stored),
    ];
    for (source, name, out, input, layout) in products {
        assembly.take(&weight(source), &to(name), &[out, input], layout)?;
        let (bias, name) = (format!("blk.{layer}.{source}.bias"), format!("layers.{layer}.{name}_bias"));
        let there = assembly.take_optional(&bias, &name, &[out], layout)?;
        if !there && config.architecture == Architecture::Qwen2 && source != "attn_output" {
            return Err(ImportError::Missing(format!("tensor {bias}, which every Qwen2 model has")));
        }
    }
    if matches!(config.architecture, Architecture::Qwen3 | Architecture::Gemma3) {
        assembly.take(&weight("attn_q_norm"), &to("q_norm"), &[head_dim], stored)?;
        assembly.take(&weight("attn_k_norm"), &to("k_norm"), &[head_dim], stored)?;
    }
    if config.architecture == Architecture::Gemma3 {
        assembly.take(&weight("post_attention_norm"), &to("post_attn_norm"), &[width], stored)?;
    }
    Ok(())
}

fn feed_forward(config: &ModelConfig, layer: usize, assembly: &mut Assembly) -> Result<(), ImportError> {
    let ModelConfig { width, ffn, .. } = *config;
    let weight = |name: &str| format!("blk.{layer}.{name}.weight");
    let to = |name: &str| format!("layers.{layer}.{name}");
    let stored = Layout::AsStored;
    assembly.take(&weight("ffn_norm"), &to("ffn_norm"), &[width], stored)?;
    assembly.take(&weight("ffn_gate"), &to("gate"), &[ffn, width], stored)?;
    assembly.take(&weight("ffn_up"), &to("up"), &[ffn, width], stored)?;
    assembly.take(&weight("ffn_down"), &to("down"), &[width, ffn], stored)?;
    if config.architecture == Architecture::Gemma3 {
        assembly.take(&weight("post_ffw_norm"), &to("post_ffn_norm"), &[width], stored)?;
    }
    Ok(())
}
