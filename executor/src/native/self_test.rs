//! A back end proves itself at load: values at the ends of their ranges, where a sum that is too narrow or an
//! instruction that saturates shows, against the scalar formulas.

use super::attention::{EXP_ENTRIES, HeadCache, Law, Query, Scratch, attend};
use super::isa::Isa;
use super::panels::{Panels, W16_MAX, pack_panels};
use super::scalar::{self, Written};
use super::{LinearWeights, Output, PackedBuffer, SharedMut, Team, linear};
use crate::numerics::OutOfDomain;

/// A kernel that gives other bits than the specification on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {isa} kernels give wrong {what} on this machine: choose another instruction set")]
pub struct WrongBackEnd {
    isa: Isa,
    what: &'static str,
}

/// How extreme values follow each other.
const SIGNS: [fn(usize) -> i16; 4] =
    [|_| 1, |_| -1, |i| if i.is_multiple_of(2) { 1 } else { -1 }, |i| if i * 7919 % 11 < 5 { 1 } else { -1 }];

/// Compares all products and attentions of `isa` with the scalar formulas. Some milliseconds.
///
/// # Errors
/// If a bit is different.
pub fn self_test(isa: Isa) -> Result<(), WrongBackEnd> {
    let wrong = |what| WrongBackEnd { isa, what };
    for digits in [1, 2] {
        // The lengths pass the points where sums are widened: 1,024 and 65,536 terms.
        for (n, k) in [(35, 30), (33, 1030), (2, 65_541)] {
            for (signs, biased) in SIGNS.into_iter().flat_map(|signs| [(signs, true), (signs, false)]) {
                let same = products_agree(isa, n, k, digits, signs, biased).unwrap_or(false);
                same.then_some(()).ok_or(wrong("products"))?;
            }
        }
    }
    for narrow in [false, true] {
        for (head_dim, positions) in [(1, 1), (64, 77), (512, 65)] {
            for signs in SIGNS {
                let same = attention_agrees(isa, head_dim, positions, narrow, signs).unwrap_or(false);
                same.then_some(()).ok_or(wrong("attention"))?;
            }
        }
    }
    Ok(())
}

fn products_agree(
    isa: Isa,
    n: usize,
    k: usize,
    digits: usize,
    signs: fn(usize) -> i16,
    biased: bool,
) -> Result<bool, OutOfDomain> {
    const ROWS: usize = 7;
    let limit = if digits == 1 { 127 } else { W16_MAX };
    let weights: Vec<i16> = (0..n * k).map(|i| limit * signs(i)).collect();
    let x: Vec<i16> = (0..ROWS * k).map(|i| 32_767 * signs(i / 3)).collect();
    let bytes = pack_panels(&weights, n, k, digits);
    let (mult, shift) = (vec![u16::MAX; n], (0..n).map(|c| (c % 40) as i8).collect::<Vec<_>>());
    let bias: Vec<i32> = (0..n).map(|c| i32::MAX * i32::from(signs(c))).collect();
    let s: Vec<i32> = (0..ROWS as i32).map(|t| 5 * t - 5).collect();
    let panels = Panels { n, k, digits, bytes: &bytes };
    let bias = biased.then_some(bias.as_slice());
    let Ok(product) = LinearWeights::new(panels, &mult, &shift, bias) else { return Ok(false) };
    let buffer = PackedBuffer::new(isa, ROWS, k);
    let packed = buffer.shape(ROWS, k);
    let mut y = vec![0; ROWS * n];
    let out = Output { values: SharedMut::new(&mut y), stride: n };
    let Ok(team) = Team::new(1) else { return Ok(false) };
    team.run(|w| {
        for (t, x) in x.chunks_exact(k).enumerate() {
            // SAFETY: one thread.
            unsafe { packed.pack_row(t, x) };
        }
        // SAFETY: one thread, and y is read after the run.
        unsafe { linear(w, &product, &packed, &s, out) };
    });
    for (i, y) in y.into_iter().enumerate() {
        let (t, c) = (i / n, i % n);
        let w = weights[c * k..][..k].iter().copied();
        let total = i32::from(shift[c]) + s[t];
        if scalar::linear(w, &x[t * k..][..k], mult[c], total, bias.map(|b| b[c]))? != y {
            return Ok(false);
        }
    }
    Ok(true)
}

fn attention_agrees(
    isa: Isa,
    head_dim: usize,
    positions: usize,
    narrow: bool,
    signs: fn(usize) -> i16,
) -> Result<bool, OutOfDomain> {
    const HEADS: usize = 5;
    let limit = if narrow { 127 } else { 32_767 };
    let written = |stretch: usize| Written {
        mantissas: (0..positions * head_dim).map(|i| limit * signs(i / stretch)).collect(),
        exponents: (0..positions).map(|s| (s % stretch) as i32).collect(),
    };
    let (keys, values) = (written(7), written(11));
    let mut cache = HeadCache::new(head_dim, narrow);
    cache.reserve(positions);
    for (s, (k, v)) in keys.mantissas.chunks(head_dim).zip(values.mantissas.chunks(head_dim)).enumerate() {
        // SAFETY: one thread.
        unsafe {
            cache.write_key(s, k, keys.exponents[s]);
            cache.write_value(s, v, values.exponents[s]);
        }
    }
    let exp: [i32; EXP_ENTRIES] = std::array::from_fn(|i| i32::MAX - (i as i32) * (1 << 18));
    let q: Vec<i16> = (0..HEADS * head_dim).map(|i| 32_767 * signs(i / 5)).collect();
    let qe: Vec<i32> = (0..HEADS as i32).map(|h| 3 * h).collect();
    let query = Query { q: &q, exponents: &qe, visible: positions / 4..positions };
    let mut scratch = Scratch::default();
    for (multiplier, shift) in [(1, 40), ((1 << 17) - 1, 45), (1 << 16, 2)] {
        let law = Law { multiplier, shift, exp: &exp, mix_shift: 46 };
        let mut y = vec![0; q.len()];
        // SAFETY: one thread, and every visible position is written.
        unsafe { attend(isa, &cache, &query, &law, &mut scratch, &mut y) };
        for (h, y) in y.chunks_exact(head_dim).enumerate() {
            let want = scalar::attention(&keys, &values, &query, h, &law)?;
            if want.y != y || want.scores != scratch.scores(h) || want.weights != scratch.weights(h) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
