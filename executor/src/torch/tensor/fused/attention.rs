//! Calls of kernels of attention, for each group of rows; the products themselves are libtorch's (`ops::attention` says why they
//! are exact).

use tch::{Kind, Tensor};

use super::super::math::shape;
use super::super::operands::Operands;
use super::super::ops::Sizes;
use super::call::Call;
use super::{Done, Launcher};

pub(super) fn score(
    x: &Operands<'_>,
    kernels: &dyn Launcher,
    (heads, kv_heads): (u32, u32),
    multiplier: u32,
    shift: i32,
) -> Done {
    let mut scores = Vec::new();
    for (group, (k, ke)) in x.rows.groups.iter().zip(x.visible(2)?.iter().zip(x.visible(3)?)) {
        let sizes = Sizes::new(x, group, heads, kv_heads);
        let queries = sizes.matrices(&sizes.queries(x.own(0)?)?)?;
        let products = queries.f_bmm(&sizes.cached(k)?.f_transpose(1, 2)?)?;
        let shape = [sizes.rows(), heads.into(), sizes.seen];
        let call = Call::default().input(&products, Kind::Double)?.integers(&sizes.own(x.own(1)?)?)?;
        let call = call.integers(ke)?.output(&shape, Kind::Int64, x.rows.device)?;
        let call = sizes.numbers(call, sizes.seen).number(multiplier.into()).number(shift.into());
        scores.push(call.elements(kernels, "score", shape.iter().product())?);
    }
    together(scores)
}

pub(super) fn rowmax(x: &Operands<'_>, kernels: &dyn Launcher) -> Done {
    let (rows, groups) = (x.rows.len(), shape(x.own(0)?, 1)?);
    let call = Call::default().integers(x.own(0)?)?.input(x.mask()?, Kind::Bool)?;
    let call = call.output(&[rows, groups], Kind::Int64, x.rows.device)?;
    call.number(x.rows.seen).number(groups).blocks(kernels, "rowmax", rows * groups)
}

pub(super) fn exp2w(x: &Operands<'_>, kernels: &dyn Launcher) -> Done {
    let (groups, seen) = (shape(x.own(0)?, 1)?, x.rows.seen);
    let shape = [x.rows.len(), groups, seen];
    let call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?.input(x.mask()?, Kind::Bool)?;
    let call = call.integers(x.constant(0)?)?.output(&shape, Kind::Int64, x.rows.device)?;
    call.number(seen).number(groups).elements(kernels, "exp2w", shape.iter().product())
}

pub(super) fn timemax(x: &Operands<'_>, kernels: &dyn Launcher) -> Done {
    let mut tops = Vec::new();
    for (group, e) in x.rows.groups.iter().zip(x.visible(0)?) {
        let sizes = Sizes::new(x, group, 1, 1);
        let width = shape(e, 2)?;
        let call = Call::default().integers(e)?.input(&sizes.own(x.mask()?)?, Kind::Bool)?;
        let call = call.output(&[sizes.rows(), width], Kind::Int64, x.rows.device)?;
        let call = call.number(sizes.seen).number(width).number(sizes.count);
        tops.push(call.blocks(kernels, "timemax", sizes.rows() * width)?);
    }
    together(tops)
}

pub(super) fn mix(
    x: &Operands<'_>,
    kernels: &dyn Launcher,
    (heads, kv_heads): (u32, u32),
    shift: i32,
) -> Done {
    let mut means = Vec::new();
    for (group, (v, e)) in x.rows.groups.iter().zip(x.visible(2)?.iter().zip(x.visible(3)?)) {
        let sizes = Sizes::new(x, group, heads, kv_heads);
        let (tops, values) = (sizes.own(x.own(4)?)?, sizes.cached(v)?);
        let weights = [sizes.parts * sizes.kv_heads, 2 * sizes.count * sizes.share, sizes.seen];
        let call = Call::default().integers(&sizes.own(x.own(0)?)?)?.integers(&tops)?.integers(e)?;
        let call = call.output(&weights, Kind::Double, x.rows.device)?;
        let count = sizes.rows() * i64::from(heads) * sizes.seen;
        let aligned = sizes.numbers(call, sizes.seen).elements(kernels, "align", count)?;
        let width = super::super::math::shape(&values, 2)?;
        let call = Call::default().input(&aligned.f_bmm(&values)?, Kind::Double)?;
        let call = call.integers(&sizes.own(x.own(1)?)?)?.integers(&tops)?;
        let columns = i64::from(heads) * width;
        let call = call.output(&[sizes.rows(), columns], Kind::Int64, x.rows.device)?;
        let call = sizes.numbers(call, width).number(shift.into());
        means.push(call.elements(kernels, "mix", sizes.rows() * columns)?);
    }
    together(means)
}

/// The groups' values, one after the other.
fn together(mut groups: Vec<Tensor>) -> Done {
    match groups.len() {
        1 => Ok(groups.swap_remove(0)),
        _ => Ok(Tensor::f_cat(&groups, 0)?),
    }
}

impl Sizes {
    /// Rows of the group.
    fn rows(&self) -> i64 {
        self.parts * self.count
    }

    /// The group's rows of an input.
    fn own(&self, rows: &Tensor) -> Result<Tensor, tch::TchError> {
        rows.f_narrow(0, self.first, self.rows())
    }

    /// What kernels number heads by.
    fn numbers(&self, call: Call, width: i64) -> Call {
        call.number(width).number(self.count).number(self.kv_heads).number(self.share)
    }
}
