//! Pair i of a head turns by the position's angle: with (c, s) the angle's cosine and sine of 29 fractional bits,
//! y[i] = sat32(round_shift(x[i] c - x[i+p] s, 29)), y[i+p] = sat32(round_shift(x[i] s + x[i+p] c, 29)).
//! p is the number of pairs; elements from 2 p on pass unchanged. The angle is the sum of an upper and a lower one:
//! c = round_shift(ch cl - sh sl, 29), s = round_shift(ch sl + sh cl, 29), rows position >> 8 and position & 255.

use super::operands::{Operands, at, coordinate};
use crate::numerics::{Exact, OutOfDomain, difference, product, round_shift, sat32, sum};

/// (a + bi)(c + di), each part rounded by 29 bits.
pub(crate) fn turn((a, b): (i64, i64), (c, d): (i64, i64)) -> Exact<(i64, i64)> {
    let real = round_shift(difference(product(a, c)?, product(b, d)?)?, 29)?;
    let imaginary = round_shift(sum(product(a, d)?, product(b, c)?)?, 29)?;
    Ok((real, imaginary))
}

pub(super) fn rope(x: &Operands<'_>, head_dim: u32) -> Exact<Vec<i64>> {
    let (upper, lower) = (x.constant(0)?, x.constant(1)?);
    let (high, low) = (i64::from(x.position >> 8), i64::from(x.position & 255));
    let pairs = upper.info.columns as usize >> 1;
    let mut angles = Vec::with_capacity(pairs);
    for i in 0..pairs {
        let column = coordinate(i)?;
        // Cosines first, then sines.
        let sine = sum(column, coordinate(pairs)?)?;
        let a = (upper.at(high, column)?, upper.at(high, sine)?);
        angles.push(turn((lower.at(low, column)?, lower.at(low, sine)?), a)?);
    }
    let mut out = Vec::new();
    for head in x.row(0)?.chunks_exact(head_dim.max(1) as usize) {
        let (first, rest) = head.split_at_checked(pairs).ok_or(OutOfDomain("rope"))?;
        let turned = angles
            .iter()
            .enumerate()
            .map(|(i, angle)| turn((at(first, i)?, at(rest, i)?), *angle))
            .collect::<Exact<Vec<_>>>()?;
        out.extend(turned.iter().map(|y| i64::from(sat32(y.0))));
        out.extend(turned.iter().map(|y| i64::from(sat32(y.1))));
        out.extend(rest.iter().skip(pairs));
    }
    Ok(out)
}
