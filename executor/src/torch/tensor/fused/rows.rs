//! Calls of kernels that work row by row.

use tch::{Kind, Tensor};

use super::super::math::shape;
use super::super::operands::Operands;
use super::call::Call;
use super::{Done, Failure, Launcher};

/// Rows and the width of input `k`.
fn size(x: &Operands<'_>, k: usize) -> Result<(i64, i64), Failure> {
    Ok((x.rows.len(), shape(x.own(k)?, 1)?))
}

pub(super) fn rowexp(x: &Operands<'_>, kernels: &dyn Launcher, bits: u32, groups: u32) -> Done {
    let ((rows, width), groups) = (size(x, 0)?, i64::from(groups));
    let call = Call::default().integers(x.own(0)?)?.output(&[rows, groups], Kind::Int64, x.rows.device)?;
    call.number(width / groups).number(bits.into()).blocks(kernels, "rowexp", rows * groups)
}

pub(super) fn quantise(x: &Operands<'_>, kernels: &dyn Launcher, bits: u32, groups: u32) -> Done {
    let (rows, width) = size(x, 0)?;
    let call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?;
    let call = call.output(&[rows, width], Kind::Int64, x.rows.device)?;
    call.number(width / i64::from(groups)).number(bits.into()).elements(kernels, "quantise", rows * width)
}

pub(super) fn sumsq(x: &Operands<'_>, kernels: &dyn Launcher, groups: u32) -> Done {
    let ((rows, width), groups) = (size(x, 0)?, i64::from(groups));
    let call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?;
    let call = call.output(&[rows, groups], Kind::Int64, x.rows.device)?;
    call.number(width / groups).blocks(kernels, "sumsq", rows * groups)
}

pub(super) fn rnorm(x: &Operands<'_>, kernels: &dyn Launcher, groups: u32, eps: i64, root: i64) -> Done {
    let (rows, groups) = (x.rows.len(), i64::from(groups));
    let call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?;
    let call = call.output(&[rows, 2 * groups], Kind::Int64, x.rows.device)?;
    call.number(eps).number(root).elements(kernels, "rnorm", rows * groups)
}

pub(super) fn norm(
    x: &Operands<'_>,
    kernels: &dyn Launcher,
    groups: u32,
    shift: i32,
    gain_shift: i32,
) -> Done {
    let (rows, width) = size(x, 0)?;
    let gains = x.constant(0)?;
    let biases = if x.constants.len() > 1 { Some(x.constant(1)?) } else { None };
    let mut call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?.integers(x.own(2)?)?;
    call = call.integers(gains)?.number(shape(gains, 1)?);
    call = match biases {
        Some(biases) => call.integers(biases)?,
        None => call.nothing(),
    };
    call = call.output(&[rows, width], Kind::Int64, x.rows.device)?;
    call = call.number(width / i64::from(groups)).number(shift.into()).number(gain_shift.into());
    let columns = biases.map(|biases| shape(biases, 1)).transpose()?;
    call.number(columns.unwrap_or(1)).elements(kernels, "norm", rows * width)
}

/// Digits of the mantissas, their products by libtorch, and everything after the sums.
pub(super) fn linear(x: &Operands<'_>, kernels: &dyn Launcher, shift: i32) -> Done {
    let (weights, m, narrow) = (x.weights()?, x.own(0)?, i64::from(x.narrow));
    let (k, n) = (weights.terms(), weights.channels());
    let rows = x.rows.len() * (shape(m, 1)? / k);
    let (stacked, columns) = weights.padded(if x.narrow { rows } else { 2 * rows });
    let call = Call::default().integers(m)?.output(&[stacked, columns], Kind::Int8, x.rows.device)?;
    let call = call.number(rows).number(k).number(columns).number(narrow);
    let digits = call.elements(kernels, "digits", stacked * columns)?;
    let sums: Vec<Tensor> = weights.of_padded(&digits)?;
    let mut call = Call::default();
    for digit in 0..2 {
        call = match sums.get(digit) {
            Some(sums) => call.input(sums, Kind::Int)?,
            None => call.nothing(),
        };
    }
    call = call
        .integers(weights.sums())?
        .integers(x.constant(1)?)?
        .integers(x.constant(2)?)?
        .integers(x.own(1)?)?;
    call = if x.constants.len() > 3 { call.integers(x.constant(3)?)? } else { call.nothing() };
    call = call.output(&[x.rows.len(), rows / x.rows.len() * n], Kind::Int64, x.rows.device)?;
    call = call.number(rows).number(n).number(shape(&sums[0], 1)?).number(narrow).number(shift.into());
    call.elements(kernels, "linear", rows * n)
}

pub(super) fn rope(x: &Operands<'_>, kernels: &dyn Launcher, head_dim: u32) -> Done {
    let (rows, width) = size(x, 0)?;
    let (upper, lower) = (x.constant(0)?, x.constant(1)?);
    let call = Call::default().integers(x.own(0)?)?.integers(&x.rows.positions)?;
    let call = call.integers(upper)?.integers(lower)?.output(&[rows, width], Kind::Int64, x.rows.device)?;
    let call = call.number(width).number(head_dim.into()).number(shape(upper, 1)? / 2);
    call.elements(kernels, "rope", rows * width)
}

/// `lut`, and `act` where x is a factor.
pub(super) fn act(x: &Operands<'_>, kernels: &dyn Launcher, in_shift: i32, shift: i32, factor: bool) -> Done {
    let (rows, width) = size(x, 0)?;
    let call = Call::default().integers(x.own(0)?)?.integers(x.constant(0)?)?;
    let call = call.output(&[rows, width], Kind::Int64, x.rows.device)?;
    let call = call.number(in_shift.into()).number(shift.into()).number(factor.into());
    call.elements(kernels, "act", rows * width)
}

pub(super) fn glu(x: &Operands<'_>, kernels: &dyn Launcher, in_shift: i32, shift: i32) -> Done {
    let (rows, width) = size(x, 0)?;
    let call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?.integers(x.constant(0)?)?;
    let call = call.output(&[rows, width], Kind::Int64, x.rows.device)?;
    call.number(in_shift.into()).number(shift.into()).elements(kernels, "glu", rows * width)
}

pub(super) fn add(x: &Operands<'_>, kernels: &dyn Launcher) -> Done {
    let (rows, width) = size(x, 0)?;
    let call = Call::default().integers(x.own(0)?)?.integers(x.own(1)?)?;
    call.output(&[rows, width], Kind::Int64, x.rows.device)?.elements(kernels, "add", rows * width)
}
