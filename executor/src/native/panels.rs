//! The layout of weights in an artefact: panels of 32 channels, in the order in which the products read them.
//!
//! ```text
//! [ceil(n/32)] [ceil(k/4)] [digits] [2 halves] [16 channels] [4 terms]   i8, padded with zeros
//! ```
//! One digit: the weight, within +-127. Two digits, high one first: `w = 256 * high + low`, |w| <= 32,639.

use super::aligned::AlignedBytes;

/// Channels of a panel.
pub const PANEL: usize = 32;
/// Bytes of one digit of four terms of a panel.
pub const STEP: usize = 4 * PANEL;
/// Largest weight of two digits that are both `i8` and negate.
pub const W16_MAX: i16 = 127 * 256 + 127;

/// Digits of a weight, high one first.
pub const fn digits_of(w: i16) -> [i8; 2] {
    let low = w as i8;
    // In i32: w - low passes the end of i16 next to it.
    [((w as i32 - low as i32) >> 8) as i8, low]
}

/// Weights W (n, k) in panels.
#[derive(Clone, Copy, Debug)]
pub struct Panels<'a> {
    /// Output channels.
    pub n: usize,
    /// Terms of each product.
    pub k: usize,
    /// 1 or 2.
    pub digits: usize,
    /// `panels_len(n, k, digits)` bytes.
    pub bytes: &'a [u8],
}

/// Bytes of one panel of `k` terms.
pub const fn panel_len(k: usize, digits: usize) -> usize {
    k.div_ceil(4) * digits * STEP
}

/// Bytes of all panels of W (n, k).
pub const fn panels_len(n: usize, k: usize, digits: usize) -> usize {
    n.div_ceil(PANEL) * panel_len(k, digits)
}

/// Packs up to 32 rows of `k` weights into the next panel.
pub fn pack_panel(rows: &[i16], k: usize, digits: usize, panel: &mut [u8]) {
    assert_eq!(panel.len(), panel_len(k, digits));
    panel.fill(0);
    for (channel, row) in rows.chunks_exact(k).enumerate() {
        for (term, &w) in row.iter().enumerate() {
            let at = place(channel, term, digits);
            let [high, low] = digits_of(w);
            if digits == 2 {
                debug_assert!(w.unsigned_abs() <= W16_MAX as u16);
                panel[at] = high as u8;
                panel[at + STEP] = low as u8;
            } else {
                debug_assert!(w.unsigned_abs() <= 127);
                panel[at] = low as u8;
            }
        }
    }
}

/// Packs all of W (n, k), row-major.
pub fn pack_panels(weights: &[i16], n: usize, k: usize, digits: usize) -> AlignedBytes {
    assert_eq!(weights.len(), n * k);
    let mut bytes = AlignedBytes::zeroed(panels_len(n, k, digits));
    for (rows, panel) in weights.chunks(PANEL * k).zip(bytes.chunks_exact_mut(panel_len(k, digits))) {
        pack_panel(rows, k, digits, panel);
    }
    bytes
}

/// Byte of the high digit of a weight in its panel.
const fn place(channel: usize, term: usize, digits: usize) -> usize {
    (term / 4) * digits * STEP + (channel % PANEL) * 4 + term % 4
}

impl<'a> Panels<'a> {
    /// One weight.
    pub fn get(&self, n: usize, k: usize) -> i16 {
        let panel = self.panel(n / PANEL);
        let at = place(n, k, self.digits);
        let first = i16::from(panel[at] as i8);
        if self.digits == 2 { first * 256 + i16::from(panel[at + STEP] as i8) } else { first }
    }

    /// The weights of one channel.
    pub fn row(self, n: usize) -> impl ExactSizeIterator<Item = i16> + 'a {
        (0..self.k).map(move |k| self.get(n, k))
    }

    /// One panel's bytes.
    pub fn panel(&self, index: usize) -> &'a [u8] {
        let len = panel_len(self.k, self.digits);
        &self.bytes[index * len..][..len]
    }

    /// Sums of the weights of each channel, and of their magnitudes or more, padded with zeros to whole panels.
    pub fn row_sums(&self) -> (Vec<i64>, Vec<i64>) {
        let channels = self.n.div_ceil(PANEL) * PANEL;
        let (mut sums, mut magnitudes) = (vec![0; channels], vec![0; channels]);
        for index in 0..channels / PANEL {
            // Of each digit: terms beyond k are zero.
            let mut totals = [[[0_i32; 2]; PANEL]; 2];
            for (step, bytes) in self.panel(index).chunks_exact(STEP).enumerate() {
                for (total, digits) in totals[step % self.digits].iter_mut().zip(bytes.chunks_exact(4)) {
                    for digit in digits {
                        total[0] += i32::from(*digit as i8);
                        total[1] += i32::from((*digit as i8).unsigned_abs());
                    }
                }
            }
            let whole = |channel: usize, what: usize| {
                let [high, low] = totals.map(|digit| i64::from(digit[channel][what]));
                if self.digits == 2 { 256 * high + low } else { high }
            };
            for channel in 0..PANEL {
                sums[index * PANEL + channel] = whole(channel, 0);
                magnitudes[index * PANEL + channel] = whole(channel, 1);
            }
        }
        (sums, magnitudes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_add_up() {
        for w in -W16_MAX..=W16_MAX {
            let [high, low] = digits_of(w);
            assert_eq!(i16::from(high) * 256 + i16::from(low), w);
            assert!(high >= -127);
        }
    }

    #[test]
    fn panels_give_back_what_was_packed() {
        for (n, k, digits) in [(1, 1, 1), (33, 5, 1), (64, 8, 2), (70, 19, 2)] {
            let limit = if digits == 1 { 127 } else { i32::from(W16_MAX) };
            let weights: Vec<i16> =
                (0..n * k).map(|i| ((i as i32 * 7919 + 5) % (2 * limit + 1) - limit) as i16).collect();
            let bytes = pack_panels(&weights, n, k, digits);
            assert_eq!(bytes.len(), panels_len(n, k, digits));
            let panels = Panels { n, k, digits, bytes: &bytes };
            let (sums, magnitudes) = panels.row_sums();
            for (c, row) in weights.chunks(k).enumerate() {
                assert!(panels.row(c).eq(row.iter().copied()), "channel {c} of {n} x {k}");
                assert_eq!(sums[c], row.iter().map(|&w| i64::from(w)).sum::<i64>());
                let magnitude = row.iter().map(|&w| i64::from(w).abs()).sum::<i64>();
                assert!(magnitudes[c] == magnitude || digits == 2 && magnitudes[c] > magnitude);
            }
        }
    }
}
