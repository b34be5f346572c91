//! y[i] = x[map[i]], of the own row or of all rows one after the other; the filling where there is nothing.

use super::operands::{Operands, coordinate};
use crate::numerics::{Exact, OutOfDomain};

pub(super) fn gather(x: &Operands<'_>, fill: i32) -> Exact<Vec<i64>> {
    let (rows, map) = (x.visible(0)?, x.constant(0)?);
    let width = rows.first().ok_or(OutOfDomain("gather"))?.len();
    (0..map.info.columns)
        .map(|i| match place(map.at(0, i.into())?, coordinate(width)?)? {
            // The own row is the only one, so nothing of it lies beyond the first.
            Some(Place { row, element }) => match rows.get(row as usize) {
                Some(row) => row.get(element as usize).copied().ok_or(OutOfDomain("gather")),
                None => Ok(fill.into()),
            },
            None => Ok(fill.into()),
        })
        .collect()
}

/// Where an entry of a map leads in rows of `width` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The row: a position, or 0 where there is only the own one.
    pub(crate) row: u64,
    /// The element in it.
    pub(crate) element: u64,
}

/// The place of a map's entry; `None` for -1.
pub(crate) fn place(entry: i64, width: i64) -> Exact<Option<Place>> {
    const GONE: OutOfDomain = OutOfDomain("gather");
    if entry == -1 {
        return Ok(None);
    }
    let (entry, width) = (u64::try_from(entry).map_err(|_| GONE)?, u64::try_from(width).map_err(|_| GONE)?);
    let row = entry.checked_div(width).ok_or(GONE)?;
    let element = entry.checked_rem(width).ok_or(GONE)?;
    Ok(Some(Place { row, element }))
}
