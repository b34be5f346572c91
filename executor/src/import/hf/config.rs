//! From `config.json` to the normalised configuration.

use crate::import::error::ImportError;
use crate::import::limits::{check_layers, real};
use crate::import::source::{Activation, Architecture, Layer, ModelConfig};

use super::fields::Fields;
use super::rope::{self, Settings};

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The supported architecture of a `model_type`.
pub(super) fn architecture(config: &Fields<'_>) -> Result<Architecture, ImportError> {
    match config.text("model_type")?.ok_or_else(|| config.missing("model_type"))? {
        "llama" | "mistral" => Ok(Architecture::Llama),
        "qwen2" => Ok(Architecture::Qwen2),
        "qwen3" => Ok(Architecture::Qwen3),
        "gemma3_text" => Ok(Architecture::Gemma3),
        "bert" => Ok(Architecture::Bert),
        "gemma3" => Err(ImportError::Unsupported(
            "model_type gemma3 with a vision tower; use the text model (gemma3_text) or a GGUF file of it"
                .into(),
        )),
        other => Err(ImportError::Unsupported(format!(
            "model_type {other}; llama, mistral, qwen2, qwen3, gemma3_text and bert are read"
        ))),
    }
}

/// The whole configuration.
pub(super) fn read(config: &Fields<'_>, architecture: Architecture) -> Result<ModelConfig, ImportError> {
    refuse_variants(config)?;
    let bert = architecture == Architecture::Bert;
    let gemma = architecture == Architecture::Gemma3;
    let layer_count = config.needed_count("num_hidden_layers")?;
    check_layers(layer_count)?;
    let width = config.needed_count("hidden_size")?;
    let heads = config.needed_count("num_attention_heads")?;
    let context = config.needed_count("max_position_embeddings")?;
    let derived = width.checked_div(heads).unwrap_or(0);
    let head_dim = match architecture {
        Architecture::Bert if derived.checked_mul(heads) != Some(width) => {
            return Err(config.wrong("hidden_size", "is no multiple of num_attention_heads"));
        }
        Architecture::Bert => derived,
        Architecture::Gemma3 => config.count("head_dim")?.unwrap_or(256),
        Architecture::Qwen3 => config.count("head_dim")?.unwrap_or(128),
        _ => config.count("head_dim")?.unwrap_or(derived),
    };
    let scale_of = match config.real("query_pre_attn_scalar")? {
        Some(scalar) if gemma => scalar,
        None if gemma => 256.0,
        _ => real(head_dim),
    };
    let rotary = |keys, base, scaled| rope::read(config, &Settings { keys, base, scaled }, head_dim, context);
    let ropes = match architecture {
        Architecture::Bert => Vec::new(),
        Architecture::Gemma3 => vec![
            rotary(("rope_theta", FULL), 1e6, true)?,
            rotary(("rope_local_base_freq", SLIDING), 1e4, false)?,
        ],
        _ => vec![rotary(("rope_theta", FULL), 1e4, true)?],
    };
    let eps = if bert { config.real("layer_norm_eps")? } else { config.real("rms_norm_eps")? };
    Ok(ModelConfig {
        architecture,
        width,
        heads,
        kv_heads: if bert { heads } else { config.count("num_key_value_heads")?.unwrap_or(heads) },
        head_dim,
        ffn: config.needed_count("intermediate_size")?,
        vocabulary: config.needed_count("vocab_size")?,
        context,
        norm_eps: eps.unwrap_or(if bert { 1e-12 } else { 1e-6 }),
        activation: activation(config, architecture)?,
        attention_scale: 1.0 / libm::sqrt(scale_of),
        embed_scale: if gemma { libm::sqrt(real(width)) } else { 1.0 },
        logit_softcap: config.real("final_logit_softcapping")?,
        ropes,
        layers: layers(config, architecture, layer_count, context)?,
        normalize_embedding: false,
    })
}

/// Settings that would make another graph.
fn refuse_variants(config: &Fields<'_>) -> Result<(), ImportError> {
    for key in ["quantization_config", "attn_logit_softcapping", "embedding_size", "compression_config"] {
        if config.get(key).is_some() {
            return Err(config.unsupported(key, "a value; the model needs arithmetic that is not there"));
        }
    }
    for key in ["num_local_experts", "num_experts", "n_routed_experts"] {
        if let Some(experts) = config.count(key)?.filter(|n| *n > 0) {
            return Err(config.unsupported(key, experts));
        }
    }
    for key in ["is_decoder", "add_cross_attention", "use_bidirectional_attention", "is_encoder_decoder"] {
        if config.bool(key)? == Some(true) {
            return Err(config.unsupported(key, true));
        }
    }
    match config.text("position_embedding_type")? {
        None | Some("absolute") => Ok(()),
        Some(other) => Err(config.unsupported("position_embedding_type", other)),
    }
}

fn activation(config: &Fields<'_>, architecture: Architecture) -> Result<Activation, ImportError> {
    let (key, default) = match architecture {
        Architecture::Gemma3 => ("hidden_activation", "gelu_pytorch_tanh"),
        Architecture::Bert => ("hidden_act", "gelu"),
        _ => ("hidden_act", "silu"),
    };
    match config.text(key)?.unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu" | "gelu_python" => Ok(Activation::Gelu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
        other => Err(config.unsupported(key, other)),
    }
}

fn layers(
    config: &Fields<'_>,
    architecture: Architecture,
    count: usize,
    context: usize,
) -> Result<Vec<Layer>, ImportError> {
    let gemma = architecture == Architecture::Gemma3;
    let used = match architecture {
        Architecture::Qwen2 | Architecture::Qwen3 => config.bool("use_sliding_window")?.unwrap_or(false),
        Architecture::Gemma3 => true,
        // Of the two that share a graph, transformers gives a window to Mistral only.
        Architecture::Llama => config.text("model_type")? == Some("mistral"),
        Architecture::Bert | Architecture::Exported => false,
    };
    let window = config.count("sliding_window")?.filter(|n| used && *n > 0 && (gemma || *n < context));
    let window = window.and_then(|n| u32::try_from(n).ok());
    let local = local_layers(config, architecture, count)?;
    if gemma && window.is_none() && local.contains(&true) {
        return Err(config.missing("sliding_window"));
    }
    if architecture == Architecture::Llama && window.is_some() && local.contains(&false) {
        return Err(config.unsupported("layer_types", "a mixture, which Mistral does not have"));
    }
    let layer = |local: bool| Layer {
        window: window.filter(|_| local),
        rope: (architecture != Architecture::Bert).then_some(usize::from(gemma && local)),
    };
    Ok(local.into_iter().map(layer).collect())
}

/// Which layers have the window, if there is one.
fn local_layers(
    config: &Fields<'_>,
    architecture: Architecture,
    count: usize,
) -> Result<Vec<bool>, ImportError> {
    if let Some(kinds) = config.list("layer_types")? {
        if kinds.len() != count {
            return Err(config.wrong("layer_types", &format!("has {} entries", kinds.len())));
        }
        let local = kinds.iter().map(|kind| match kind.as_str() {
            Some(FULL) => Ok(false),
            Some(SLIDING) => Ok(true),
            _ => Err(config.unsupported("layer_types", kind)),
        });
        return local.collect();
    }
    let local: Box<dyn Fn(usize) -> bool> = match architecture {
        Architecture::Gemma3 => {
            let own = config.count("sliding_window_pattern")?;
            let pattern = own.or(config.count("_sliding_window_pattern")?).unwrap_or(6).max(1);
            Box::new(move |layer| !(layer + 1).is_multiple_of(pattern))
        }
        Architecture::Qwen2 | Architecture::Qwen3 => {
            let first = config.count("max_window_layers")?.unwrap_or(28);
            Box::new(move |layer| layer >= first)
        }
        _ => Box::new(|_| true),
    };
    Ok((0..count).map(local).collect())
}
