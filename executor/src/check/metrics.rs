//! What a comparison of both sides says: sums that grow window by window, so that no window has to be kept.
//!
//! Integers are Fixed values, `x * 2^-fraction`. Everything is summed in f64.

/// Perplexity of both sides, their distance and how often they agree, over the windows added so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LanguageScore {
    positions: u64,
    predicted: u64,
    float_nll: f64,
    integer_nll: f64,
    divergence: f64,
    divergence_max: f64,
    same_top: u64,
}

impl LanguageScore {
    /// Adds one window: logits `[positions, vocabulary]` of both sides for `tokens`, where row t predicts token
    /// t + 1. The last row predicts nothing, but counts for the divergence and the top token.
    pub fn add(&mut self, tokens: &[u32], float: &[f32], integer: &[i32], fraction: i32) {
        let vocabulary = (float.len() / tokens.len().max(1)).max(1);
        let rows = float.chunks_exact(vocabulary).zip(integer.chunks_exact(vocabulary));
        for (t, (float, integer)) in rows.enumerate() {
            self.add_row(tokens.get(t + 1).copied(), float, integer, fraction);
        }
    }

    /// Adds the logits of one position, which predict `next` if it is known.
    pub fn add_row(&mut self, next: Option<u32>, float: &[f32], integer: &[i32], fraction: i32) {
        let unit = unit(fraction);
        let float = float.iter().map(|x| f64::from(*x));
        let integer = integer.iter().map(|x| f64::from(*x) * unit);
        let (p, q) = (LogSoftmax::new(float.clone()), LogSoftmax::new(integer.clone()));
        let divergence = float.clone().zip(integer.clone()).map(|(f, i)| {
            let (p, q) = (f - p.offset, i - q.offset);
            p.exp() * (p - q)
        });
        let divergence: f64 = divergence.sum();
        self.positions += 1;
        self.divergence += divergence;
        self.divergence_max = self.divergence_max.max(divergence);
        self.same_top += u64::from(p.top == q.top);
        let at = next.map(|next| next as usize);
        if let Some((f, i)) = at.and_then(|n| float.clone().nth(n).zip(integer.clone().nth(n))) {
            self.predicted += 1;
            self.float_nll -= f - p.offset;
            self.integer_nll -= i - q.offset;
        }
    }

    /// Adds what another score has seen.
    pub fn merge(&mut self, other: &Self) {
        self.positions += other.positions;
        self.predicted += other.predicted;
        self.float_nll += other.float_nll;
        self.integer_nll += other.integer_nll;
        self.divergence += other.divergence;
        self.divergence_max = self.divergence_max.max(other.divergence_max);
        self.same_top += other.same_top;
    }

    /// Positions compared.
    pub fn positions(&self) -> u64 {
        self.positions
    }

    /// Of the float side: e to the mean negative log-likelihood of the next token.
    pub fn float_perplexity(&self) -> f64 {
        (self.float_nll / self.predicted as f64).exp()
    }

    /// Of the integer side.
    pub fn integer_perplexity(&self) -> f64 {
        (self.integer_nll / self.predicted as f64).exp()
    }

    /// Mean KL(float, integer) in nats.
    pub fn divergence_mean(&self) -> f64 {
        self.divergence / self.positions as f64
    }

    /// Largest KL(float, integer) of a position, in nats.
    pub fn divergence_max(&self) -> f64 {
        self.divergence_max
    }

    /// Share of the positions where both sides have the same most probable token.
    pub fn same_top_share(&self) -> f64 {
        self.same_top as f64 / self.positions as f64
    }
}

/// Distance of one step's values on both sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepError {
    difference: f64,
    magnitude: f64,
}

impl StepError {
    /// Adds values of both sides, in the same order.
    pub fn add(&mut self, float: &[f32], integer: &[i32], fraction: i32) {
        let unit = unit(fraction);
        for (float, integer) in float.iter().zip(integer) {
            let float = f64::from(*float);
            self.difference += (f64::from(*integer) * unit - float).powi(2);
            self.magnitude += float * float;
        }
    }

    /// |integer 2^-fraction - float| / |float|; 0 if both are zero everywhere.
    pub fn relative(&self) -> f64 {
        if self.difference == 0.0 { 0.0 } else { (self.difference / self.magnitude).sqrt() }
    }
}

/// How much of the 32 bits one step's integers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headroom {
    values: u64,
    saturated: u64,
    magnitude_max: u32,
}

impl Headroom {
    /// Adds values.
    pub fn add(&mut self, integer: &[i32]) {
        self.values += integer.len() as u64;
        for x in integer {
            self.saturated += u64::from(*x == i32::MIN || *x == i32::MAX);
            self.magnitude_max = self.magnitude_max.max(x.unsigned_abs());
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.saturated += other.saturated;
        self.magnitude_max = self.magnitude_max.max(other.magnitude_max);
    }

    /// Values seen.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Values at either end of the range: these are cut off, and the model is no longer the model.
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// The largest magnitude.
    pub fn magnitude_max(&self) -> u32 {
        self.magnitude_max
    }

    /// 31 less the length of the largest magnitude: doublings that still fit.
    pub fn bits(&self) -> u32 {
        self.magnitude_max.leading_zeros().saturating_sub(1)
    }
}

/// Cosine of the angle between two embeddings. An integer one needs no number of fractional bits: the angle
/// does not depend on it.
pub fn cosine(float: &[f32], integer: &[i32]) -> f64 {
    let (mut dot, mut left, mut right) = (0.0, 0.0, 0.0);
    for (f, i) in float.iter().zip(integer) {
        let (f, i) = (f64::from(*f), f64::from(*i));
        dot += f * i;
        left += f * f;
        right += i * i;
    }
    dot / (left.sqrt() * right.sqrt())
}

/// 2^-fraction
fn unit(fraction: i32) -> f64 {
    f64::from(-fraction).exp2()
}

/// What turns logits into logarithms of probabilities.
struct LogSoftmax {
    /// Taken from every logit.
    offset: f64,
    /// The first of the largest.
    top: usize,
}

impl LogSoftmax {
    fn new(logits: impl Iterator<Item = f64> + Clone) -> Self {
        let first = (0, f64::NEG_INFINITY);
        let (top, max) =
            logits.clone().enumerate().fold(first, |best, (i, x)| if x > best.1 { (i, x) } else { best });
        let total: f64 = logits.map(|x| (x - max).exp()).sum();
        Self { offset: max + total.ln(), top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-12 * right.abs().max(1.0), "{left} is not {right}");
    }

    #[test]
    fn language_score_of_known_distributions() {
        // Float: (1/2, 1/2) everywhere; integer: logits 0 and -1, so the first entry has e / (1 + e).
        let p = 1f64.exp() / (1.0 + 1f64.exp());
        let mut score = LanguageScore::default();
        score.add(&[0, 0, 1], &[3.0; 6], &[0, -16, 0, -16, 0, -16], 4);
        assert_eq!(score.positions(), 3);
        close(score.float_perplexity(), 2.0);
        close(score.integer_perplexity(), 1.0 / (p * (1.0 - p)).sqrt());
        let kl = 0.5 * (0.5 / p).ln() + 0.5 * (0.5 / (1.0 - p)).ln();
        close(score.divergence_mean(), kl);
        close(score.divergence_max(), kl);
        close(score.same_top_share(), 1.0);
    }

    #[test]
    fn windows_add_up() {
        let (mut one, mut two) = (LanguageScore::default(), LanguageScore::default());
        one.add(&[1, 0], &[0.0, 1.0, 5.0, 2.0], &[0, 1, 3, 4], 0);
        two.add(&[1, 0], &[0.0, 1.0, 5.0, 2.0], &[0, 1, 3, 4], 0);
        two.merge(&two.clone());
        close(one.same_top_share(), 0.5);
        close(two.divergence_mean(), one.divergence_mean());
        close(two.integer_perplexity(), one.integer_perplexity());
        assert_eq!(two.positions(), 4);
    }

    #[test]
    fn equal_sides_differ_by_nothing() {
        let mut score = LanguageScore::default();
        score.add(&[0, 1], &[1.5, -2.0, 40.0, 0.25], &[6, -8, 160, 1], 2);
        assert_eq!(score.divergence_max(), 0.0);
        assert_eq!(score.float_perplexity(), score.integer_perplexity());
    }

    #[test]
    fn step_error_is_relative() {
        let mut error = StepError::default();
        assert_eq!(error.relative(), 0.0);
        error.add(&[3.0], &[12], 2);
        error.add(&[4.0], &[18], 2);
        close(error.relative(), 0.1);
        error.add(&[0.0; 2], &[0; 2], 9);
        close(error.relative(), 0.1);
    }

    #[test]
    fn headroom_counts_both_ends() {
        let mut headroom = Headroom::default();
        assert_eq!(headroom.bits(), 31);
        headroom.add(&[0, -5, 4]);
        assert_eq!((headroom.bits(), headroom.saturated(), headroom.magnitude_max()), (28, 0, 5));
        headroom.add(&[i32::MAX, i32::MIN, 7]);
        assert_eq!((headroom.bits(), headroom.saturated(), headroom.values()), (0, 2, 6));
    }

    #[test]
    fn cosine_ignores_lengths() {
        close(cosine(&[1.0, 2.0], &[300, 600]), 1.0);
        close(cosine(&[1.0, 0.0], &[0, 5]), 0.0);
    }
}
