//! What is done to each position on its own: norms, rotary embedding, activations. Sums and functions in f64.

use crate::import::source::Activation;

/// x / sqrt(mean(x^2) + eps) * gain, in each group of `gain.len()` values.
pub(super) fn rms_norm(x: &[f32], gain: &[f32], eps: f64, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(gain.len()).zip(y.chunks_exact_mut(gain.len())) {
        let squares: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
        let factor = 1.0 / (squares / x.len() as f64 + eps).sqrt();
        for ((y, x), g) in y.iter_mut().zip(x).zip(gain) {
            *y = (f64::from(*x) * factor * f64::from(*g)) as f32;
        }
    }
}

/// (x - mean) / sqrt(variance + eps) * gain + bias, in each row of `gain.len()` values.
pub(super) fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], eps: f64, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(gain.len()).zip(y.chunks_exact_mut(gain.len())) {
        let count = x.len() as f64;
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let variance = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
        let factor = 1.0 / (variance + eps).sqrt();
        for (((y, x), g), b) in y.iter_mut().zip(x).zip(gain).zip(bias) {
            *y = ((f64::from(*x) - mean) * factor * f64::from(*g) + f64::from(*b)) as f32;
        }
    }
}

/// Turns pairs (i, i + p) of each head of one position; what follows the pairs stays as it is.
pub(super) fn rope(x: &mut [f32], position: usize, frequencies: &[f64], head_dim: usize) {
    let turns: Vec<(f64, f64)> = frequencies.iter().map(|f| (position as f64 * f).sin_cos()).collect();
    for head in x.chunks_exact_mut(head_dim) {
        let (left, right) = head.split_at_mut(turns.len());
        for ((a, b), (sin, cos)) in left.iter_mut().zip(right).zip(&turns) {
            let (x, y) = (f64::from(*a), f64::from(*b));
            *a = (x * cos - y * sin) as f32;
            *b = (x * sin + y * cos) as f32;
        }
    }
}

/// One value bent.
pub(super) fn activate(activation: Activation, x: f32) -> f64 {
    let x = f64::from(x);
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
    }
}

/// The mean of rows of `width` values.
pub(super) fn mean(x: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    let mut rows = 0.0;
    for row in x.chunks_exact(width) {
        rows += 1.0;
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    sums.iter().map(|sum| (sum / rows) as f32).collect()
}

/// x / |x|; a zero vector stays.
pub(super) fn normalize(x: &[f32]) -> Vec<f32> {
    let length = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
    x.iter().map(|v| (f64::from(*v) * factor) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: &[f32], right: &[f64]) {
        assert_eq!(left.len(), right.len());
        for (l, r) in left.iter().zip(right) {
            assert!((f64::from(*l) - r).abs() <= 1e-6 * r.abs().max(1.0), "{left:?} is not {right:?}");
        }
    }

    #[test]
    fn rms_norm_takes_each_group_on_its_own() {
        let mut y = [0.0; 4];
        rms_norm(&[3.0, 4.0, 0.0, 2.0], &[1.0, 2.0], 0.5, &mut y);
        let (a, b) = (1.0 / 13f64.sqrt(), 1.0 / 2.5f64.sqrt());
        close(&y, &[3.0 * a, 8.0 * a, 0.0, 4.0 * b]);
    }

    #[test]
    fn layer_norm_centres() {
        let mut y = [0.0; 2];
        layer_norm(&[1.0, 3.0], &[2.0, 1.0], &[0.5, -1.0], 3.0, &mut y);
        close(&y, &[-0.5, -0.5]);
    }

    #[test]
    fn rope_turns_pairs_and_leaves_the_rest() {
        let mut x = [1.0, 0.0, 0.0, 1.0, 7.0, 2.0, 0.0, 0.0, 0.0, 9.0];
        rope(&mut x, 2, &[std::f64::consts::FRAC_PI_4, 0.0], 5);
        close(&x, &[0.0, 0.0, 1.0, 1.0, 7.0, 0.0, 0.0, 2.0, 0.0, 9.0]);
    }

    #[test]
    fn activations_have_their_textbook_values() {
        let at_one = |a| activate(a, 1.0) as f32;
        close(&[at_one(Activation::Silu)], &[0.731_058_578]);
        close(&[at_one(Activation::Gelu)], &[0.841_344_746]);
        close(&[at_one(Activation::GeluTanh)], &[0.841_191_990]);
    }

    #[test]
    fn pooling() {
        close(&mean(&[1.0, 2.0, 3.0, 6.0], 2), &[2.0, 4.0]);
        close(&normalize(&[3.0, 4.0]), &[0.6, 0.8]);
        close(&normalize(&[0.0, 0.0]), &[0.0, 0.0]);
    }
}
