//! Products as plain loops.

use super::{LinearWeights, Output};
use crate::native::packed::PackedRows;
use crate::native::panels::{PANEL, STEP};
use std::ops::Range;

/// # Safety
/// As [`super::linear`], which has checked the shapes.
pub(super) unsafe fn linear(
    weights: &LinearWeights<'_>,
    x: &PackedRows<'_>,
    s: &[i32],
    out: Output<'_>,
    panels: Range<usize>,
    rows: Range<usize>,
) {
    for panel in panels {
        let channels = weights.channels(panel);
        let bytes = weights.panels.panel(panel);
        for t in rows.clone() {
            // SAFETY: packed for this level, and read-only until the next barrier.
            let row = unsafe { x.words(t) };
            let acc = if weights.panels.digits == 2 { dot::<2>(bytes, row) } else { dot::<1>(bytes, row) };
            // SAFETY: this worker's channels of row t.
            let y = unsafe {
                out.values.slice_mut(t * out.stride + channels.start..t * out.stride + channels.end)
            };
            for ((y, c), acc) in y.iter_mut().zip(channels.clone()).zip(acc) {
                *y = weights.finish(c, acc, s[t]);
            }
        }
    }
}

/// One panel (32, k) . x (k) -> acc (32).
fn dot<const D: usize>(panel: &[u8], x: &[i16]) -> [i64; PANEL] {
    let mut acc = [0; PANEL];
    for (step, x) in panel.chunks_exact(D * STEP).zip(x.chunks_exact(4)) {
        for (c, acc) in acc.iter_mut().enumerate() {
            for (j, &x) in x.iter().enumerate() {
                let high = i32::from(step[c * 4 + j] as i8);
                let w = if D == 2 { high * 256 + i32::from(step[STEP + c * 4 + j] as i8) } else { high };
                *acc += i64::from(w * i32::from(x));
            }
        }
    }
    acc
}
