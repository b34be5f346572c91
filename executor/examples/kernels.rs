//! Timings of the native kernels, so that a change that makes one slower is seen: `kernels [ISA] [THREADS]`.
//!
//! The shapes are those of a decoder of 30 layers: width 576, 9 query heads on 3 key heads of 64, 1,536 inside of the
//! feed-forward part, 49,152 tokens. Each layer has weights of its own, so that they come from memory as a model's.

use executor::native::aligned::AlignedBytes;
use executor::native::attention::{EXP_ENTRIES, HeadCache, Law, Query, Scratch, attend};
use executor::native::panels::panels_len;
use executor::native::{Isa, LinearWeights, Output, PackedBuffer, Panels, SharedMut, Team, Worker, linear};
use std::time::Instant;

const LAYERS: usize = 30;
const WIDTH: usize = 576;
const INNER: usize = 1536;
const TOKENS: usize = 49_152;
const KEY_HEADS: usize = 3;
const GROUP: usize = 3;
const HEAD_DIM: usize = 64;

/// Products of a layer, (n, k), in groups that share an input.
const PRODUCTS: [&[(usize, usize)]; 4] =
    [&[(576, 576), (192, 576), (192, 576)], &[(576, 576)], &[(1536, 576), (1536, 576)], &[(576, 1536)]];

/// Weights of a product with everything that they borrow.
struct Matrix {
    n: usize,
    k: usize,
    digits: usize,
    bytes: AlignedBytes,
    mult: Vec<u16>,
    shift: Vec<i8>,
}

impl Matrix {
    fn random((n, k): (usize, usize), digits: usize) -> Self {
        let mut bytes = AlignedBytes::zeroed(panels_len(n, k, digits));
        let mut state = (n * k) as u64 | 1;
        for byte in bytes.iter_mut() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = ((state >> 56) as i8).max(-127) as u8;
        }
        Self { n, k, digits, bytes, mult: vec![40_000; n], shift: vec![28; n] }
    }

    fn weights(&self) -> LinearWeights<'_> {
        let Self { n, k, digits, .. } = *self;
        let panels = Panels { n, k, digits, bytes: &self.bytes };
        LinearWeights::new(panels, &self.mult, &self.shift, None).expect("lengths fit")
    }
}

/// Seconds of the fastest of some runs.
fn fastest(runs: usize, mut run: impl FnMut()) -> f64 {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn report(what: &str, seconds: f64, tokens: usize) {
    println!("{what:<44} {:>9.3} ms {:>9.0} tokens/s", seconds * 1e3, tokens as f64 / seconds);
}

/// All products of `m` tokens, packing and barriers included; the head for `wanted` of them.
fn products(isa: Isa, team: &Team, digits: usize) {
    let layers: Vec<Vec<Vec<Matrix>>> = (0..LAYERS)
        .map(|_| PRODUCTS.map(|group| group.iter().map(|&s| Matrix::random(s, digits)).collect()).into())
        .collect();
    let layers: Vec<Vec<Vec<LinearWeights<'_>>>> = layers
        .iter()
        .map(|l| l.iter().map(|group| group.iter().map(Matrix::weights).collect()).collect())
        .collect();
    let head = [Matrix::random((TOKENS, WIDTH), digits)];
    let head = head.each_ref().map(Matrix::weights);
    for (m, wanted, runs) in [(1, 1, 40), (2, 2, 20), (8, 8, 20), (512, 1, 3), (512, 512, 2)] {
        let buffer = PackedBuffer::new(isa, m, INNER);
        let x: Vec<i16> =
            (0..m * INNER).map(|i| ((i * 7919) % 65_535) as i16).map(|x| x.max(-32_767)).collect();
        let s = vec![0; m];
        let mut y = vec![0; (3 * m * INNER).max(wanted * TOKENS)];
        let y = SharedMut::new(&mut y);
        let group = |w: &Worker<'_>, group: &[LinearWeights<'_>], m: usize| {
            let k = group[0].panels().k;
            let packed = buffer.shape(m, k);
            for t in w.share(m, 6) {
                // SAFETY: rows are disjoint by the share; barriers keep packing and products apart.
                unsafe { packed.pack_row(t, &x[t * k..][..k]) };
            }
            w.barrier();
            for weights in group {
                // SAFETY: the same arguments everywhere; nobody reads y.
                unsafe {
                    linear(w, weights, &packed, &s[..m], Output { values: y, stride: weights.panels().n })
                };
            }
            w.barrier();
        };
        let seconds = fastest(runs, || {
            team.run(|w| {
                layers.iter().flatten().for_each(|weights| group(w, weights, m));
                group(w, &head, wanted);
            });
        });
        report(&format!("products w{}, {m} tokens, head of {wanted}", 8 * digits), seconds, m);
    }
}

/// Attention of all layers for a prompt of 512 tokens, and for the token after it.
fn attention(isa: Isa, team: &Team, narrow: bool, multiplier: u32) {
    const POSITIONS: usize = 512;
    let exp = std::array::from_fn::<i32, EXP_ENTRIES, _>(|i| i32::MAX - i as i32 * 262_144);
    let mut state = 1_u64;
    let mut noise = |limit: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 33) as i64 % (2 * limit + 1) - limit) as i16
    };
    let limit = if narrow { 127 } else { 32_767 };
    let caches: Vec<HeadCache> = (0..LAYERS * KEY_HEADS)
        .map(|_| {
            let mut cache = HeadCache::new(HEAD_DIM, narrow);
            cache.reserve(POSITIONS);
            for position in 0..POSITIONS {
                let mut row = || std::array::from_fn::<i16, HEAD_DIM, _>(|_| noise(limit));
                // SAFETY: one thread.
                unsafe {
                    cache.write_key(position, &row(), 0);
                    cache.write_value(position, &row(), 0);
                }
            }
            cache
        })
        .collect();
    let wide = GROUP * HEAD_DIM;
    let q: Vec<i16> = (0..POSITIONS * wide).map(|_| noise(32_767)).collect();
    let law = Law { multiplier, shift: 24, exp: &exp, mix_shift: 46 };
    let item = |position: usize, cache: &HeadCache, scratch: &mut Scratch| {
        let query =
            Query { q: &q[position * wide..][..wide], exponents: &[0; GROUP], visible: 0..position + 1 };
        // SAFETY: nobody writes to the caches now.
        unsafe { attend(isa, cache, &query, &law, scratch, &mut [0; GROUP * HEAD_DIM]) };
    };
    let kind = if narrow { "8-bit cache" } else { "16-bit cache" };
    let prefill = fastest(3, || {
        team.run(|w| {
            let mut scratch = Scratch::default();
            for layer in caches.chunks(KEY_HEADS) {
                for (i, cache) in layer.iter().enumerate() {
                    for position in (0..POSITIONS).filter(|p| (p + i) % w.count == w.index) {
                        item(position, cache, &mut scratch);
                    }
                }
                w.barrier();
            }
        });
    });
    report(&format!("attention, 512 tokens, {kind}, spread {multiplier}"), prefill, POSITIONS);
    let decode = fastest(20, || {
        team.run(|w| {
            let mut scratch = Scratch::default();
            for layer in caches.chunks(KEY_HEADS) {
                layer
                    .iter()
                    .skip(w.index)
                    .step_by(w.count)
                    .for_each(|c| item(POSITIONS - 1, c, &mut scratch));
                w.barrier();
            }
        });
    });
    report(&format!("attention, 1 token at 511, {kind}, spread {multiplier}"), decode, 1);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let isa = arguments.next().map_or(Ok(Isa::detect()), |name| name.parse())?;
    let threads = arguments.next().map_or(Ok(2), |n| n.parse())?;
    let team = Team::new(threads)?;
    println!("{isa}, {threads} threads; the fastest of some runs");
    for digits in [1, 2] {
        products(isa, &team, digits);
    }
    // The larger the spread of the scores, the more weights are small or zero: they are equal, or octaves apart.
    for (narrow, spread) in [(false, 1), (false, 65_536), (true, 1)] {
        attention(isa, &team, narrow, spread);
    }
    Ok(())
}
