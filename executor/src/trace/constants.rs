//! Openings of a model's constants.

use std::collections::BTreeMap;

use bisection::Hash;
use bisection::tree::{self, CHUNK};

use super::Subject;
use super::proof;
use super::step::Stepped;
use crate::kernels::Constant;
use crate::numerics::OutOfDomain;
use crate::program::ConstantId;

const GONE: OutOfDomain = OutOfDomain("a constant");

/// The trees of the constants that have been opened.
#[derive(Default)]
pub(super) struct Constants(BTreeMap<ConstantId, Vec<Vec<Hash>>>);

fn element(constant: &Constant<'_>, i: u64) -> Stepped<i64> {
    let columns = u64::from(constant.info.columns);
    let (row, column) = (i.checked_div(columns).ok_or(GONE)?, i.checked_rem(columns).ok_or(GONE)?);
    let coordinate = |x: u64| i64::try_from(x).map_err(|_| GONE);
    Ok(constant.at(coordinate(row)?, coordinate(column)?)?)
}

impl Constants {
    /// Flat elements.
    pub(super) fn values(&self, of: &Subject, id: ConstantId, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let constant = of.model.constant(id).ok_or(GONE)?;
        let end = from.checked_add(count).filter(|end| *end <= constant.info.len()).ok_or(GONE)?;
        (from..end).map(|i| element(&constant, i)).collect()
    }

    /// Appends the opening of flat elements: encoding, chunks, range proof, path.
    pub(super) fn open(
        &mut self,
        of: &Subject,
        id: ConstantId,
        from: u64,
        count: u64,
        out: &mut Vec<u8>,
    ) -> Stepped<()> {
        let constant = of.model.constant(id).ok_or(GONE)?;
        let end = from.checked_add(count).filter(|end| *end <= constant.info.len() && *end > from);
        let end = end.ok_or(GONE)?;
        let levels = self.0.entry(id).or_insert_with(|| {
            let bytes = constant.row_major();
            proof::levels(tree::chunk_hashes(0, bytes.chunks(CHUNK)))
        });
        let per = (CHUNK as u64).checked_div(constant.info.element.size() as u64).ok_or(GONE)?;
        let (lo, hi) = (from.checked_div(per).ok_or(GONE)?, end.div_ceil(per));
        constant.info.encode(out);
        let last = hi.saturating_mul(per).min(constant.info.len());
        let values: Vec<i64> =
            (lo.saturating_mul(per)..last).map(|i| element(&constant, i)).collect::<Stepped<_>>()?;
        constant.info.element.write(&values, out);
        let siblings = proof::range(levels, lo, hi).ok_or(GONE)?;
        out.extend(siblings.iter().flat_map(|hash| hash.0));
        out.extend(of.constant_path(id).iter().flat_map(|hash| hash.0));
        Ok(())
    }
}
