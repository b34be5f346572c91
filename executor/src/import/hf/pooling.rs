//! What sentence-transformers does after the encoder: `modules.json` and the pooling's own configuration.

use crate::import::error::ImportError;
use crate::import::files::malformed;

use super::fields::Fields;
use super::folder::{Folder, is_plain};

const MODULES: &str = "modules.json";

/// Checks that embeddings are means over the tokens; says whether they are then normalised.
pub(super) fn read(folder: &mut Folder, width: usize) -> Result<bool, ImportError> {
    let modules = folder.tree(MODULES)?.ok_or_else(|| {
        ImportError::Missing(format!(
            "{MODULES}, which says how a BERT model pools; use the folder of a sentence-transformers model"
        ))
    })?;
    let path = folder.path.join(MODULES);
    let modules = modules.as_array().ok_or_else(|| malformed(&path, "a list [...] was expected"))?;
    let mut kinds = Vec::new();
    for module in modules.iter().take(8) {
        let module = Fields::new(path.clone(), module)?;
        let kind = module.text("type")?.ok_or_else(|| module.missing("type"))?;
        kinds.push(kind.rsplit('.').next().unwrap_or(kind));
        if kinds.last() == Some(&"Pooling") {
            let place = module.text("path")?.unwrap_or("");
            if !is_plain(place) {
                return Err(module.wrong("path", "is not the name of a folder beside it"));
            }
            mean(folder, place, width)?;
        }
    }
    match (kinds.as_slice(), modules.len()) {
        (["Transformer", "Pooling"], 2) => Ok(false),
        (["Transformer", "Pooling", "Normalize"], 3) => Ok(true),
        _ => Err(ImportError::Unsupported(format!(
            "{MODULES} lists {kinds:?}; Transformer, Pooling and then Normalize or nothing are read"
        ))),
    }
}

/// The pooling must be the mean, of vectors of this width.
fn mean(folder: &mut Folder, place: &str, width: usize) -> Result<(), ImportError> {
    let name = format!("{place}/config.json");
    let tree = folder.tree(&name)?;
    let tree = tree.ok_or_else(|| ImportError::Missing(format!("{name}, which says how the model pools")))?;
    let pooling = Fields::new(folder.path.join(&name), &tree)?;
    if let Some(other) = pooling.count("word_embedding_dimension")?.filter(|n| *n != width) {
        return Err(pooling.wrong("word_embedding_dimension", &format!("is {other}, not {width}")));
    }
    if let Some(mode) = pooling.text("pooling_mode")? {
        return match mode {
            "mean" => Ok(()),
            other => Err(pooling.unsupported("pooling_mode", other)),
        };
    }
    for mode in ["cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"] {
        let key = format!("pooling_mode_{mode}");
        if pooling.bool(&key)? == Some(true) {
            return Err(pooling.unsupported(&key, true));
        }
    }
    match pooling.bool("pooling_mode_mean_tokens")? {
        Some(true) => Ok(()),
        _ => Err(pooling.unsupported("pooling_mode_mean_tokens", false)),
    }
}
