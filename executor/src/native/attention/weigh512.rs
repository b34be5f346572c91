//! Weights with AVX-512: powers of two of the scores' distances, and their digits aligned to the values.
//!
//! The table is read by plain loads, a chunk of positions at a time: a gather of 16 entries takes 25 cycles where 16
//! loads and stores take 8, if what they store is read back later and not at once.

use super::avx512::Tiles;
use super::cache::{HeadCache, TILE};
use super::scratch::{CHUNK, Scratch};
use super::{EXP_ENTRIES, mix512, narrow512};
use std::arch::x86_64::*;

/// Tiles of a chunk.
const TILES: usize = CHUNK / TILE;

/// Weights of a head, their sum, and the digits of the weights aligned to the values.
///
/// # Safety
/// As [`super::attend`], with the scores of the head and room for its digits.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")]
pub(super) unsafe fn weigh<const NARROW: bool>(
    cache: &HeadCache,
    exp: &[i32; EXP_ENTRIES],
    tiles: &Tiles,
    scratch: &mut Scratch,
    head: usize,
) {
    let stride = scratch.stride;
    let all = head * stride..(head + 1) * stride;
    let (scores, _) = scratch.scores[all.clone()].as_chunks::<TILE>();
    let (weights, _) = scratch.weights[all.clone()].as_chunks_mut::<TILE>();
    let top = _mm512_set1_epi32(scratch.tops[head]);
    let vtop = _mm512_set1_epi32(scratch.vtop);
    let far = _mm512_set1_epi32(31);
    let mut total = _mm512_setzero_si512();
    for chunk in 0..stride / CHUNK {
        let first = chunk * TILES;
        let here = TILES.min(tiles.count - first);
        let mut octaves = [_mm512_setzero_si512(); TILES];
        let mut indices = [[0_u16; TILE]; TILES];
        for tile in 0..here {
            // SAFETY: 16 scores, and 16 indices of 2 bytes.
            unsafe {
                let d = _mm512_sub_epi32(top, _mm512_loadu_si512(scores[first + tile].as_ptr().cast()));
                let index =
                    _mm512_and_si512(_mm512_srli_epi32(d, 8), _mm512_set1_epi32(EXP_ENTRIES as i32 - 1));
                octaves[tile] = _mm512_srli_epi32(d, 20);
                _mm256_storeu_si256(indices[tile].as_mut_ptr().cast(), _mm512_cvtepi32_epi16(index));
            }
        }
        let mut entries = [[0; TILE]; TILES];
        look_up(exp, &indices[..here], &mut entries);
        let mut seen = _mm512_setzero_si512();
        for tile in 0..TILES {
            let mut aligned = _mm512_setzero_si512();
            if tile < here {
                let near = _mm512_mask_cmplt_epu32_mask(tiles.mask(first + tile), octaves[tile], far);
                // SAFETY: 16 entries, weights, and exponents of a tile with a visible position.
                unsafe {
                    let entry = _mm512_maskz_loadu_epi32(near, entries[tile].as_ptr());
                    let weight = _mm512_srlv_epi32(entry, octaves[tile]);
                    _mm512_storeu_si512(weights[first + tile].as_mut_ptr().cast(), weight);
                    let low = _mm512_and_si512(weight, _mm512_set1_epi64(0xffff_ffff));
                    total = _mm512_add_epi64(total, _mm512_add_epi64(low, _mm512_srli_epi64(weight, 32)));
                    let exponents = cache.value_exponents().add(tiles.base + (first + tile) * TILE);
                    let below = _mm512_sub_epi32(vtop, _mm512_loadu_si512(exponents.cast()));
                    aligned = _mm512_srlv_epi32(weight, _mm512_min_epu32(below, far));
                }
            }
            seen = _mm512_or_si512(seen, aligned);
            let place = (first + tile) * TILE..(first + tile + 1) * TILE;
            if NARROW {
                let to = &mut scratch.bytes[all.clone()][place];
                // SAFETY: 16 elements of 4 bytes.
                unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), narrow512::digits(aligned)) };
            } else {
                for (digit, values) in mix512::split(aligned).into_iter().enumerate() {
                    let to = &mut scratch.digits[(3 * head + digit) * stride..][place.clone()];
                    // SAFETY: 16 digits of 2 bytes.
                    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(values)) };
                }
            }
        }
        let depth = if NARROW { narrow512::depth(seen) } else { mix512::depth(seen) };
        scratch.depths[head * (stride / CHUNK) + chunk] = depth;
    }
    scratch.totals[head] = _mm512_reduce_add_epi64(total);
}

/// Entries of a table. On its own, without the vector features, so that the compiler makes no gathers of it.
#[inline(never)]
fn look_up(exp: &[i32; EXP_ENTRIES], indices: &[[u16; TILE]], entries: &mut [[i32; TILE]; TILES]) {
    for (entries, indices) in entries.iter_mut().zip(indices) {
        for (entry, index) in entries.iter_mut().zip(indices) {
            *entry = exp[usize::from(*index) % EXP_ENTRIES];
        }
    }
}
