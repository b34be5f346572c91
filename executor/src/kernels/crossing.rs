//! The lowest i with c[i] >= target, the last i if there is none; c = input 0, cumulative sums.
//!
//! | target | is | inputs |
//! |---|---|---|
//! | TopK | min(k, entries), all entries if k = 0 | c |
//! | TopKRest | TopK less the entries in lower upper bins | c, upper c, upper bin |
//! | TopP | the least whole number >= top_p / 2^16 of the mass | c |
//! | TopPRest | TopP less the mass in lower upper bins | c, upper c, upper bin |
//! | Draw | draw + 1 | c, draw |

use super::operands::{Operands, at, coordinate};
use crate::numerics::{Exact, OutOfDomain, difference, product, sum};
use crate::program::op::Target;

/// The last cumulative sum.
fn whole(sums: &[i64]) -> Exact<i64> {
    sums.last().copied().ok_or(OutOfDomain("crossing"))
}

pub(crate) fn top_k(k: u32, entries: i64) -> i64 {
    if k == 0 { entries } else { entries.min(k.into()) }
}

/// ceil(mass * p / 2^16), split so that it fits.
pub(crate) fn top_p(p: u32, mass: i64) -> Exact<i64> {
    let low = product(mass & 65_535, p.into())?;
    sum(product(mass >> 16, p.into())?, sum(low, 65_535)? >> 16)
}

/// What comes before bin `i`.
fn below(sums: &[i64], i: i64) -> Exact<i64> {
    match usize::try_from(i).map_err(|_| OutOfDomain("crossing"))?.checked_sub(1) {
        Some(previous) => at(sums, previous),
        None => Ok(0),
    }
}

pub(super) fn crossing(x: &Operands<'_>, target: Target) -> Exact<Vec<i64>> {
    let sums = x.row(0)?;
    let target = match target {
        Target::TopK => top_k(x.sampling.top_k, whole(sums)?),
        Target::TopP => top_p(x.sampling.top_p, whole(sums)?)?,
        Target::TopKRest => {
            let upper = x.row(1)?;
            difference(top_k(x.sampling.top_k, whole(upper)?), below(upper, x.element(2, 0)?)?)?
        }
        Target::TopPRest => {
            let upper = x.row(1)?;
            difference(top_p(x.sampling.top_p, whole(upper)?)?, below(upper, x.element(2, 0)?)?)?
        }
        Target::Draw => sum(x.element(1, 0)?, 1)?,
    };
    let i = sums.iter().position(|c| *c >= target).unwrap_or(sums.len().saturating_sub(1));
    Ok(vec![coordinate(i)?])
}
