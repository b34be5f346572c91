use super::{Noise, everywhere};
use crate::native::panels::{Panels, W16_MAX, pack_panels};
use crate::native::{LinearWeights, Output, PackedBuffer, SharedMut, linear, scalar};
use proptest::prelude::*;

/// A product with all its operands.
#[derive(Clone, Debug)]
struct Case {
    n: usize,
    k: usize,
    digits: usize,
    weights: Vec<i16>,
    mult: Vec<u16>,
    shift: Vec<i8>,
    bias: Option<Vec<i32>>,
    x: Vec<i16>,
    s: Vec<i32>,
}

impl Case {
    fn random(n: usize, k: usize, m: usize, digits: usize, seed: u64) -> Self {
        let noise = &mut Noise::new(seed);
        let limit = if digits == 1 { 127 } else { i64::from(W16_MAX) };
        // Shifts near the magnitude of the accumulators, sometimes negative in total.
        let near = noise.between(-3, 40);
        Self {
            n,
            k,
            digits,
            weights: (0..n * k).map(|_| noise.within(limit) as i16).collect(),
            mult: (0..n).map(|_| noise.between(1 << 15, 65_535) as u16).collect(),
            shift: (0..n).map(|_| (near + noise.between(-3, 3)) as i8).collect(),
            bias: noise.next().is_multiple_of(2).then(|| (0..n).map(|_| noise.fixed()).collect()),
            x: (0..m * k).map(|_| noise.within(32_767) as i16).collect(),
            s: (0..m).map(|_| noise.between(-8, 8) as i32).collect(),
        }
    }

    /// Every weight and activation at the end of its range.
    fn extreme(n: usize, k: usize, digits: usize, sign: i16) -> Self {
        let limit = if digits == 1 { 127 } else { W16_MAX };
        let mut case = Self::random(n, k, 3, digits, 1);
        case.weights = vec![limit * sign; n * k];
        case.x = [vec![32_767; k], vec![-32_767; k], vec![0; k]].concat();
        case.mult = vec![u16::MAX; n];
        case
    }

    fn want(&self, t: usize, c: usize) -> i32 {
        let w = self.weights[c * self.k..][..self.k].iter().copied();
        let x = &self.x[t * self.k..][..self.k];
        let bias = self.bias.as_ref().map(|b| b[c]);
        scalar::linear(w, x, self.mult[c], i32::from(self.shift[c]) + self.s[t], bias).unwrap()
    }

    fn check(&self) {
        let Self { n, k, digits, .. } = *self;
        let m = self.s.len();
        let bytes = pack_panels(&self.weights, n, k, digits);
        let panels = Panels { n, k, digits, bytes: &bytes };
        let weights = LinearWeights::new(panels, &self.mult, &self.shift, self.bias.as_deref()).unwrap();
        let stride = n + 3;
        everywhere(|isa, team| {
            let buffer = PackedBuffer::new(isa, m, k);
            let packed = buffer.shape(m, k);
            let mut y = vec![7; m * stride];
            let out = Output { values: SharedMut::new(&mut y), stride };
            team.run(|w| {
                for t in w.share(m, 1) {
                    // SAFETY: rows are disjoint by the share, and read after the barrier.
                    unsafe { packed.pack_row(t, &self.x[t * k..][..k]) };
                }
                w.barrier();
                // SAFETY: the same arguments everywhere; `y` is read after the run.
                unsafe { linear(w, &weights, &packed, &self.s, out) };
            });
            for (t, row) in y.chunks(stride).enumerate() {
                for (c, &y) in row[..n].iter().enumerate() {
                    assert_eq!(
                        y,
                        self.want(t, c),
                        "{isa}, {n} x {k}, {digits} digits, row {t} of {m}, channel {c}"
                    );
                }
                assert_eq!(row[n..], [7; 3], "{isa} wrote between rows");
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_shape(n in 1..130_usize, k in 1..200_usize, m in 1..20_usize, digits in 1..=2_usize, seed: u64) {
        Case::random(n, k, m, digits, seed).check();
    }
}

#[test]
fn more_rows_than_stay_near() {
    Case::random(40, 36, 131, 1, 5).check();
    Case::random(40, 36, 131, 2, 6).check();
}

#[test]
fn extremes_of_every_length_that_a_sum_is_cut_at() {
    for digits in [1, 2] {
        for sign in [1, -1] {
            for k in [4, 1020, 1024, 1028, 32_768, 32_772, 65_540, 131_075] {
                // Two digits and more terms pass 2^62, which the validator refuses.
                if digits == 2 && k > 65_797 {
                    continue;
                }
                Case::extreme(33, k, digits, sign).check();
            }
        }
    }
}

#[test]
fn accumulators_on_both_sides_of_32_bits() {
    // Magnitudes of 65,538 are the most whose accumulator fits: 516 of 127, and 6.
    for last in [5, 6, 7, 127] {
        for sign in [1, -1] {
            for near in [1, 16, 40] {
                let mut case = Case::extreme(70, 517, 1, sign);
                case.weights.iter_mut().skip(516).step_by(517).for_each(|w| *w = last * sign);
                case.shift = (0..70).map(|c| (near + c % 7) as i8).collect();
                case.s = vec![0, -1, 3];
                case.bias = None;
                case.check();
            }
        }
    }
}

#[test]
fn damaged_parts_are_refused() {
    let bytes = pack_panels(&[1; 64], 8, 8, 1);
    let panels = Panels { n: 8, k: 8, digits: 1, bytes: &bytes };
    let (mult, shift) = (vec![1 << 15; 8], vec![0; 8]);
    assert!(LinearWeights::new(panels, &mult, &shift, None).is_ok());
    assert!(LinearWeights::new(panels, &mult[1..], &shift, None).is_err());
    assert!(LinearWeights::new(Panels { k: 12, ..panels }, &mult, &shift, None).is_err());
    assert!(LinearWeights::new(Panels { bytes: &bytes[1..], ..panels }, &mult, &shift, None).is_err());
}
