//! GGUF's plain block formats: 32 weights with a scale, and in the `_1` formats a minimum.
//!
//! The arithmetic is that of ggml's `dequantize_row_*` in its order, one rounding an operation (no fused
//! multiply-add), so a weight has the same bits on every machine.

use half::f16;

/// The f16 at byte `AT` of a block, as f32.
pub(super) fn half_at<const AT: usize, const N: usize>(block: &[u8; N]) -> f32 {
    const { assert!(AT + 1 < N) };
    f16::from_le_bytes([block[AT], block[AT + 1]]).to_f32()
}

/// d f16, 16 bytes of nibbles: y = (q - 8) d. The low nibbles are the first 16 weights.
pub(crate) fn q4_0(block: &[u8; 18]) -> [f32; 32] {
    let d = half_at::<0, _>(block);
    let mut y = [0.0; 32];
    for j in 0..16 {
        let q = block[2 + j];
        y[j] = (f32::from(q & 15) - 8.0) * d;
        y[j + 16] = (f32::from(q >> 4) - 8.0) * d;
    }
    y
}

/// d f16, m f16, 16 bytes of nibbles: y = q d + m.
pub(crate) fn q4_1(block: &[u8; 20]) -> [f32; 32] {
    let (d, m) = (half_at::<0, _>(block), half_at::<2, _>(block));
    let mut y = [0.0; 32];
    for j in 0..16 {
        let q = block[4 + j];
        y[j] = f32::from(q & 15) * d + m;
        y[j + 16] = f32::from(q >> 4) * d + m;
    }
    y
}

/// The fifth bits of weight `j` and weight `j + 16`, from the 32 bits of a block.
fn fifth_bits(high: [u8; 4], j: usize) -> [u8; 2] {
    let bit = |i: usize| ((high[i / 8] >> (i % 8)) & 1) << 4;
    [bit(j), bit(j + 16)]
}

/// d f16, 32 fifth bits, 16 bytes of nibbles: y = (q - 16) d.
pub(crate) fn q5_0(block: &[u8; 22]) -> [f32; 32] {
    let d = half_at::<0, _>(block);
    let high = [block[2], block[3], block[4], block[5]];
    let mut y = [0.0; 32];
    for j in 0..16 {
        let q = block[6 + j];
        let [low_bit, high_bit] = fifth_bits(high, j);
        y[j] = (f32::from((q & 15) | low_bit) - 16.0) * d;
        y[j + 16] = (f32::from((q >> 4) | high_bit) - 16.0) * d;
    }
    y
}

/// d f16, m f16, 32 fifth bits, 16 bytes of nibbles: y = q d + m.
pub(crate) fn q5_1(block: &[u8; 24]) -> [f32; 32] {
    let (d, m) = (half_at::<0, _>(block), half_at::<2, _>(block));
    let high = [block[4], block[5], block[6], block[7]];
    let mut y = [0.0; 32];
    for j in 0..16 {
        let q = block[8 + j];
        let [low_bit, high_bit] = fifth_bits(high, j);
        y[j] = f32::from((q & 15) | low_bit) * d + m;
        y[j + 16] = f32::from((q >> 4) | high_bit) * d + m;
    }
    y
}

/// d f16, 32 signed bytes: y = q d.
pub(crate) fn q8_0(block: &[u8; 34]) -> [f32; 32] {
    let d = half_at::<0, _>(block);
    std::array::from_fn(|j| f32::from(block[2 + j].cast_signed()) * d)
}
