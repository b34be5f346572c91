//! Sampling as people write it, and as the program computes it: in units of 2^-16.

use clap::Args;
use executor::kernels::Sampling;
use executor::sampling::Decimals;

use crate::failure::bad_input;

/// How tokens are chosen.
#[derive(Args, Clone, Debug)]
pub(crate) struct SamplingArguments {
    /// 0 takes the likeliest token always; otherwise 0.01 to 100
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    temperature: f64,
    /// Choose among the K likeliest tokens only; 0 keeps all
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: u32,
    /// Choose among the likeliest tokens that together reach this share, in (0, 1]
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f64,
    /// Choose among tokens at least this share as likely as the likeliest, in [0, 1]
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true)]
    min_p: f64,
    /// Fixes every draw: the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl SamplingArguments {
    /// The integers that the request is made of.
    pub(crate) fn to_integers(&self) -> anyhow::Result<Sampling> {
        let mut seed = [0; 32];
        seed[24..].copy_from_slice(&self.seed.to_be_bytes());
        let wanted = Decimals {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
        };
        wanted.to_sampling(seed).map_err(|e| {
            bad_input(format!("--{} {} is out of range: use {}", e.field.replace('_', "-"), e.value, e.range))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(temperature: f64, top_p: f64, min_p: f64) -> SamplingArguments {
        SamplingArguments { temperature, top_k: 3, top_p, min_p, seed: 258 }
    }

    #[test]
    fn whole_ranges_become_valid_integers() {
        for (temperature, top_p, min_p) in [(0.0, 1.0, 0.0), (0.01, 1e-9, 1.0), (100.0, 0.5, 1e-9)] {
            assert!(arguments(temperature, top_p, min_p).to_integers().unwrap().is_valid());
        }
        let sampling = arguments(0.7, 0.9, 0.05).to_integers().unwrap();
        assert_eq!((sampling.temperature, sampling.top_p, sampling.min_p), (45_875, 58_982, 3_277));
        assert_eq!(sampling.seed[29..], [0, 1, 2]);
    }

    #[test]
    fn what_is_outside_is_refused() {
        for (temperature, top_p, min_p) in [
            (-1.0, 1.0, 0.0),
            (0.001, 1.0, 0.0),
            (f64::NAN, 1.0, 0.0),
            (1.0, 0.0, 0.0),
            (1.0, 1.1, 0.0),
            (1.0, 1.0, -0.1),
        ] {
            assert!(arguments(temperature, top_p, min_p).to_integers().is_err());
        }
    }
}
