//! The gated unit of a feed-forward part, the widest rows of a decoder, with AVX-512.
//!
//! The table is read by plain loads, a chunk of elements at a time, as in `attention/weigh512`. Even and odd elements go
//! separately: `vpmuldq` multiplies the even 32-bit lanes into 64 bits in one step.

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::isa::Level;
use super::rows::{self, Table};

/// sat32(round_shift(sat32(round_shift(x T(x), 23)) u, shift))
pub(super) fn glu(isa: Isa, x: &[i32], u: &[i32], in_shift: i32, table: &Table, shift: i32, out: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    if isa.level() == Level::Avx512 && (-30..=0).contains(&in_shift) && (1..=62).contains(&shift) {
        // SAFETY: an `Isa` exists only for what this machine has.
        let done = unsafe { avx512::glu(x, u, in_shift.unsigned_abs(), table, shift, out) };
        return rows::glu(isa, &x[done..], &u[done..], in_shift, table, shift, &mut out[done..]);
    }
    rows::glu(isa, x, u, in_shift, table, shift, out);
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::Table;
    use std::arch::x86_64::*;

    /// Lanes of a vector.
    const LANES: usize = 16;
    /// Vectors of a chunk.
    const VECTORS: usize = 4;

    /// Cells of the table for 16 elements: those of the even ones, then those of the odd ones.
    type Cells = [[i64; LANES / 2]; 2];

    /// Whole chunks of a row, and how many elements they were. `left` is how far x goes to the left to be a place in
    /// the table, `shift` goes to the right.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    pub(super) fn glu(x: &[i32], u: &[i32], left: u32, table: &Table, shift: i32, out: &mut [i32]) -> usize {
        let (x, u) = (x.as_chunks::<LANES>().0, u.as_chunks::<LANES>().0);
        let out = out.as_chunks_mut::<LANES>().0;
        let (shift, half) = (_mm_cvtsi32_si128(shift), _mm512_set1_epi64(1 << (shift - 1)));
        let mut done = 0;
        for ((x, u), out) in
            x.chunks_exact(VECTORS).zip(u.chunks_exact(VECTORS)).zip(out.chunks_exact_mut(VECTORS))
        {
            let mut places = [[0_u16; LANES]; VECTORS];
            let mut rests = [_mm512_setzero_si512(); VECTORS];
            for ((x, place), rest) in x.iter().zip(&mut places).zip(&mut rests) {
                let cell = cell(load(x), left);
                *rest = _mm512_and_si512(cell, _mm512_set1_epi32((1 << 13) - 1));
                let place: *mut __m256i = place.as_mut_ptr().cast();
                // SAFETY: 16 places of 2 bytes.
                unsafe { _mm256_storeu_si256(place, _mm512_cvtepi32_epi16(_mm512_srli_epi32(cell, 13))) };
            }
            let mut cells = [Cells::default(); VECTORS];
            look_up(table, &places, &mut cells);
            for (((out, x), u), (rest, cells)) in out.iter_mut().zip(x).zip(u).zip(rests.iter().zip(&cells)) {
                let own = [*rest, load(x), load(u)];
                let y = |odd: usize| {
                    let [rest, x, u] = own.map(|v| if odd == 1 { _mm512_srli_epi64(v, 32) } else { v });
                    // SAFETY: 8 cells of 8 bytes.
                    let cell = unsafe { _mm512_loadu_si512(cells[odd].as_ptr().cast()) };
                    let step = _mm512_mul_epi32(_mm512_srli_epi64(cell, 32), rest);
                    let step = _mm512_srai_epi64(_mm512_add_epi64(step, _mm512_set1_epi64(1 << 12)), 13);
                    let gate = _mm512_mul_epi32(x, _mm512_add_epi32(cell, step));
                    let gate = _mm512_srai_epi64(_mm512_add_epi64(gate, _mm512_set1_epi64(1 << 22)), 23);
                    let y = _mm512_mul_epi32(saturated(gate), u);
                    saturated(_mm512_sra_epi64(_mm512_add_epi64(y, half), shift))
                };
                let values = _mm512_mask_shuffle_epi32(y(0), 0xaaaa, y(1), _MM_PERM_CDAB);
                // SAFETY: 16 elements of 4 bytes.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), values) };
            }
            done += VECTORS * LANES;
        }
        done
    }

    /// x * 2^left + 2^24 within 0 ..= 2^25 - 1.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn cell(x: __m512i, left: u32) -> __m512i {
        let within = |x: __m512i, limit: i32| {
            _mm512_max_epi32(_mm512_min_epi32(x, _mm512_set1_epi32(limit)), _mm512_set1_epi32(-limit))
        };
        // One more than what is shifted to the limit still passes it.
        let x = within(x, ((1 << 24) >> left) + 1);
        let x = within(_mm512_sll_epi32(x, _mm_cvtsi32_si128(left as i32)), 1 << 24);
        _mm512_min_epi32(_mm512_add_epi32(x, _mm512_set1_epi32(1 << 24)), _mm512_set1_epi32((1 << 25) - 1))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn saturated(y: __m512i) -> __m512i {
        let y = _mm512_max_epi64(y, _mm512_set1_epi64(i32::MIN.into()));
        _mm512_min_epi64(y, _mm512_set1_epi64(i32::MAX.into()))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(x: &[i32; LANES]) -> __m512i {
        // SAFETY: 16 elements of 4 bytes.
        unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
    }

    /// Cells of a table. On its own, without the vector features, so that the compiler makes no gathers of it.
    #[inline(never)]
    fn look_up(table: &Table, places: &[[u16; LANES]; VECTORS], cells: &mut [Cells; VECTORS]) {
        for (cells, places) in cells.iter_mut().zip(places) {
            for (i, place) in places.iter().enumerate() {
                cells[i % 2][i / 2] = table[usize::from(*place) % table.len()];
            }
        }
    }
}
