//! y[i] = w[i] where d[i] <= limit (as in `weigh`) and w[i] * 2^16 >= min_p * (2^31 - 1), else 0.

use super::operands::{Operands, at};
use super::weigh::limit;
use crate::numerics::{Exact, product};

pub(super) fn keep(x: &Operands<'_>) -> Exact<Vec<i64>> {
    let (distances, weights) = (x.row(0)?, x.row(1)?);
    let limit = limit(x.element(2, 0)?, x.element(3, 0)?);
    let least = product(x.sampling.min_p.into(), i32::MAX.into())?;
    distances
        .iter()
        .enumerate()
        .map(|(i, d)| {
            let w = at(weights, i)?;
            Ok(if *d <= limit && product(w, 65_536)? >= least { w } else { 0 })
        })
        .collect()
}
