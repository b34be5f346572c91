//! The best lists of a liar: a false element of a long reduction needs a total that finishes to it, and entries that
//! amount to that total. What stays false is one entry.

use super::step::Combine;
use crate::program::op::Op;

/// A total that `finish` turns into `value`; `None` if there is none.
///
/// `finish` gives nothing where a total leaves its domain.
pub(super) fn total(op: &Op, value: i64, mut finish: impl FnMut(i128) -> Option<i64>) -> Option<i128> {
    const INDEX: i64 = (1 << 20) - 1;
    match *op {
        Op::RowExp { bits, .. } => {
            let length = value.checked_add(i64::from(bits))?.checked_sub(1)?;
            let length = u32::try_from(length).ok().filter(|n| *n <= 32)?;
            Some(length.checked_sub(1).map_or(0, |bit| 1i128 << bit))
        }
        // Far above any other, with the index that is claimed.
        Op::Argmax {} => {
            let index = INDEX.checked_sub(value).filter(|x| (0..=INDEX).contains(x))?;
            Some(i128::from((1i64 << 51).checked_add(index)?))
        }
        Op::Linear { .. }
        | Op::Hadamard { .. }
        | Op::Score { .. }
        | Op::Mix { .. }
        | Op::GroupMean { .. }
        | Op::Pool {} => {
            // All of these rise with their total.
            let (mut low, mut high) = (-(1i128 << 62), 1i128 << 62);
            while low < high {
                let middle = low.saturating_add(high) >> 1;
                let above = match finish(middle) {
                    Some(y) => y >= value,
                    None => middle > 0,
                };
                if above { high = middle } else { low = middle.saturating_add(1) }
            }
            (finish(low) == Some(value)).then_some(low)
        }
        _ => Some(value.into()),
    }
}

/// Honest entries, changed so that they combine to `total`.
pub(super) fn entries(combine: Combine, mut honest: Vec<i64>, total: i128) -> Option<Vec<i64>> {
    let middle = honest.len() >> 1;
    let wide = honest.iter().map(|x| i128::from(*x));
    match combine {
        Combine::Sum => {
            let excess = total.checked_sub(wide.sum())?;
            let entry = honest.get_mut(middle)?;
            *entry = i64::try_from(i128::from(*entry).checked_add(excess)?).ok()?;
        }
        Combine::Max => {
            let total = i64::try_from(total).ok()?;
            let there = honest.contains(&total);
            honest.iter_mut().for_each(|entry| *entry = total.min(*entry));
            if !there {
                *honest.get_mut(middle)? = total;
            }
        }
    }
    Some(honest)
}
