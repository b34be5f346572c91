//! Kernels over one row: plain loops, compiled once for each instruction set so that they become vector code.
//!
//! The validator has proved every bound, so arithmetic is plain i64 arithmetic on 62-bit operands. `shift` arguments
//! are those of `round_shift`. Each is tested against the reference kernel of its operation.

use super::aligned::Lines;
use super::isa::{Isa, Level};
use crate::numerics::sat32;

/// Fractional bits of table positions: 4,096 intervals over [-16, 16) with 20 fractional bits.
const CELL_BITS: u32 = 13;

/// A table of pairs (value, difference), a pair in the low and high half of an element.
pub(super) type Table = [i64; 4096];

/// round_shift with everything that depends on the shift alone worked out before a loop.
#[derive(Clone, Copy)]
struct Rounding {
    half: i64,
    right: u32,
    left: u32,
}

impl Rounding {
    #[inline(always)]
    fn new(s: i32) -> Self {
        let right = s.max(0) as u32;
        // Left shifts only ever feed a saturation to 32 bits or less: beyond 32 every non-zero value saturates.
        Self { half: if s > 0 { 1 << (s - 1) } else { 0 }, right, left: (-s).clamp(0, 32) as u32 }
    }

    /// sat32(round_shift(x, s))
    #[inline(always)]
    fn sat(self, x: i64) -> i64 {
        let near = clamp32((x + self.half) >> self.right);
        clamp32(near << self.left)
    }
}

/// Product of 32-bit factors, which vector units multiply faster than 64-bit ones.
#[inline(always)]
fn wide(a: i32, b: i32) -> i64 {
    i64::from(a) * i64::from(b)
}

/// Rounding shifts of 32-bit values to mantissas: half the width, twice the values of a vector.
#[derive(Clone, Copy)]
struct ToMantissa {
    /// e - 1 for e >= 1.
    right: u32,
    /// -e for e < 0.
    left: u32,
    /// Values beyond this saturate once shifted to the left.
    reach: i32,
    round: bool,
    limit: i32,
}

impl ToMantissa {
    #[inline(always)]
    fn new(e: i32, bits: u32) -> Self {
        let limit = (1 << (bits - 1)) - 1;
        let left = (-e).clamp(0, 30) as u32;
        // One more than limit >> left still exceeds the limit when it is shifted back.
        Self { right: (e - 1).clamp(0, 31) as u32, left, reach: (limit >> left) + 1, round: e > 0, limit }
    }

    /// round_shift(x, e) within +-limit.
    #[inline(always)]
    fn of(self, x: i32) -> i32 {
        let y = if self.round {
            // floor((floor(x / 2^(e-1)) + 1) / 2); at e = 1 the sum may saturate, far beyond the limit.
            (x >> self.right).saturating_add(1) >> 1
        } else {
            x.clamp(-self.reach, self.reach) << self.left
        };
        y.clamp(-self.limit, self.limit)
    }
}

#[inline(always)]
fn clamp32(x: i64) -> i64 {
    x.clamp(i32::MIN as i64, i32::MAX as i64)
}

/// Declares kernels: one body, compiled for each instruction set, chosen at run time.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[inline]
        #[allow(clippy::too_many_arguments, reason = "a formula has as many parameters as it has")]
        pub(super) fn $name(isa: Isa, $($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
            fn avx512($($arg: $type),*) $(-> $ret)? { body($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $type),*) $(-> $ret)? { body($($arg),*) }
            match isa.level() {
                // SAFETY: an `Isa` exists only for what this machine has.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    )*};
}

/// Sums and differences of all halves in turn. A step takes x[i] and x[i + n/2] to y[2 i] and y[2 i + 1]: it
/// transforms one bit of the index and turns the index by a bit, so that after all bits every element is in its place
/// and each step is the same loop over whole vectors.
macro_rules! butterflies {
    ($x:ident, $room:ident, $t:ty) => {{
        let half = $x.len() / 2;
        $room.resize(2 * $x.len());
        let (mut from, mut to) = $room.split_at_mut($x.len());
        from.iter_mut().zip($x).for_each(|(y, v)| *y = <$t>::from(*v));
        for _ in 0..$x.len().ilog2() {
            let (a, b) = from.split_at(half);
            for ((y, a), b) in to.chunks_exact_mut(2).zip(a).zip(b) {
                y.copy_from_slice(&[*a + *b, *a - *b]);
            }
            (from, to) = (to, from);
        }
        from
    }};
}

kernels! {
    /// max |x|
    fn max_abs(x: &[i32]) -> u64 {
        x.iter().fold(0, |m: u32, v| m.max(v.unsigned_abs())).into()
    }

    /// Mantissas of `bits` bits (8 or 16) under exponent `e`.
    fn mantissas(x: &[i32], e: i32, bits: u32, out: &mut [i16]) {
        let r = ToMantissa::new(e, bits);
        if r.round {
            for (y, v) in out.iter_mut().zip(x) {
                *y = ToMantissa { round: true, ..r }.of(*v) as i16;
            }
        } else {
            for (y, v) in out.iter_mut().zip(x) {
                *y = ToMantissa { round: false, ..r }.of(*v) as i16;
            }
        }
    }

    /// Sum of squares of mantissas of 24 bits under exponent `e`.
    fn sum_of_squares(x: &[i32], e: i32) -> i64 {
        let r = ToMantissa::new(e, 24);
        let mut total = 0;
        for v in x {
            let m = r.of(*v);
            total += wide(m, m);
        }
        total
    }

    /// sat32(round_shift(n * gain, gain_shift)), n = sat32(round_shift(m r, shift)), m of 24 bits under exponent `e`.
    fn norm(x: &[i32], e: i32, r: i64, shift: i32, gain: &[i32], gain_shift: i32, out: &mut [i32]) {
        let (first, second, third) = (ToMantissa::new(e, 24), Rounding::new(shift), Rounding::new(gain_shift));
        for ((y, v), g) in out.iter_mut().zip(x).zip(gain) {
            let m = i64::from(first.of(*v));
            *y = third.sat(wide(second.sat(m * r) as i32, *g)) as i32;
        }
    }

    /// sat32(a + b)
    fn add(a: &[i32], b: &[i32], out: &mut [i32]) {
        for ((y, a), b) in out.iter_mut().zip(a).zip(b) {
            *y = a.saturating_add(*b);
        }
    }

    /// Sum of x.
    fn sum(x: &[i32]) -> i64 {
        x.iter().map(|v| i64::from(*v)).sum()
    }

    /// sat32(x - mean)
    fn centre(x: &[i32], mean: i64, out: &mut [i32]) {
        for (y, v) in out.iter_mut().zip(x) {
            *y = clamp32(i64::from(*v) - mean) as i32;
        }
    }

    /// sat32(round_shift(x * multiplier, shift))
    fn rescale(x: &[i32], multiplier: i32, shift: i32, out: &mut [i32]) {
        let r = Rounding::new(shift);
        for (y, v) in out.iter_mut().zip(x) {
            *y = r.sat(i64::from(*v) * i64::from(multiplier)) as i32;
        }
    }

    /// sat32(round_shift(a b, shift))
    fn mul(a: &[i32], b: &[i32], shift: i32, out: &mut [i32]) {
        let r = Rounding::new(shift);
        for ((y, a), b) in out.iter_mut().zip(a).zip(b) {
            *y = r.sat(wide(*a, *b)) as i32;
        }
    }

    /// x within low ..= high, which are in order
    fn clamp(x: &[i32], low: i32, high: i32, out: &mut [i32]) {
        for (y, v) in out.iter_mut().zip(x) {
            *y = (*v).max(low).min(high);
        }
    }

    /// The largest of each group of `width`
    fn group_max(x: &[i32], width: usize, out: &mut [i32]) {
        for (y, group) in out.iter_mut().zip(x.chunks_exact(width)) {
            *y = group.iter().fold(i32::MIN, |m, v| m.max(*v));
        }
    }

    /// The mean of each group of `width`
    fn group_mean(x: &[i32], width: usize, out: &mut [i32]) {
        let n = width as i64;
        for (y, group) in out.iter_mut().zip(x.chunks_exact(width)) {
            let total: i64 = group.iter().map(|v| i64::from(*v)).sum();
            *y = clamp32((total + n / 2).div_euclid(n)) as i32;
        }
    }

    /// sat32(round_shift(T(x), shift))
    fn lut(x: &[i32], in_shift: i32, table: &Table, shift: i32, out: &mut [i32]) {
        let (input, r) = (ToCell::new(in_shift), Rounding::new(shift));
        for (y, v) in out.iter_mut().zip(x) {
            *y = r.sat(value(table, input, *v).into()) as i32;
        }
    }

    /// sat32(round_shift(x T(x), shift))
    fn act(x: &[i32], in_shift: i32, table: &Table, shift: i32, out: &mut [i32]) {
        let (input, r) = (ToCell::new(in_shift), Rounding::new(shift));
        for (y, v) in out.iter_mut().zip(x) {
            *y = r.sat(wide(value(table, input, *v), *v)) as i32;
        }
    }

    /// sat32(round_shift(sat32(round_shift(x T(x), 23)) u, shift))
    fn glu(x: &[i32], u: &[i32], in_shift: i32, table: &Table, shift: i32, out: &mut [i32]) {
        let (input, gate, r) = (ToCell::new(in_shift), Rounding::new(23), Rounding::new(shift));
        for ((y, v), u) in out.iter_mut().zip(x).zip(u) {
            *y = r.sat(wide(gate.sat(wide(value(table, input, *v), *v)) as i32, *u)) as i32;
        }
    }

    /// One head: pair (i, i + p) turned by (cosines, sines) of 29 fractional bits; the rest passes.
    fn rope(x: &[i32], cosines: &[i32], sines: &[i32], out: &mut [i32]) {
        let p = cosines.len();
        let r = Rounding::new(29);
        let (first, rest) = x.split_at(p);
        let (out_first, out_rest) = out.split_at_mut(p);
        let (second, tail) = rest.split_at(p);
        let (out_second, out_tail) = out_rest.split_at_mut(p);
        // All of one length, so that the loop needs no checks.
        let sines = &sines[..p];
        for i in 0..p {
            let (a, b, c, s) = (first[i], second[i], cosines[i], sines[i]);
            out_first[i] = r.sat(wide(a, c) - wide(b, s)) as i32;
            out_second[i] = r.sat(wide(a, s) + wide(b, c)) as i32;
        }
        out_tail.copy_from_slice(tail);
    }

    /// Transform of one block whose sums fit 31 bits.
    fn short_hadamard(x: &[i32], shift: u32, room: &mut Lines<i32>, out: &mut [i32]) {
        let half = (1 << shift) >> 1;
        for (y, v) in out.iter_mut().zip(butterflies!(x, room, i32)) {
            *y = (*v + half) >> shift;
        }
    }

    /// Transform of any block.
    fn long_hadamard(x: &[i32], shift: i32, room: &mut Lines<i64>, out: &mut [i32]) {
        let r = Rounding::new(shift);
        for (y, v) in out.iter_mut().zip(butterflies!(x, room, i64)) {
            *y = r.sat(*v) as i32;
        }
    }

    /// max x
    fn max(x: &[i32]) -> i32 {
        x.iter().fold(i32::MIN, |m, v| m.max(*v))
    }

    /// Distances of logits from their maximum.
    fn distances(x: &[i32], top: i32, inverse: i64, shift: i32, out: &mut [i32]) {
        let r = Rounding::new(shift);
        for (y, v) in out.iter_mut().zip(x) {
            *y = r.sat((i64::from(top) - i64::from(*v)) * inverse).clamp(0, (1 << 25) - 1) as i32;
        }
    }

    /// 2^-d for d <= limit, else 0.
    fn weights(d: &[i32], limit: i32, table: &[i32; 4096], out: &mut [i32]) {
        for (y, d) in out.iter_mut().zip(d) {
            let w = table[(*d as usize >> 8) & 4095] >> (*d >> 20).clamp(0, 31);
            *y = if *d <= limit { w } else { 0 };
        }
    }
}

/// Walsh-Hadamard transform of each block, then round_shift and saturation.
pub(super) fn hadamard(isa: Isa, x: &[i32], block: usize, shift: i32, out: &mut [i32], own: &mut Transform) {
    for (x, out) in x.chunks_exact(block).zip(out.chunks_exact_mut(block)) {
        // Sums and half a unit of the shift within 31 bits.
        if (0..31).contains(&shift) && (max_abs(isa, x) << block.ilog2()).max(1 << shift) <= 1 << 30 {
            short_hadamard(isa, x, shift as u32, &mut own.short, out);
        } else {
            long_hadamard(isa, x, shift, &mut own.long, out);
        }
    }
}

/// Room of [`hadamard`].
#[derive(Default)]
pub(super) struct Transform {
    short: Lines<i32>,
    long: Lines<i64>,
}

/// Lowest index of the largest element.
pub(super) fn argmax(isa: Isa, x: &[i32]) -> usize {
    let top = max(isa, x);
    x.iter().position(|v| *v == top).unwrap_or(0)
}

/// sat32(a + b) in place of a.
pub(super) fn add_bias(out: &mut [i32], bias: &[i32]) {
    for (y, b) in out.iter_mut().zip(bias) {
        *y = sat32(i64::from(*y) + i64::from(*b));
    }
}

/// Positions in a table of a non-linear function, 25 bits.
#[derive(Clone, Copy)]
struct ToCell(ToMantissa);

impl ToCell {
    #[inline(always)]
    fn new(in_shift: i32) -> Self {
        // Limits of +-2^24 as those of a mantissa of 25 bits and one more.
        let r = ToMantissa::new(in_shift, 25);
        let limit = 1 << 24;
        Self(ToMantissa { limit, reach: (limit >> r.left) + 1, ..r })
    }

    /// round_shift(x, in_shift) + 2^24 within 0 ..= 2^25 - 1.
    #[inline(always)]
    fn of(self, x: i32) -> u32 {
        (self.0.of(x) + (1 << 24)).min((1 << 25) - 1) as u32
    }
}

/// T(x) with 23 fractional bits, below 2^25 in magnitude.
#[inline(always)]
fn value(table: &Table, input: ToCell, x: i32) -> i32 {
    let u = input.of(x);
    // One load for value and difference.
    let cell = table[(u >> CELL_BITS) as usize & 4095];
    let (base, difference) = (cell as i32, (cell >> 32) as i32);
    let rest = (u & ((1 << CELL_BITS) - 1)) as i32;
    base + ((i64::from(difference) * i64::from(rest) + (1 << (CELL_BITS - 1))) >> CELL_BITS) as i32
}
