//! 2,048 bins of distance. Upper bin of d: d >> 14; lower bin: (d >> 3) & 2047.
//! Level 0 adds every entry to its upper bin; level 1 adds the entries of one upper bin to their lower bin.
//! An entry adds 1, or its weight. Inputs: distances; weights if `mass`; the upper bin if `level` is 1.

use super::operands::{Operands, at};
use crate::numerics::{Exact, OutOfDomain, sum};

pub(super) fn hist(x: &Operands<'_>, level: u32, mass: u32) -> Exact<Vec<i64>> {
    let weights = if mass == 1 { Some(x.row(1)?) } else { None };
    let upper = match (level, mass) {
        (0, _) => None,
        (_, 0) => Some(x.element(1, 0)?),
        _ => Some(x.element(2, 0)?),
    };
    let mut bins = vec![0; 2048];
    for (i, d) in x.row(0)?.iter().enumerate() {
        let bin = match upper {
            None => d >> 14,
            Some(upper) if d >> 14 == upper => (d >> 3) & 2047,
            Some(_) => continue,
        };
        let bin = usize::try_from(bin).ok().and_then(|b| bins.get_mut(b)).ok_or(OutOfDomain("hist"))?;
        *bin = sum(*bin, weights.map_or(Ok(1), |w| at(w, i))?)?;
    }
    Ok(bins)
}
