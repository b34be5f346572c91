//! Tensor names of BERT.

use crate::import::error::ImportError;
use crate::import::source::ModelConfig;
use crate::import::store::{Assembly, Layout, Store};

use super::fields::Fields;

/// Gives every tensor its canonical name. The pooler is not part of a mean-pooled embedding and left out.
pub(super) fn tensors(
    config: &ModelConfig,
    fields: &Fields<'_>,
    mut assembly: Assembly,
) -> Result<Store, ImportError> {
    let prefix = if assembly.has("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
    let harmless = ["pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids"];
    assembly.ignore(|name| name.strip_prefix(prefix).is_some_and(|name| harmless.contains(&name)));
    let types = fields.count("type_vocab_size")?.unwrap_or(2);
    let width = config.width;
    let tables = [
        ("word_embeddings", "embed", config.vocabulary),
        ("position_embeddings", "position_embed", config.context),
        ("token_type_embeddings", "type_embed", types),
    ];
    for (source, name, rows) in tables {
        let source = format!("{prefix}embeddings.{source}.weight");
        assembly.take(&source, name, &[rows, width], Layout::AsStored)?;
    }
    norm(&mut assembly, &format!("{prefix}embeddings.LayerNorm"), "embed_norm", width)?;
    for layer in 0..config.layers.len() {
        let from = |name: &str| format!("{prefix}encoder.layer.{layer}.{name}");
        let to = |name: &str| format!("layers.{layer}.{name}");
        let products = [
            ("attention.self.query", "q", width, width),
            ("attention.self.key", "k", width, width),
            ("attention.self.value", "v", width, width),
            ("attention.output.dense", "o", width, width),
            ("intermediate.dense", "up", config.ffn, width),
            ("output.dense", "down", width, config.ffn),
        ];
        for (source, name, out, input) in products {
            let source = from(source);
            let stored = Layout::AsStored;
            assembly.take(&format!("{source}.weight"), &to(name), &[out, input], stored)?;
            assembly.take(&format!("{source}.bias"), &to(&format!("{name}_bias")), &[out], stored)?;
        }
        norm(&mut assembly, &from("attention.output.LayerNorm"), &to("attn_norm"), width)?;
        norm(&mut assembly, &from("output.LayerNorm"), &to("ffn_norm"), width)?;
    }
    assembly.finish()
}

/// Gain and offset of a LayerNorm, `gamma` and `beta` in old checkpoints.
fn norm(assembly: &mut Assembly, source: &str, name: &str, width: usize) -> Result<(), ImportError> {
    let old = assembly.has(&format!("{source}.gamma"));
    let (gain, offset) = if old { ("gamma", "beta") } else { ("weight", "bias") };
    assembly.take(&format!("{source}.{gain}"), name, &[width], Layout::AsStored)?;
    assembly.take(&format!("{source}.{offset}"), &format!("{name}_bias"), &[width], Layout::AsStored)
}
