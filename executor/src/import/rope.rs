//! Rotary frequencies with their scaling applied, the same bits on every machine.
//!
//! Only IEEE basic operations and the software `libm`: the standard library's `powf` and `ln` differ by platform.

use std::f64::consts::TAU;

use super::limits::real;
use super::source::Rope;

/// How a model was stretched past the context of its training.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scaling {
    /// Not at all.
    None,
    /// Every frequency divided by one factor.
    Linear { factor: f64 },
    /// Llama 3: long waves divided by the factor, short ones kept, a ramp between.
    Llama3 { factor: f64, low: f64, high: f64, context: f64 },
    /// YaRN: as Llama 3 with a ramp over the index of the pair, and a factor on the rotated values.
    Yarn { factor: f64, beta_fast: f64, beta_slow: f64, context: f64, magnitude: Option<f64>, truncate: bool },
    /// One divisor a pair, as GGUF files carry Llama 3's.
    Divisors(Vec<f64>),
}

/// The table of `rotated / 2` frequencies base^(-2i / rotated), scaled. Errors say which value is out of range.
pub(crate) fn table(base: f64, rotated: usize, scaling: &Scaling) -> Result<Rope, String> {
    if rotated == 0 || !rotated.is_multiple_of(2) || rotated > 65_536 {
        return Err(format!("rotary embedding of {rotated} dimensions; an even number is needed"));
    }
    within("rope base", base, 1.000_001, 1e15)?;
    let plain: Vec<f64> =
        (0..rotated / 2).map(|i| 1.0 / libm::pow(base, real(2 * i) / real(rotated))).collect();
    let mut magnitude = 1.0;
    let frequencies = match scaling {
        Scaling::None => plain,
        Scaling::Linear { factor } => {
            within("rope factor", *factor, 1e-3, 1e6)?;
            plain.iter().map(|f| f / factor).collect()
        }
        Scaling::Llama3 { factor, low, high, context } => {
            within("rope factor", *factor, 1e-3, 1e6)?;
            within("low_freq_factor", *low, 1e-3, 1e6)?;
            within("high_freq_factor", *high, *low, 1e6)?;
            within("original context", *context, 1.0, 1e9)?;
            plain.iter().map(|f| llama3(*f, *factor, *low, *high, *context)).collect()
        }
        Scaling::Yarn { factor, beta_fast, beta_slow, context, magnitude: given, truncate } => {
            within("rope factor", *factor, 1.0, 1e6)?;
            within("beta_fast", *beta_fast, 1e-3, 1e6)?;
            within("beta_slow", *beta_slow, 1e-3, 1e6)?;
            within("original context", *context, 1.0, 1e9)?;
            magnitude = given.unwrap_or_else(|| yarn_magnitude(*factor, 1.0));
            let ramp = yarn_ramp(base, rotated, [*beta_fast, *beta_slow], *context, *truncate);
            let blend = |(i, f): (usize, &f64)| {
                let keep = 1.0 - ramp(real(i));
                f / factor * (1.0 - keep) + f * keep
            };
            plain.iter().enumerate().map(blend).collect()
        }
        Scaling::Divisors(divisors) => {
            if divisors.len() != plain.len() {
                return Err(format!("{} rope divisors for {} pairs", divisors.len(), plain.len()));
            }
            for divisor in divisors {
                within("rope divisor", *divisor, 1e-6, 1e9)?;
            }
            plain.iter().zip(divisors).map(|(f, d)| f / d).collect()
        }
    };
    Ok(Rope { frequencies, magnitude })
}

/// Formula: Hugging Face `_compute_llama3_parameters`. `f` in radians per position.
fn llama3(f: f64, factor: f64, low: f64, high: f64, context: f64) -> f64 {
    let turns = context * f / TAU;
    if turns < low {
        f / factor
    } else if turns > high || high <= low {
        f
    } else {
        let smooth = (turns - low) / (high - low);
        (1.0 - smooth) * f / factor + smooth * f
    }
}

/// YaRN's attention factor: 0.1 m ln(factor) + 1.
pub(crate) fn yarn_magnitude(factor: f64, m: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * m * libm::log(factor) + 1.0 }
}

/// How far pair `i` is interpolated, 0 to 1. Formula: YaRN, `find_correction_range` and `linear_ramp_factor`.
fn yarn_ramp(base: f64, rotated: usize, beta: [f64; 2], context: f64, truncate: bool) -> impl Fn(f64) -> f64 {
    let index = |turns: f64| real(rotated) * libm::log(context / (turns * TAU)) / (2.0 * libm::log(base));
    let [mut low, mut high] = beta.map(index);
    if truncate {
        low = libm::floor(low);
        high = libm::ceil(high);
    }
    low = libm::fmax(low, 0.0);
    high = libm::fmin(high, real(rotated) - 1.0);
    let span = if high == low { 0.001 } else { high - low };
    move |i| libm::fmin(libm::fmax((i - low) / span, 0.0), 1.0)
}

fn within(what: &str, value: f64, least: f64, most: f64) -> Result<(), String> {
    match value >= least && value <= most {
        true => Ok(()),
        false => Err(format!("a {what} of {value}; {least} to {most} are accepted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-9 * right.abs(), "{left} is not {right}");
    }

    #[test]
    fn plain_frequencies_are_powers_of_the_base() {
        let rope = table(10_000.0, 4, &Scaling::None).unwrap();
        assert_eq!(rope.frequencies.len(), 2);
        close(rope.frequencies[0], 1.0);
        close(rope.frequencies[1], 0.01);
        assert_eq!(rope.magnitude, 1.0);
    }

    #[test]
    fn linear_divides() {
        let rope = table(10_000.0, 4, &Scaling::Linear { factor: 8.0 }).unwrap();
        close(rope.frequencies[1], 0.00125);
    }

    #[test]
    fn llama3_keeps_short_waves_and_stretches_long_ones() {
        let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, context: 8192.0 };
        let rope = table(500_000.0, 128, &scaling).unwrap();
        let plain = table(500_000.0, 128, &Scaling::None).unwrap();
        assert_eq!(rope.frequencies[0], plain.frequencies[0]);
        assert_eq!(rope.frequencies[63], plain.frequencies[63] / 8.0);
        let between = rope.frequencies.iter().zip(&plain.frequencies);
        assert_eq!(between.filter(|(r, p)| **r < **p && **r > **p / 8.0).count(), 6);
    }

    #[test]
    fn yarn_ramps_over_the_pairs() {
        let scaling = Scaling::Yarn {
            factor: 4.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            context: 32_768.0,
            magnitude: None,
            truncate: true,
        };
        let rope = table(1e6, 128, &scaling).unwrap();
        let plain = table(1e6, 128, &Scaling::None).unwrap();
        assert_eq!(rope.frequencies[23], plain.frequencies[23]);
        assert_eq!(rope.frequencies[40], plain.frequencies[40] / 4.0);
        close(rope.frequencies[30], plain.frequencies[30] * (1.0 - 0.75 * 7.0 / 17.0));
        close(rope.magnitude, 0.1 * 4f64.ln() + 1.0);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(table(f64::NAN, 4, &Scaling::None).is_err());
        assert!(table(10_000.0, 3, &Scaling::None).is_err());
        assert!(table(10_000.0, 4, &Scaling::Linear { factor: 0.0 }).is_err());
        assert!(table(10_000.0, 4, &Scaling::Divisors(vec![1.0])).is_err());
    }
}
