//! What a model may measure. Real models are far inside; a file outside is damaged or hostile.

use super::error::ImportError;
use super::source::ModelConfig;

/// Tensors in one source.
pub(crate) const TENSORS_MAX: usize = 65_536;
/// Metadata entries of one GGUF file.
pub(crate) const METADATA_MAX: usize = 65_536;
/// Layers.
pub(crate) const LAYERS_MAX: usize = 1_024;
/// Entries of a vocabulary, and of a merge list.
pub(crate) const VOCABULARY_MAX: usize = 1 << 20;
/// Bytes of all tokens, or of all merges, together.
pub(crate) const VOCABULARY_BYTES_MAX: usize = 32 << 20;
/// Bytes of a `tokenizer.json`.
pub(crate) const TOKENIZER_JSON_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a `tokenizer_config.json` (Gemma's, with thousands of added tokens, has one million).
pub(crate) const TOKENIZER_CONFIG_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a list of tensors.
pub(crate) const JSON_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a JSON file that is held as a tree (a tree takes up to 30 times its text).
pub(crate) const JSON_TREE_BYTES_MAX: u64 = 1 << 20;

const WIDTH_MAX: usize = 65_536;
const FFN_MAX: usize = 1 << 20;
const HEADS_MAX: usize = 1_024;
const HEAD_DIM_MAX: usize = 1_024;
const CONTEXT_MAX: usize = 1 << 20;

/// A count as a real number. Everything counted here is far below 2^32.
pub(crate) fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Refuses a configuration with a measure out of range or parts that do not fit each other.
pub(crate) fn check(config: &ModelConfig) -> Result<(), ImportError> {
    sizes(config)?;
    scalars(config)?;
    for rope in &config.ropes {
        let rotated = 2 * rope.frequencies.len();
        if rotated == 0 || rotated > config.head_dim {
            let head_dim = config.head_dim;
            return unsupported(format!("rotary embedding of {rotated} dimensions on heads of {head_dim}"));
        }
        let frequencies = rope.frequencies.iter().all(|f| (0.0..=1024.0).contains(f));
        let magnitude = rope.magnitude > 0.0 && rope.magnitude <= 64.0;
        if !frequencies || !magnitude {
            return unsupported("rotary frequencies out of range; check the rope settings".into());
        }
    }
    Ok(())
}

/// Refuses a layer count that nothing should be allocated for.
pub(crate) fn check_layers(layers: usize) -> Result<(), ImportError> {
    range("layers", layers, LAYERS_MAX)
}

fn sizes(config: &ModelConfig) -> Result<(), ImportError> {
    range("width", config.width, WIDTH_MAX)?;
    range("heads", config.heads, HEADS_MAX)?;
    range("key and value heads", config.kv_heads, HEADS_MAX)?;
    range("head width", config.head_dim, HEAD_DIM_MAX)?;
    range("feed-forward width", config.ffn, FFN_MAX)?;
    range("vocabulary", config.vocabulary, VOCABULARY_MAX)?;
    range("context", config.context, CONTEXT_MAX)?;
    check_layers(config.layers.len())?;
    if !config.heads.is_multiple_of(config.kv_heads) {
        let (heads, kv_heads) = (config.heads, config.kv_heads);
        return unsupported(format!(
            "{heads} query heads do not divide among {kv_heads} key and value heads"
        ));
    }
    Ok(())
}

fn scalars(config: &ModelConfig) -> Result<(), ImportError> {
    let positive = |what: &str, value: f64, most: f64| match value > 0.0 && value <= most {
        true => Ok(()),
        false => unsupported(format!("a {what} of {value}; it must be above 0 and at most {most}")),
    };
    positive("norm epsilon", config.norm_eps, 1.0)?;
    positive("attention scale", config.attention_scale, 1024.0)?;
    positive("embedding scale", config.embed_scale, 65_536.0)?;
    config.logit_softcap.map_or(Ok(()), |cap| positive("logit cap", cap, 1e9))
}

fn range(what: &str, value: usize, most: usize) -> Result<(), ImportError> {
    match (1..=most).contains(&value) {
        true => Ok(()),
        false => unsupported(format!("a model with {what} = {value}; 1 to {most} are accepted")),
    }
}

fn unsupported<T>(reason: String) -> Result<T, ImportError> {
    Err(ImportError::Unsupported(reason))
}
