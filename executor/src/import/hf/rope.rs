//! The rotary settings of a configuration: `rope_scaling` and `rope_theta`, or the newer `rope_parameters`.

use crate::import::error::ImportError;
use crate::import::limits::real;
use crate::import::rope::{Scaling, table, yarn_magnitude};
use crate::import::source::Rope;

use super::fields::Fields;

/// Settings of one kind of layer.
pub(super) struct Settings<'a> {
    /// Key of its base in the old style, and in the new style the kind of layer (`full_attention`).
    pub(super) keys: (&'a str, &'a str),
    /// Base if the configuration names none.
    pub(super) base: f64,
    /// Does the old style's `rope_scaling` apply to this kind of layer.
    pub(super) scaled: bool,
}

/// The table of one kind of layer.
pub(super) fn read(
    config: &Fields<'_>,
    settings: &Settings<'_>,
    head_dim: usize,
    context: usize,
) -> Result<Rope, ImportError> {
    let (base_key, layer_kind) = settings.keys;
    let new_style = match config.object("rope_parameters")? {
        Some(parameters) => match parameters.object(layer_kind)? {
            Some(own) => Some(own),
            None => Some(parameters),
        },
        None => None,
    };
    let (base, scaling, share) = match new_style {
        Some(own) => (own.real("rope_theta")?, scaling(&own, context)?, own.real("partial_rotary_factor")?),
        None => (None, old_scaling(config, settings.scaled, context)?, None),
    };
    let base = match base {
        Some(base) => base,
        None => config.real(base_key)?.unwrap_or(settings.base),
    };
    let share = match share {
        None => config.real("partial_rotary_factor")?,
        share => share,
    };
    if let Some(share) = share.filter(|share| *share != 1.0) {
        return Err(config.unsupported("partial_rotary_factor", share));
    }
    table(base, head_dim, &scaling).map_err(|reason| config.wrong("rope settings:", &reason))
}

fn old_scaling(config: &Fields<'_>, scaled: bool, context: usize) -> Result<Scaling, ImportError> {
    match config.object("rope_scaling")? {
        Some(own) if scaled => scaling(&own, context),
        _ => Ok(Scaling::None),
    }
}

fn scaling(own: &Fields<'_>, context: usize) -> Result<Scaling, ImportError> {
    let kind = match own.text("rope_type")? {
        None => own.text("type")?,
        kind => kind,
    };
    match kind {
        None | Some("default") => Ok(Scaling::None),
        Some("linear") => Ok(Scaling::Linear { factor: own.needed_real("factor")? }),
        Some("llama3") => Ok(Scaling::Llama3 {
            factor: own.needed_real("factor")?,
            low: own.needed_real("low_freq_factor")?,
            high: own.needed_real("high_freq_factor")?,
            context: own.needed_real("original_max_position_embeddings")?,
        }),
        Some("yarn") => yarn(own, context),
        Some(other) => Err(own.unsupported("rope_type", other)),
    }
}

/// Formula: transformers' `_compute_yarn_parameters`.
fn yarn(own: &Fields<'_>, context: usize) -> Result<Scaling, ImportError> {
    let factor = own.needed_real("factor")?;
    let all_dim = own.real("mscale_all_dim")?.filter(|m| *m != 0.0);
    let mscale = own.real("mscale")?.filter(|m| *m != 0.0);
    let magnitude = match (own.real("attention_factor")?, mscale.zip(all_dim)) {
        (Some(given), _) => given,
        (None, Some((m, all))) => yarn_magnitude(factor, m) / yarn_magnitude(factor, all),
        (None, None) => yarn_magnitude(factor, 1.0),
    };
    Ok(Scaling::Yarn {
        factor,
        beta_fast: own.real("beta_fast")?.unwrap_or(32.0),
        beta_slow: own.real("beta_slow")?.unwrap_or(1.0),
        context: own.real("original_max_position_embeddings")?.unwrap_or(real(context)),
        magnitude: Some(magnitude),
        truncate: own.bool("truncate")?.unwrap_or(true),
    })
}
