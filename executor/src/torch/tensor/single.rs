//! One position of one operation, as the test vectors show it.

use tch::Tensor;

use super::constants::{Held, is_weights};
use super::fused::Launcher;
use super::math::{Tables, numbers};
use super::operands::{Input, Operands};
use super::ops::apply;
use super::rows::{Row, Rows};
use crate::backend;
use crate::engine::EngineError;
use crate::kernels;
use crate::program::op::{Op, Span};
use crate::torch::failed;

/// The value of an operation at one position by the tensor operations: [`kernels::apply`] on a device.
///
/// # Errors
/// If the operands are none of a valid program, or libtorch fails.
pub fn apply_single(
    op: &Op,
    x: &kernels::Operands<'_>,
    device: backend::Device,
    kernels: Option<&dyn Launcher>,
) -> Result<Vec<i64>, EngineError> {
    let device = super::find(device)?;
    // A row of one element for each visible position shows how many there are; so does the number of rows.
    let visible = |k: usize| op.reads_visible(k);
    let per_visible = matches!(op, Op::RowMax {} | Op::Exp2W {} | Op::WSum {} | Op::Mix { .. });
    let first = x.inputs.first().and_then(|rows| rows.first()).map_or(0, |row| row.len());
    let in_rows = (0..x.inputs.len()).filter(|k| visible(*k)).map(|k| x.inputs[k].len()).max();
    let seen = in_rows.unwrap_or(if per_visible { first / x.row_groups.max(1) as usize } else { 1 });
    let reads_visible = per_visible || in_rows.is_some();
    let row = Row { part: 0, position: x.position, token: x.token, sampling: *x.sampling };
    let rows = Rows::new(vec![(vec![row], seen)], device).map_err(failed)?;
    let tensor = |k: usize, rows: &[&[i64]]| {
        let values = rows.concat();
        let count = rows.len() as i64;
        if visible(k) {
            return Ok(Input::Visible(vec![numbers(&values, &[1, count, -1], device)?]));
        }
        let shape: &[i64] = if per_visible && k == 0 { &[1, -1, seen as i64] } else { &[1, -1] };
        numbers(&values, shape, device).map(Input::Own)
    };
    let inputs = x.inputs.iter().enumerate().map(|(k, rows)| tensor(k, rows)).collect::<Result<_, _>>();
    let held = x.constants.iter().enumerate().map(|(k, c)| Held::of(c, is_weights(op, k), device));
    let held: Vec<Held> = held.collect::<Result<_, _>>()?;
    let operands = Operands {
        inputs: inputs.map_err(failed)?,
        constants: held.iter().collect(),
        rows: &rows,
        mask: reads_visible.then(|| rows.mask(Span::All)).transpose().map_err(failed)?,
        narrow: false,
        tables: &Tables::new(device).map_err(failed)?,
        kernels,
    };
    let value: Tensor = apply(op, &operands)?;
    let read = || Vec::try_from(&value.f_to(tch::Device::Cpu)?.f_contiguous()?.f_reshape([-1])?);
    read().map_err(failed)
}
