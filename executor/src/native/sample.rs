//! From logits to a token, as the nodes of sampling say, but only what the request asks for.

use super::isa::Isa;
use super::rows;
use crate::engine::EngineError;
use crate::kernels::{Sampling, draw_below, inverse_temperature};

const BINS: usize = 2048;
/// Width of a block of the two-level cumulative sum.
pub(super) const BLOCK: usize = 256;

/// Rows that a thread reuses.
#[derive(Default)]
pub(super) struct Scratch {
    distances: Vec<i32>,
    weights: Vec<i32>,
}

/// The sampled token. `shift` is that of the distance node, `exp` the table of weights.
pub(super) fn sample(
    isa: Isa,
    logits: &[i32],
    shift: i32,
    exp: &[i32; 4096],
    sampling: &Sampling,
    position: u32,
    scratch: &mut Scratch,
) -> Result<u32, EngineError> {
    let Scratch { distances: d, weights: w } = scratch;
    d.resize(logits.len(), 0);
    w.resize(logits.len(), 0);
    rows::distances(
        isa,
        logits,
        rows::max(isa, logits),
        inverse_temperature(sampling.temperature)?,
        shift,
        d,
    );
    // Without a limit the crossing is in the bin of the farthest entry.
    let limit = match sampling.top_k as usize {
        0 => rows::max(isa, d) | 7,
        k if k >= logits.len() => rows::max(isa, d) | 7,
        k => crossing(d, |_| 1, k as i64),
    };
    rows::weights(isa, d, limit, exp, w);
    // With the whole share every weight that is not 0 is kept.
    if sampling.top_p < 65_536 {
        let mass: i64 = w.iter().map(|w| i64::from(*w)).sum();
        let p = i64::from(sampling.top_p);
        let target = (mass >> 16) * p + (((mass & 65_535) * p + 65_535) >> 16);
        let limit = crossing(d, |i| i64::from(w[i]), target);
        w.iter_mut().zip(d.iter()).for_each(|(w, d)| *w = if *d <= limit { *w } else { 0 });
    }
    if sampling.min_p > 0 {
        let least = i64::from(sampling.min_p) * i64::from(i32::MAX);
        w.iter_mut().for_each(|w| *w = if i64::from(*w) << 16 >= least { *w } else { 0 });
    }
    let blocks: Vec<i64> = w.chunks(BLOCK).map(|b| b.iter().map(|w| i64::from(*w)).sum()).collect();
    let mut target = draw_below(&sampling.seed, position, blocks.iter().sum::<i64>().max(1))? + 1;
    let last = blocks.len() - 1;
    let block = blocks.iter().position(|b| reached(&mut target, *b)).unwrap_or(last);
    let part = &w[block * BLOCK..w.len().min((block + 1) * BLOCK)];
    let i = part.iter().position(|w| reached(&mut target, (*w).into())).unwrap_or(part.len() - 1);
    Ok((block * BLOCK + i) as u32)
}

/// Does `mass` reach what is left of the target; if not, takes it off.
fn reached(target: &mut i64, mass: i64) -> bool {
    if mass >= *target {
        return true;
    }
    *target -= mass;
    false
}

/// The largest distance of the lower bin in which the mass of all nearer entries reaches `target`.
fn crossing(d: &[i32], mass: impl Fn(usize) -> i64, mut target: i64) -> i32 {
    let mut find = |bin: &dyn Fn(i32) -> Option<usize>| {
        let mut bins = [0_i64; BINS];
        for (i, d) in d.iter().enumerate() {
            if let Some(bin) = bin(*d) {
                bins[bin] += mass(i);
            }
        }
        bins.iter().position(|b| reached(&mut target, *b)).unwrap_or(BINS - 1) as i32
    };
    let upper = find(&|d| Some((d >> 14) as usize & (BINS - 1)));
    let lower = find(&|d| (d >> 14 == upper).then_some((d >> 3) as usize & (BINS - 1)));
    (upper << 14) | (lower << 3) | 7
}
