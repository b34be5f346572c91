use super::Noise;
use crate::native::Isa;
use crate::native::attention::{HeadCache, Law, Query, Scratch, attend};
use crate::native::scalar::{self, Written};
use proptest::prelude::*;

/// T[i] = 2^31 * 2^(-i / 4096), less one.
fn exp_table() -> Box<[i32; 4096]> {
    Box::new(std::array::from_fn(|i| ((-(i as f64) / 4096.0).exp2() * f64::from(1_u32 << 31) - 1.0) as i32))
}

#[derive(Clone, Debug)]
struct Case {
    head_dim: usize,
    narrow: bool,
    keys: Written,
    values: Written,
    q: Vec<i16>,
    qe: Vec<i32>,
    visible: std::ops::Range<usize>,
    multiplier: u32,
    shift: i32,
    mix_shift: i32,
}

impl Case {
    fn random(head_dim: usize, heads: usize, positions: usize, narrow: bool, seed: u64) -> Self {
        let noise = &mut Noise::new(seed);
        let limit = if narrow { 127 } else { 32_767 };
        let mut written = |spread: i64| Written {
            mantissas: (0..positions * head_dim).map(|_| noise.within(limit) as i16).collect(),
            exponents: (0..positions).map(|_| noise.between(-spread, spread) as i32).collect(),
        };
        let (keys, values) = (written(8), written(16));
        let start = noise.between(0, positions as i64 - 1) as usize;
        Self {
            head_dim,
            narrow,
            keys,
            values,
            q: (0..heads * head_dim).map(|_| noise.within(32_767) as i16).collect(),
            qe: (0..heads).map(|_| noise.between(-8, 8) as i32).collect(),
            visible: if noise.next().is_multiple_of(2) { 0..positions } else { start..positions },
            multiplier: noise.between(1, (1 << 17) - 1) as u32,
            shift: noise.between(-4, 46) as i32,
            mix_shift: noise.between(-20, 46) as i32,
        }
    }

    /// Everything at the end of its range, all weights the largest.
    fn extreme(head_dim: usize, positions: usize, narrow: bool, sign: i16) -> Self {
        let mut case = Self::random(head_dim, 3, positions, narrow, 3);
        let limit = if narrow { 127 } else { 32_767 };
        case.q.fill(32_767);
        case.keys =
            Written { mantissas: vec![limit * sign; positions * head_dim], exponents: vec![0; positions] };
        case.values = case.keys.clone();
        case.qe.fill(0);
        case.visible = 0..positions;
        case.multiplier = (1 << 17) - 1;
        case
    }

    fn check(&self) {
        let exp = exp_table();
        let (d, heads) = (self.head_dim, self.qe.len());
        let law =
            Law { multiplier: self.multiplier, shift: self.shift, exp: &exp, mix_shift: self.mix_shift };
        let query = Query { q: &self.q, exponents: &self.qe, visible: self.visible.clone() };
        let mut cache = HeadCache::new(d, self.narrow);
        for (s, (k, v)) in self.keys.mantissas.chunks(d).zip(self.values.mantissas.chunks(d)).enumerate() {
            cache.reserve(s + 1);
            // SAFETY: one thread.
            unsafe {
                cache.write_key(s, k, self.keys.exponents[s]);
                cache.write_value(s, v, self.values.exponents[s]);
            }
        }
        let want: Vec<_> = (0..heads)
            .map(|h| scalar::attention(&self.keys, &self.values, &query, h, &law).unwrap())
            .collect();
        for isa in Isa::available() {
            let (mut scratch, mut y) = (Scratch::default(), vec![0; heads * d]);
            // What an earlier and longer attention left must not matter.
            for visible in [0..self.keys.exponents.len(), self.visible.clone()] {
                let query = Query { visible, ..query.clone() };
                // SAFETY: one thread, and everything is written.
                unsafe { attend(isa, &cache, &query, &law, &mut scratch, &mut y) };
            }
            for (h, want) in want.iter().enumerate() {
                let got = scalar::Attention {
                    scores: scratch.scores(h).to_vec(),
                    weights: scratch.weights(h).to_vec(),
                    top: scratch.tops[h],
                    total: scratch.totals[h],
                    vtop: scratch.vtop,
                    y: y[h * d..][..d].to_vec(),
                };
                assert_eq!(&got, want, "{isa}, head {h} of {heads}, {d} dims, visible {:?}", self.visible);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn any_shape(d in 1..150_usize, heads in 1..10_usize, positions in 1..300_usize, narrow: bool, seed: u64) {
        Case::random(d, heads, positions, narrow, seed).check();
    }
}

#[test]
fn extremes_of_the_widest_head_and_of_whole_chunks() {
    for sign in [1, -1] {
        for (d, positions) in [(64, 1), (512, 17), (64, 64), (33, 128), (16, 1000)] {
            Case::extreme(d, positions, false, sign).check();
            Case::extreme(d, positions, true, sign).check();
        }
    }
}

#[test]
fn more_narrow_values_than_a_lane_sums() {
    Case::extreme(2, 65_600, true, -1).check();
}

#[test]
fn one_score_far_above_the_others_leaves_digits_out() {
    let mut case = Case::random(64, 3, 200, false, 9);
    case.visible = 0..200;
    case.shift = 20;
    for s in 0..200 {
        case.keys.exponents[s] = if s == 150 { 0 } else { -10 - s as i32 % 10 };
    }
    case.check();
}
