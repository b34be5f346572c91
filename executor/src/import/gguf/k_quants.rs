//! GGUF's K formats: 256 weights in groups of 32 or 16, with quantised scales under one f16 scale.
//!
//! As in `dequant`: ggml's reference arithmetic in its order, one rounding an operation.

use super::dequant::half_at;

/// The 6-bit scale and minimum of group `j` (0..8) out of 12 packed bytes.
fn scale_and_min(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = match j < 4 {
        true => (packed[j] & 63, packed[j + 4] & 63),
        false => (
            (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4),
            (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4),
        ),
    };
    (f32::from(scale), f32::from(min))
}

/// d f16, dmin f16, 12 bytes of scales, 128 of nibbles: y = d scale q - dmin min.
pub(crate) fn q4_k(block: &[u8; 144]) -> [f32; 256] {
    let (d, dmin) = (half_at::<0, _>(block), half_at::<2, _>(block));
    let (scales, nibbles) = (&block[4..16], &block[16..144]);
    let mut y = [0.0; 256];
    for group in 0..8 {
        let (scale, min) = scale_and_min(scales, group);
        let (scale, min) = (d * scale, dmin * min);
        let shift = 4 * (group % 2);
        for l in 0..32 {
            let q = (nibbles[group / 2 * 32 + l] >> shift) & 15;
            y[group * 32 + l] = scale * f32::from(q) - min;
        }
    }
    y
}

/// As [`q4_k`] with 32 bytes of fifth bits, bit `group` of byte `l`, before the nibbles.
pub(crate) fn q5_k(block: &[u8; 176]) -> [f32; 256] {
    let (d, dmin) = (half_at::<0, _>(block), half_at::<2, _>(block));
    let (scales, high, nibbles) = (&block[4..16], &block[16..48], &block[48..176]);
    let mut y = [0.0; 256];
    for group in 0..8 {
        let (scale, min) = scale_and_min(scales, group);
        let (scale, min) = (d * scale, dmin * min);
        let shift = 4 * (group % 2);
        for l in 0..32 {
            let fifth = ((high[l] >> group) & 1) << 4;
            let q = ((nibbles[group / 2 * 32 + l] >> shift) & 15) | fifth;
            y[group * 32 + l] = scale * f32::from(q) - min;
        }
    }
    y
}

/// 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, d f16: y = d scale (q - 32).
pub(crate) fn q6_k(block: &[u8; 210]) -> [f32; 256] {
    let (low, high, scales) = (&block[0..128], &block[128..192], &block[192..208]);
    let d = half_at::<208, _>(block);
    let mut y = [0.0; 256];
    // Weight i lies in half i / 128, there in quarter (i / 32) % 4.
    for i in 0..256 {
        let (side, quarter, l) = (i / 128, i / 32 % 4, i % 32);
        let nibble = (low[side * 64 + quarter % 2 * 32 + l] >> (quarter / 2 * 4)) & 15;
        let pair = (high[side * 32 + l] >> (quarter * 2)) & 3;
        let scale = f32::from(scales[i / 16].cast_signed());
        y[i] = d * scale * (f32::from(nibble | (pair << 4)) - 32.0);
    }
    y
}
