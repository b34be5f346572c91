//! Sampling as people write it, turned into what the program computes with: integers in units of 2^-16.

use crate::kernels::{Sampling, TEMPERATURE_MIN};

const ONE: f64 = 65_536.0;

/// How tokens are chosen, in decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimals {
    /// 0 takes the likeliest token always; otherwise 0.01 to 100.
    pub temperature: f64,
    /// Choose among the k likeliest only; 0 keeps all.
    pub top_k: u32,
    /// Choose among the likeliest that together reach this share, in (0, 1].
    pub top_p: f64,
    /// Choose among tokens at least this share as likely as the likeliest, in [0, 1].
    pub min_p: f64,
}

/// A value that no program takes.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{field} {value} is out of range: use {range}")]
pub struct SamplingError {
    /// Which value.
    pub field: &'static str,
    /// What it was.
    pub value: f64,
    /// What it may be.
    pub range: &'static str,
}

impl Decimals {
    /// The integers that a request is made of.
    pub fn to_sampling(&self, seed: [u8; 32]) -> Result<Sampling, SamplingError> {
        let Self { temperature, top_k, top_p, min_p } = *self;
        let error = |field, value, range| Err(SamplingError { field, value, range });
        if !(temperature == 0.0 || (0.01..=100.0).contains(&temperature)) {
            return error("temperature", temperature, "0, or 0.01 to 100");
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return error("top_p", top_p, "more than 0, up to 1");
        }
        if !(0.0..=1.0).contains(&min_p) {
            return error("min_p", min_p, "0 to 1");
        }
        let units = |x: f64| (x * ONE).round() as u32;
        Ok(Sampling {
            temperature: if temperature == 0.0 { 0 } else { units(temperature).max(TEMPERATURE_MIN) },
            top_k,
            top_p: units(top_p).max(1),
            min_p: units(min_p),
            seed,
        })
    }
}
