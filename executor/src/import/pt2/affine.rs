//! x * scale + shift with known factors: folded into the table or the product that x comes from wherever that can be.

use crate::import::graph::{Operation, StepId};
use crate::import::source::Tensors;

use super::call::{Call, Refusal};
use super::images::into_rows;
use super::layers::made;
use super::translate::Translator;
use super::view::{Base, View};

/// Channels that get a product of their own.
const CHANNELS_MAX: usize = 512;
/// Weights that are folded.
pub(super) const WEIGHTS_MAX: usize = 1 << 24;

/// `scale` and `shift` have a value for each element of `x`, in order.
pub(super) fn apply(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    scale: &[f64],
    shift: &[f64],
) -> Result<View, Refusal> {
    if scale.iter().chain(shift).any(|v| !v.is_finite()) {
        return Err("a factor or an offset is no finite number".into());
    }
    let (Some(first), Some(offset)) = (scale.first(), shift.first()) else {
        return Err("it has no elements".into());
    };
    let even = scale.iter().all(|s| s == first) && shift.iter().all(|s| s == offset);
    if even && *first == 1.0 && *offset == 0.0 {
        return Ok(x.clone());
    }
    let step = match x.base {
        Base::Numbers { scale, offset: before } if even => {
            let base = Base::Numbers { scale: scale * first, offset: before * first + offset };
            return Ok(View { base, ..x.clone() });
        }
        Base::Numbers { .. } => into_rows(t, call, x)?.0,
        Base::Step(step) => step,
        _ => return Err("it needs a computed tensor".into()),
    };
    let x = match x.base {
        Base::Step(_) => x.clone(),
        _ => View::whole(Base::Step(step), x.sizes.clone()),
    };
    if let Some(folded) = fold(t, call, &x, step, scale, shift)? {
        return Ok(View { base: Base::Step(folded), ..x });
    }
    if even && *offset == 0.0 {
        let (width, last) = (t.steps[step.0].width, x.length_axis().is_none());
        let scaled = t.push(call.name, width, last, Operation::Scale { x: step, factor: *first });
        return Ok(View { base: Base::Step(scaled), ..x });
    }
    diagonal(t, call, &x, scale, shift)
}

/// The factors of each of `channels` elements that repeat in the step's row, if that is what they are.
fn by_channel(x: &View, width: usize, channels: usize, values: &[f64]) -> Option<Vec<f64>> {
    let mut found: Vec<Option<f64>> = vec![None; channels];
    if x.len() != width {
        return None;
    }
    for (i, value) in values.iter().enumerate() {
        let slot = found.get_mut(x.place(i) % channels)?;
        if *slot.get_or_insert(*value) != *value {
            return None;
        }
    }
    found.into_iter().collect()
}

/// The step that gives x anew with the factors in its own weights.
fn fold(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    step: StepId,
    scale: &[f64],
    shift: &[f64],
) -> Result<Option<StepId>, Refusal> {
    let (width, last) = (t.steps[step.0].width, t.steps[step.0].outputs_only);
    match t.steps[step.0].operation.clone() {
        Operation::Embed { table, index, plus: None } if scale.iter().all(|s| *s == 1.0) => {
            let Some(row) = by_channel(x, width, width, shift) else { return Ok(None) };
            let plus = Some(made(t, call, "row", &row, &[width]));
            Ok(Some(t.push(call.name, width, last, Operation::Embed { table, index, plus })))
        }
        Operation::Linear { x: input, weights, bias } => {
            let Some([rows, columns]) =
                t.weights.shape(&weights).and_then(|s| <[usize; 2]>::try_from(s).ok())
            else {
                return Ok(None);
            };
            let (Some(scale), Some(shift)) =
                (by_channel(x, width, rows, scale), by_channel(x, width, rows, shift))
            else {
                return Ok(None);
            };
            if rows.saturating_mul(columns) > WEIGHTS_MAX {
                return Ok(None);
            }
            let read = |name: &str, rows: usize| -> Result<Vec<f64>, Refusal> {
                let mut out = Vec::new();
                t.weights.rows(name, 0..rows, &mut out).map_err(|e| e.to_string())?;
                Ok(out.into_iter().map(f64::from).collect())
            };
            let matrix = read(&weights, rows)?;
            let before = bias.map(|bias| read(&bias, 1)).transpose()?.unwrap_or_else(|| vec![0.0; rows]);
            let matrix: Vec<f64> = matrix
                .chunks_exact(columns)
                .zip(&scale)
                .flat_map(|(row, s)| row.iter().map(move |w| w * s))
                .collect();
            let bias: Vec<f64> = before.iter().zip(&scale).zip(&shift).map(|((b, s), o)| b * s + o).collect();
            let weights = made(t, call, "weights", &matrix, &[rows, columns]);
            let bias = Some(made(t, call, "bias", &bias, &[rows]));
            Ok(Some(t.push(call.name, width, last, Operation::Linear { x: input, weights, bias })))
        }
        _ => Ok(None),
    }
}

/// A product by a diagonal, over the one dimension along which the factors differ.
fn diagonal(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    scale: &[f64],
    shift: &[f64],
) -> Result<View, Refusal> {
    let mut inner = x.len();
    for (axis, size) in x.sizes.iter().enumerate() {
        let channels = size.own();
        inner /= channels;
        let channel = |i: usize| i / inner % channels;
        let first = |c: usize| c * inner;
        let along = |values: &[f64]| (0..values.len()).all(|i| values[i] == values[first(channel(i))]);
        if channels > CHANNELS_MAX || !along(scale) || !along(shift) {
            continue;
        }
        let mut order: Vec<usize> = (0..x.sizes.len()).filter(|a| *a != axis).collect();
        order.push(axis);
        let turned = x.permuted(&order)?;
        let (source, last) = into_rows(t, call, &turned)?;
        let mut matrix = vec![0.0; channels * channels];
        (0..channels).for_each(|c| matrix[c * channels + c] = scale[first(c)]);
        let bias: Vec<f64> = (0..channels).map(|c| shift[first(c)]).collect();
        let weights = made(t, call, "weights", &matrix, &[channels, channels]);
        let bias = Some(made(t, call, "bias", &bias, &[channels]));
        let step = t.push(call.name, x.len(), last, Operation::Linear { x: source, weights, bias });
        let back: Vec<usize> = (0..order.len()).filter_map(|a| order.iter().position(|o| *o == a)).collect();
        return View::whole(Base::Step(step), turned.sizes).permuted(&back);
    }
    Err("known factors that differ along several dimensions".into())
}
