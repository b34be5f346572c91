//! softmax(scale q k^T) v over the visible positions.

use super::matrix::{in_parallel, product};
use crate::program::op::Span;

/// Queries that are weighed together; bounds the memory for scores.
const QUERIES_AT_ONCE: usize = 64;

/// The shape of an attention.
pub(super) struct Attention {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) span: Span,
    pub(super) scale: f64,
}

impl Attention {
    /// Q (t, heads head_dim), K and V (t, kv_heads head_dim) -> (t, heads head_dim)
    pub(super) fn apply(&self, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        let (wide, narrow) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let positions = k.len() / narrow;
        let keys: Vec<Vec<f32>> = (0..self.kv_heads).map(|h| self.head(k, narrow, h)).collect();
        let values: Vec<Vec<f32>> =
            (0..self.kv_heads).map(|h| transposed(&self.head(v, narrow, h), self.head_dim)).collect();
        let mut out = vec![0.0; q.len()];
        in_parallel(&mut out, wide, |first, part| {
            for (block, part) in part.chunks_mut(QUERIES_AT_ONCE * wide).enumerate() {
                let first = first + block * QUERIES_AT_ONCE;
                let rows = part.len() / wide;
                let q = &q[first * wide..(first + rows) * wide];
                for head in 0..self.heads {
                    let shared = head * self.kv_heads / self.heads;
                    let mut weights = vec![0.0; rows * positions];
                    product(&self.head(q, wide, head), &keys[shared], self.head_dim, &mut weights);
                    for (i, row) in weights.chunks_exact_mut(positions).enumerate() {
                        softmax(row, self.span.visible(first + i, positions), self.scale);
                    }
                    let mut mixed = vec![0.0; rows * self.head_dim];
                    product(&weights, &values[shared], positions, &mut mixed);
                    for (to, from) in part.chunks_exact_mut(wide).zip(mixed.chunks_exact(self.head_dim)) {
                        to[head * self.head_dim..][..self.head_dim].copy_from_slice(from);
                    }
                }
            }
        });
        out
    }

    /// One head of every row, on its own.
    fn head(&self, x: &[f32], width: usize, head: usize) -> Vec<f32> {
        x.chunks_exact(width).flat_map(|row| &row[head * self.head_dim..][..self.head_dim]).copied().collect()
    }
}

/// X (rows, width) -> (width, rows)
fn transposed(x: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|i| x.iter().skip(i).step_by(width)).copied().collect()
}

/// Weights of the visible scores, zero elsewhere.
fn softmax(scores: &mut [f32], visible: std::ops::Range<usize>, scale: f64) {
    let end = visible.end.min(scores.len());
    let (before, rest) = scores.split_at_mut(visible.start.min(end));
    let (seen, after) = rest.split_at_mut(end - before.len());
    let max = seen.iter().fold(f64::NEG_INFINITY, |max, s| max.max(f64::from(*s) * scale));
    let mut total = 0.0;
    for s in seen.iter_mut() {
        let weight = (f64::from(*s) * scale - max).exp();
        total += weight;
        *s = weight as f32;
    }
    seen.iter_mut().for_each(|s| *s = (f64::from(*s) / total) as f32);
    before.fill(0.0);
    after.fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, one number at a time.
    fn plain(a: &Attention, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f64> {
        let (wide, narrow, d) = (a.heads * a.head_dim, a.kv_heads * a.head_dim, a.head_dim);
        let positions = q.len() / wide;
        let mut out = Vec::new();
        for t in 0..positions {
            for h in 0..a.heads {
                let g = h / (a.heads / a.kv_heads);
                let visible = a.span.visible(t, positions);
                let dot = |s: usize| -> f64 {
                    (0..d)
                        .map(|i| f64::from(q[t * wide + h * d + i]) * f64::from(k[s * narrow + g * d + i]))
                        .sum()
                };
                let e: Vec<f64> = visible.clone().map(|s| (a.scale * dot(s)).exp()).collect();
                let total: f64 = e.iter().sum();
                for i in 0..d {
                    let mix = visible.clone().zip(&e).map(|(s, e)| e * f64::from(v[s * narrow + g * d + i]));
                    out.push(mix.sum::<f64>() / total);
                }
            }
        }
        out
    }

    #[test]
    fn spans_and_shared_heads_are_those_of_the_definition() {
        let (heads, kv_heads, head_dim, positions) = (4, 2, 6, 150);
        let wave = |count: usize, step: f32| (0..count).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
        let q = wave(positions * heads * head_dim, 1.3);
        let k = wave(positions * kv_heads * head_dim, 0.7);
        let v = wave(positions * kv_heads * head_dim, 2.9);
        for span in [Span::All, Span::Causal, Span::Window(1), Span::Window(5)] {
            let attention = Attention { heads, kv_heads, head_dim, span, scale: 0.8 };
            let (fast, plain) = (attention.apply(&q, &k, &v), plain(&attention, &q, &k, &v));
            assert!(fast.iter().zip(plain).all(|(f, p)| (f64::from(*f) - p).abs() < 1e-5), "{span:?}");
        }
    }
}
