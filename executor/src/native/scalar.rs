//! The kernels' formulas, element by element in the scalar arithmetic: what every instruction set is held to.

use super::attention::{Law, Query};
use crate::numerics::{Exact, bit_length, product, round_shift, sat32, sum};

/// One element of a product: y of one channel for one token.
pub(crate) fn linear(
    w: impl Iterator<Item = i16>,
    x: &[i16],
    mult: u16,
    shift: i32,
    bias: Option<i32>,
) -> Exact<i32> {
    let acc = w.zip(x).map(|(w, &x)| i64::from(w) * i64::from(x)).sum();
    let y = sat32(round_shift(product(acc, i64::from(mult))?, shift)?);
    Ok(sat32(sum(i64::from(y), i64::from(bias.unwrap_or(0)))?))
}

/// Keys or values as they were written: mantissas (positions, head_dim) and exponents (positions).
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) mantissas: Vec<i16>,
    pub(crate) exponents: Vec<i32>,
}

impl Written {
    fn row(&self, position: usize, head_dim: usize) -> impl Iterator<Item = i64> + '_ {
        self.mantissas[position * head_dim..][..head_dim].iter().map(|&m| i64::from(m))
    }
}

/// All values of the attention of one head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attention {
    pub(crate) scores: Vec<i32>,
    pub(crate) weights: Vec<i32>,
    pub(crate) top: i32,
    pub(crate) total: i64,
    pub(crate) vtop: i32,
    pub(crate) y: Vec<i32>,
}

/// Attention of head `h` of a query.
pub(crate) fn attention(
    keys: &Written,
    values: &Written,
    query: &Query<'_>,
    h: usize,
    law: &Law<'_>,
) -> Exact<Attention> {
    let width = query.q.len() / query.exponents.len();
    let mut all = Attention::default();
    let mut products = Vec::new();
    for s in query.visible.clone() {
        let q = query.q[h * width..][..width].iter();
        let dot = q.zip(keys.row(s, width)).map(|(&q, k)| i64::from(q) * k).sum();
        let shift = law.shift - query.exponents[h] - keys.exponents[s];
        all.scores.push(sat32(round_shift(product(dot, law.multiplier.into())?, shift)?));
    }
    all.top = all.scores.iter().copied().max().unwrap_or_default();
    all.vtop = values.exponents[query.visible.clone()].iter().copied().max().unwrap_or_default();
    for (s, &score) in query.visible.clone().zip(&all.scores) {
        let d = i64::from(all.top) - i64::from(score);
        let weight = law.exp[(d >> 8 & 4095) as usize] >> (d >> 20).min(31);
        all.weights.push(weight);
        all.total = sum(all.total, weight.into())?;
        products.push(i64::from(weight >> (all.vtop - values.exponents[s]).min(31)));
    }
    let length = bit_length(all.total as u64);
    let r = (1 << 61) / round_shift(all.total, length - 31)?;
    for j in 0..width {
        let acc: i64 = query
            .visible
            .clone()
            .zip(&products)
            .map(|(s, w)| w * i64::from(values.mantissas[s * width + j]))
            .sum();
        all.y.push(sat32(round_shift(product(acc >> (length - 16), r)?, law.mix_shift - all.vtop)?));
    }
    Ok(all)
}
