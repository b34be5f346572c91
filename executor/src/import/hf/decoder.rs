//! Tensor names of the decoders.

use crate::import::error::ImportError;
use crate::import::source::{Architecture, ModelConfig};
use crate::import::store::{Assembly, Layout, Store};

use super::fields::Fields;

/// Gives every tensor its canonical name.
pub(super) fn tensors(
    config: &ModelConfig,
    fields: &Fields<'_>,
    mut assembly: Assembly,
) -> Result<Store, ImportError> {
    let (width, vocabulary) = (config.width, config.vocabulary);
    let prefix = if assembly.has("embed_tokens.weight") { "" } else { "model." };
    // Buffers that old checkpoints carry; they are computed from the configuration.
    assembly.ignore(|name| name.ends_with(".rotary_emb.inv_freq"));
    let embed = format!("{prefix}embed_tokens.weight");
    assembly.take(&embed, "embed", &[vocabulary, width], Layout::AsStored)?;
    assembly.take(&format!("{prefix}norm.weight"), "final_norm", &[width], gain(config))?;
    head(config, fields, &mut assembly)?;
    for layer in 0..config.layers.len() {
        attention(config, prefix, layer, &mut assembly)?;
        feed_forward(config, prefix, layer, &mut assembly)?;
    }
    assembly.finish()
}

/// The head is its own tensor, or the embedding again.
fn head(config: &ModelConfig, fields: &Fields<'_>, assembly: &mut Assembly) -> Result<(), ImportError> {
    const HEAD: &str = "lm_head.weight";
    let shape = [config.vocabulary, config.width];
    match fields.bool("tie_word_embeddings")? {
        Some(false) => assembly.take(HEAD, "head", &shape, Layout::AsStored),
        Some(true) => {
            assembly.ignore_copy(HEAD, "embed");
            Ok(())
        }
        None => assembly.take_optional(HEAD, "head", &shape, Layout::AsStored).map(|_| ()),
    }
}

fn gain(config: &ModelConfig) -> Layout {
    if config.architecture == Architecture::Gemma3 { Layout::AddOne } else { Layout::AsStored }
}

fn attention(
    config: &ModelConfig,
    prefix: &str,
    layer: usize,
    assembly: &mut Assembly,
) -> Result<(), ImportError> {
    let ModelConfig { width, head_dim, .. } = *config;
    let (query, value) = (config.heads * head_dim, config.kv_heads * head_dim);
    let from = |name: &str| format!("{prefix}layers.{layer}.{name}");
    let to = |name: &str| format!("layers.{layer}.{name}");
    assembly.take(&from("input_layernorm.weight"), &to("attn_norm"), &[width], gain(config))?;
    for (name, out, input) in
        [("q", query, width), ("k", value, width), ("v", value, width), ("o", width, query)]
    {
        let (weight, bias) = (format!("self_attn.{name}_proj.weight"), format!("self_attn.{name}_proj.bias"));
        assembly.take(&from(&weight), &to(name), &[out, input], Layout::AsStored)?;
        let there =
            assembly.take_optional(&from(&bias), &to(&format!("{name}_bias")), &[out], Layout::AsStored)?;
        if !there && config.architecture == Architecture::Qwen2 && name != "o" {
            let missing = format!("tensor {}, which every Qwen2 model has", from(&bias));
            return Err(ImportError::Missing(missing));
        }
    }
    if matches!(config.architecture, Architecture::Qwen3 | Architecture::Gemma3) {
        assembly.take(&from("self_attn.q_norm.weight"), &to("q_norm"), &[head_dim], gain(config))?;
        assembly.take(&from("self_attn.k_norm.weight"), &to("k_norm"), &[head_dim], gain(config))?;
    }
    Ok(())
}

fn feed_forward(
    config: &ModelConfig,
    prefix: &str,
    layer: usize,
    assembly: &mut Assembly,
) -> Result<(), ImportError> {
    let ModelConfig { width, ffn, .. } = *config;
    let from = |name: &str| format!("{prefix}layers.{layer}.{name}.weight");
    let to = |name: &str| format!("layers.{layer}.{name}");
    let norms: &[(&str, &str)] = match config.architecture {
        Architecture::Gemma3 => &[
            ("post_attention_layernorm", "post_attn_norm"),
            ("pre_feedforward_layernorm", "ffn_norm"),
            ("post_feedforward_layernorm", "post_ffn_norm"),
        ],
        _ => &[("post_attention_layernorm", "ffn_norm")],
    };
    for (source, name) in norms {
        assembly.take(&from(source), &to(name), &[width], gain(config))?;
    }
    for (name, out, input) in [("gate", ffn, width), ("up", ffn, width), ("down", width, ffn)] {
        let source = format!("mlp.{name}_proj");
        assembly.take(&from(&source), &to(name), &[out, input], Layout::AsStored)?;
    }
    Ok(())
}
