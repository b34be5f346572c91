//! From GGUF metadata to the normalised configuration.

use crate::import::error::ImportError;
use crate::import::files::malformed;
use crate::import::limits::{check_layers, real};
use crate::import::rope::{Scaling, table, yarn_magnitude};
use crate::import::source::{Activation, Architecture, Layer, ModelConfig, Rope};

use super::keys::Keys;
use super::value::Value;

/// Every sixth layer of Gemma 3 sees everything, unless the file says otherwise.
const GEMMA_PATTERN: usize = 6;
/// Gemma 3's rotary base in layers with a window.
const GEMMA_LOCAL_BASE: f64 = 10_000.0;
/// Layers of Gemma 3 27B, the one size whose attention scale is not 1/sqrt(head_dim).
const GEMMA_27B_LAYERS: usize = 62;

/// What the tensors say about the configuration.
pub(super) struct Hints {
    /// Rows of the embedding.
    pub(super) vocabulary: usize,
    /// Divisors of the rotary frequencies, if the file carries them.
    pub(super) rope_divisors: Option<Vec<f64>>,
}

/// The supported architecture of a name in `general.architecture`.
pub(super) fn architecture(name: &str) -> Result<Architecture, ImportError> {
    match name {
        "llama" => Ok(Architecture::Llama),
        "qwen2" => Ok(Architecture::Qwen2),
        "qwen3" => Ok(Architecture::Qwen3),
        "gemma3" => Ok(Architecture::Gemma3),
        "bert" => Err(ImportError::Unsupported(
            "architecture bert in a GGUF file; import the model's Hugging Face folder".into(),
        )),
        other => Err(ImportError::Unsupported(format!(
            "architecture {other} in a GGUF file; llama, qwen2, qwen3 and gemma3 are read"
        ))),
    }
}

/// Width of a head, needed before there is a configuration.
pub(super) fn head_dim(keys: &Keys<'_>) -> Result<usize, ImportError> {
    let heads = keys.needed_count("attention.head_count")?;
    let width = keys.needed_count("embedding_length")?;
    let Some(derived) = width.checked_div(heads) else {
        return Err(keys.unsupported("attention.head_count", heads));
    };
    let head_dim = keys.count("attention.key_length")?.unwrap_or(derived);
    match keys.count("attention.value_length")? {
        Some(value) if value != head_dim => Err(keys.unsupported("attention.value_length", value)),
        _ => Ok(head_dim),
    }
}

/// How many dimensions of a head rotate.
pub(super) fn rotated(keys: &Keys<'_>) -> Result<usize, ImportError> {
    Ok(keys.count("rope.dimension_count")?.unwrap_or(head_dim(keys)?))
}

/// The whole configuration.
pub(super) fn config(keys: &Keys<'_>, hints: Hints) -> Result<ModelConfig, ImportError> {
    let architecture = architecture(keys.architecture)?;
    let gemma = architecture == Architecture::Gemma3;
    let layer_count = keys.needed_count("block_count")?;
    check_layers(layer_count)?;
    let heads =
        scalar_count(keys, "attention.head_count")?.ok_or_else(|| keys.missing("attention.head_count"))?;
    let width = keys.needed_count("embedding_length")?;
    let head_dim = head_dim(keys)?;
    refuse_variants(keys)?;
    let context = keys.needed_count("context_length")?;
    let attention_scale = match keys.real("attention.scale")? {
        Some(scale) if scale != 0.0 => scale,
        _ if gemma && layer_count == GEMMA_27B_LAYERS => 1.0 / libm::sqrt(real(width) / real(heads)),
        _ => 1.0 / libm::sqrt(real(head_dim)),
    };
    let ropes = ropes(keys, gemma, hints.rope_divisors, context)?;
    let layers = layers(keys, gemma, layer_count, context)?;
    keys.count("vocab_size")?;
    Ok(ModelConfig {
        architecture,
        width,
        heads,
        kv_heads: scalar_count(keys, "attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        ffn: scalar_count(keys, "feed_forward_length")?.ok_or_else(|| keys.missing("feed_forward_length"))?,
        vocabulary: hints.vocabulary,
        context,
        norm_eps: keys
            .real("attention.layer_norm_rms_epsilon")?
            .ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))?,
        activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
        attention_scale,
        embed_scale: if gemma { libm::sqrt(real(width)) } else { 1.0 },
        logit_softcap: keys.real("final_logit_softcapping")?.filter(|cap| *cap != 0.0),
        ropes,
        layers,
        normalize_embedding: false,
    })
}

/// A count that some models give per layer, which is not supported.
fn scalar_count(keys: &Keys<'_>, key: &str) -> Result<Option<usize>, ImportError> {
    match keys.any(key) {
        Some(Value::Array(_)) => Err(keys.unsupported(key, "a list with one entry a layer")),
        _ => keys.count(key),
    }
}

/// Settings that would make another graph.
fn refuse_variants(keys: &Keys<'_>) -> Result<(), ImportError> {
    let zero = ["expert_count", "expert_used_count", "attention.max_alibi_bias", "attention.clamp_kqv"];
    for key in zero.into_iter().chain(["attn_logit_softcapping", "pooling_type", "logit_scale"]) {
        keys.only_neutral(key, &[0.0])?;
    }
    for key in ["attention.causal", "embedding_scale", "residual_scale"] {
        keys.only_neutral(key, &[1.0])?;
    }
    keys.only_neutral("use_parallel_residual", &[0.0])?;
    // How the rows of q and k lie in both cases is the same; the key only says who wrote the file.
    keys.text("tensor_data_layout")?;
    Ok(())
}

fn ropes(
    keys: &Keys<'_>,
    gemma: bool,
    divisors: Option<Vec<f64>>,
    context: usize,
) -> Result<Vec<Rope>, ImportError> {
    let base = keys.real("rope.freq_base")?.unwrap_or(10_000.0);
    let rotated = rotated(keys)?;
    let scaling = scaling(keys, divisors, context)?;
    let wrong = |reason| malformed(keys.path, format!("rotary embedding: {reason}"));
    let mut ropes = vec![table(base, rotated, &scaling).map_err(wrong)?];
    if gemma {
        let local = keys.real("rope.freq_base_swa")?.unwrap_or(GEMMA_LOCAL_BASE);
        ropes.push(table(local, rotated, &Scaling::None).map_err(wrong)?);
    }
    Ok(ropes)
}

fn scaling(keys: &Keys<'_>, divisors: Option<Vec<f64>>, context: usize) -> Result<Scaling, ImportError> {
    let kind = keys.text("rope.scaling.type")?;
    let factor = match keys.real("rope.scaling.factor")? {
        None => keys.real("rope.scale_linear")?,
        some => some,
    };
    let original = keys.count("rope.scaling.original_context_length")?;
    keys.bool("rope.scaling.finetuned")?;
    keys.only_neutral("rope.scaling.attn_factor", &[1.0])?;
    keys.only_neutral("rope.scaling.yarn_ext_factor", &[1.0])?;
    let beta = [keys.real("rope.scaling.yarn_beta_fast")?, keys.real("rope.scaling.yarn_beta_slow")?];
    let stretched = factor.filter(|factor| *factor != 0.0 && *factor != 1.0);
    let scaling = match (kind, stretched) {
        (Some("yarn"), Some(factor)) => Scaling::Yarn {
            factor,
            beta_fast: beta[0].unwrap_or(32.0),
            beta_slow: beta[1].unwrap_or(1.0),
            context: real(original.unwrap_or(context)),
            magnitude: Some(yarn_magnitude(factor, 1.0)),
            truncate: true,
        },
        (None | Some("linear"), Some(factor)) => Scaling::Linear { factor },
        (None | Some("none" | "linear" | "yarn"), _) => Scaling::None,
        (Some(other), _) => return Err(keys.unsupported("rope.scaling.type", other)),
    };
    match (divisors, scaling) {
        (None, scaling) => Ok(scaling),
        (Some(divisors), Scaling::None) => Ok(Scaling::Divisors(divisors)),
        (Some(_), _) => {
            Err(ImportError::Unsupported("rope_freqs.weight together with rope.scaling.type".into()))
        }
    }
}

fn layers(keys: &Keys<'_>, gemma: bool, count: usize, context: usize) -> Result<Vec<Layer>, ImportError> {
    let window = keys.count("attention.sliding_window")?.filter(|n| *n > 0 && (gemma || *n < context));
    let window = window.and_then(|n| u32::try_from(n).ok());
    let pattern = pattern(keys, gemma, count)?;
    if gemma && window.is_none() {
        return Err(keys.missing("attention.sliding_window"));
    }
    Ok(pattern
        .into_iter()
        .map(|local| Layer { window: window.filter(|_| local), rope: Some(usize::from(gemma && local)) })
        .collect())
}

/// Which layers have the window.
fn pattern(keys: &Keys<'_>, gemma: bool, count: usize) -> Result<Vec<bool>, ImportError> {
    const KEY: &str = "attention.sliding_window_pattern";
    let every = |n: usize| (1..=count).map(|layer| !layer.is_multiple_of(n)).collect();
    match keys.any(KEY) {
        Some(Value::Array(array)) if array.count == count => {
            array.bools().map_err(|reason| malformed(keys.path, format!("{KEY} {reason}")))
        }
        Some(Value::Array(array)) => Err(malformed(keys.path, format!("{KEY} has {} entries", array.count))),
        Some(_) => Ok(every(keys.needed_count(KEY)?.max(1))),
        None if gemma => Ok(every(GEMMA_PATTERN)),
        None => Ok(vec![true; count]),
    }
}
