//! Layers of vision models: convolutions, pools, and the gathers that put elements in order.

use std::sync::Arc;

use crate::import::graph::{Fill, Operation, StepId};

use super::affine;
use super::call::{Call, Refusal};
use super::layers::{made, matrix, vector};
use super::translate::Translator;
use super::view::{Base, ELEMENTS_MAX, Size, View, shape_text};
use super::views::known;

/// The value of a layer, or None if it is none.
pub(super) fn translate(t: &mut Translator<'_>, call: &Call<'_>) -> Result<Option<View>, Refusal> {
    Ok(Some(match call.op {
        "conv2d" => convolution(t, call)?,
        "batch_norm" => batch_norm(t, call)?,
        "max_pool2d" | "avg_pool2d" | "adaptive_avg_pool2d" => pool(t, call)?,
        "mean" | "amax" => reduce(t, call)?,
        _ => return Ok(None),
    }))
}

/// A step whose row holds a view's elements in order, and whether it has only a row at the last position.
pub(super) fn into_rows(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
) -> Result<(StepId, bool), Refusal> {
    let order: Vec<Option<usize>> = (0..x.len()).map(Some).collect();
    gather(t, call, x, &order, Fill::Zero)
}

/// A step whose row holds the elements `order` of a view, `fill` where there is None.
fn gather(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    order: &[Option<usize>],
    fill: Fill,
) -> Result<(StepId, bool), Refusal> {
    if order.is_empty() || order.len() > ELEMENTS_MAX {
        return Err(format!(
            "it needs {} elements in one row; 1 to {ELEMENTS_MAX} are accepted",
            order.len()
        ));
    }
    let (source, visible) = match x.base {
        Base::Step(step) => (step, false),
        Base::Numbers { scale, offset } => (t.number_table(scale, offset), true),
        _ => return Err("it needs a computed tensor".into()),
    };
    let last = x.length_axis().is_none();
    let index = |i: &Option<usize>| match i {
        None => Ok(-1),
        Some(i) => i32::try_from(x.place(*i)).map_err(|_| "a view of too many elements".to_string()),
    };
    let map: Arc<[i32]> = order.iter().map(index).collect::<Result<Vec<i32>, Refusal>>()?.into();
    let whole = map.len() == t.steps[source.0].width
        && map.iter().enumerate().all(|(i, at)| i32::try_from(i) == Ok(*at));
    if whole && !visible {
        return Ok((source, last));
    }
    Ok((gathered(t, call, source, visible, last, map, fill), last))
}

fn gathered(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: StepId,
    visible: bool,
    last: bool,
    map: Arc<[i32]>,
    fill: Fill,
) -> StepId {
    let key = (x, visible, last, fill, map.clone());
    if let Some(step) = t.gathered.get(&key) {
        return *step;
    }
    let name = format!("{}.gather", call.name);
    let width = map.len();
    let step = t.push_like(&name, x, width, last, Operation::Gather { x, visible, map, fill });
    t.gathered.insert(key, step);
    step
}

/// The row of one position of a sequence, for the last position.
pub(super) fn at_position(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    position: usize,
) -> Result<View, Refusal> {
    let Base::Step(step) = x.base else {
        return Err("it needs a computed tensor".into());
    };
    let width = t.steps[step.0].width;
    let at = |i| {
        let element = position.checked_mul(width).and_then(|first| first.checked_add(x.place(i)));
        element.and_then(|n| i32::try_from(n).ok()).ok_or_else(|| format!("position {position} is too far"))
    };
    let map = (0..x.len()).map(at).collect::<Result<Vec<i32>, Refusal>>()?;
    let step = gathered(t, call, step, true, true, map.into(), Fill::Zero);
    Ok(View::whole(Base::Step(step), x.sizes.clone()))
}

/// Channels, height and width of one image.
fn image(x: &View) -> Result<[usize; 3], Refusal> {
    match *x.sizes.as_slice() {
        [Size::Fixed(1), Size::Fixed(c), Size::Fixed(h), Size::Fixed(w)]
        | [Size::Fixed(c), Size::Fixed(h), Size::Fixed(w)] => Ok([c, h, w]),
        _ => Err(format!(
            "its input has the shape {}; [1, channels, height, width] is read",
            shape_text(&x.sizes)
        )),
    }
}

/// A window that slides over an image.
struct Window {
    size: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

impl Window {
    /// Places that it takes along dimension `d` of `n`.
    fn places(&self, d: usize, n: usize) -> Result<usize, Refusal> {
        let reach = self.size[d].checked_sub(1).map(|n| n * self.dilation[d] + 1);
        let room = reach.and_then(|reach| (n + 2 * self.padding[d]).checked_sub(reach));
        let places = room.and_then(|room| room.checked_div(self.stride[d])).map(|n| n + 1);
        places.ok_or_else(|| {
            format!("a window of {:?} with stride {:?} has no place in {n}", self.size, self.stride)
        })
    }

    /// Index along dimension `d` of element `k` of the window at place `p`, if it is inside.
    fn index(&self, d: usize, p: usize, k: usize, n: usize) -> Option<usize> {
        (p * self.stride[d] + k * self.dilation[d]).checked_sub(self.padding[d]).filter(|i| *i < n)
    }

    /// The elements under the window at `[y, x]` of channel `c`, rows first.
    fn elements(&self, [y, x]: [usize; 2], c: usize, [h, w]: [usize; 2]) -> Vec<Option<usize>> {
        let mut out = Vec::with_capacity(self.size[0] * self.size[1]);
        for ky in 0..self.size[0] {
            for kx in 0..self.size[1] {
                let at = self.index(0, y, ky, h).zip(self.index(1, x, kx, w));
                out.push(at.map(|(y, x)| (c * h + y) * w + x));
            }
        }
        out
    }
}

/// The elements under a window at all its places, refused before they are too many.
fn windows(window: &Window, [c, h, w]: [usize; 3]) -> Result<([usize; 2], Vec<Option<usize>>), Refusal> {
    let places = [window.places(0, h)?, window.places(1, w)?];
    let parts = [places[0], places[1], c, window.size[0], window.size[1]];
    let count = parts.iter().try_fold(1usize, |n, part| n.checked_mul(*part));
    if count.is_none_or(|n| n > ELEMENTS_MAX) {
        return Err(format!(
            "its windows have {parts:?} elements in one row; at most {ELEMENTS_MAX} are accepted"
        ));
    }
    let mut order = Vec::new();
    for y in 0..places[0] {
        for x in 0..places[1] {
            // A product takes a place's channels together, a pool takes each alone: both in this order.
            for channel in 0..c {
                order.extend(window.elements([y, x], channel, [h, w]));
            }
        }
    }
    Ok((places, order))
}

fn convolution(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let (x, weight) = (call.view(t, "input")?, call.view(t, "weight")?);
    let [c, h, w] = image(&x)?;
    let [Size::Fixed(rows), Size::Fixed(inner), Size::Fixed(kh), Size::Fixed(kw)] = *weight.sizes.as_slice()
    else {
        return Err(format!("its weights have the shape {}", shape_text(&weight.sizes)));
    };
    let groups = usize::try_from(call.int("groups", 1)?).ok().filter(|n| *n >= 1).ok_or("groups below 1")?;
    if inner.checked_mul(groups) != Some(c) || !rows.is_multiple_of(groups) {
        return Err(format!(
            "{c} channels meet weights of shape {} in {groups} groups",
            shape_text(&weight.sizes)
        ));
    }
    let window = Window {
        size: [kh, kw],
        stride: call.pair("stride", 1)?,
        padding: call.pair("padding", 0)?,
        dilation: call.pair("dilation", 1)?,
    };
    let (places, order) = windows(&window, [c, h, w])?;
    let columns = c * kh * kw;
    let weights = if groups == 1 {
        let flat = [Size::Fixed(rows), Size::Fixed(columns)].map(Some);
        matrix(t, call, &weight.reshaped(&flat)?, rows, columns)?
    } else {
        if rows.checked_mul(columns).is_none_or(|n| n > affine::WEIGHTS_MAX) {
            return Err(format!("{groups} groups of {rows} x {columns} weights are too many"));
        }
        let values = known(t, &weight)?.ok_or("its weights are computed")?;
        made(t, call, "weights", &dense(&values, [rows, inner * kh * kw], groups), &[rows, columns])
    };
    let bias = call.optional_view(t, "bias")?.map(|bias| vector(t, call, &bias, "bias", rows)).transpose()?;
    let (patches, last) = gather(t, call, &x, &order, Fill::Zero)?;
    let width = places[0] * places[1] * rows;
    let step = t.push(call.name, width, last, Operation::Linear { x: patches, weights, bias });
    channels_last(step, places, rows)
}

/// Weights of groups as one matrix with zeros between.
fn dense(values: &[f64], [rows, own]: [usize; 2], groups: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows * own * groups];
    for (row, weights) in values.chunks_exact(own).enumerate() {
        let first = row * own * groups + row / (rows / groups) * own;
        out[first..first + own].copy_from_slice(weights);
    }
    out
}

/// A feature map as PyTorch sees it: `[1, channels, height, width]` over a row with channels innermost.
fn channels_last(step: StepId, [h, w]: [usize; 2], channels: usize) -> Result<View, Refusal> {
    let sizes = [1, h, w, channels].map(Size::Fixed).to_vec();
    View::whole(Base::Step(step), sizes).permuted(&[0, 3, 1, 2])
}

fn batch_norm(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    if call.bool("training", false)? {
        return Err("it was exported in training mode; call model.eval() before torch.export.export".into());
    }
    let x = call.view(t, "input")?;
    let Some(Size::Fixed(channels)) = x.sizes.get(1).copied() else {
        return Err(format!("its input has the shape {}", shape_text(&x.sizes)));
    };
    let values = |name: &str, default: f64| -> Result<Vec<f64>, Refusal> {
        let given = match call.optional_view(t, name)? {
            None => vec![default; channels],
            Some(view) => known(t, &view)?.ok_or_else(|| format!("its {name} is computed"))?,
        };
        Some(given)
            .filter(|v| v.len() == channels)
            .ok_or_else(|| format!("its {name} has not {channels} values"))
    };
    let (gain, bias) = (values("weight", 1.0)?, values("bias", 0.0)?);
    let (mean, variance) = (values("running_mean", 0.0)?, values("running_var", 1.0)?);
    let eps = call.real("eps", 1e-5)?;
    let scale: Vec<f64> = gain.iter().zip(&variance).map(|(g, v)| g / libm::sqrt(v + eps)).collect();
    let shift: Vec<f64> = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    let channel = |i: usize| i / x.sizes[2..].iter().map(|size| size.own()).product::<usize>() % channels;
    let per_element = |of: &[f64]| (0..x.len()).map(|i| of[channel(i)]).collect::<Vec<f64>>();
    affine::apply(t, call, &x, &per_element(&scale), &per_element(&shift))
}

fn pool(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let x = call.view(t, "self")?;
    let [c, h, w] = image(&x)?;
    let mut window = Window { size: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
    if call.op == "adaptive_avg_pool2d" {
        let out = call.pair("output_size", 1)?;
        let whole = |n: usize, out: usize| out != 0 && n.is_multiple_of(out);
        if !whole(h, out[0]) || !whole(w, out[1]) {
            return Err(format!("{h} x {w} does not divide into {out:?} equal parts"));
        }
        window.size = [h / out[0], w / out[1]];
        window.stride = window.size;
    } else {
        window.size = call.pair("kernel_size", 1)?;
        window.stride = match call.ints("stride")? {
            Some(list) if !list.is_empty() => call.pair("stride", 1)?,
            _ => window.size,
        };
        window.padding = call.pair("padding", 0)?;
        window.dilation = call.pair("dilation", 1)?;
    }
    let padded = window.padding != [0, 0];
    if call.bool("ceil_mode", false)? || padded && !call.bool("count_include_pad", true)? {
        return Err("ceil_mode and padding that does not count are not read".into());
    }
    if call.argument("divisor_override").is_some() {
        return Err("a divisor of its own is not read".into());
    }
    let most = call.op == "max_pool2d";
    let (places, order) = windows(&window, [c, h, w])?;
    let (source, last) = gather(t, call, &x, &order, if most { Fill::Lowest } else { Fill::Zero })?;
    let groups = places[0] * places[1] * c;
    let step = grouped(t, call, source, groups, last, most);
    channels_last(step, places, c)
}

fn grouped(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: StepId,
    groups: usize,
    last: bool,
    most: bool,
) -> StepId {
    let operation = if most { Operation::GroupMax { x } } else { Operation::GroupMean { x } };
    t.push_like(call.name, x, groups, last, operation)
}

/// The mean or the maximum over dimensions: over the whole sequence, or within a row.
fn reduce(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let x = call.view(t, "self")?;
    let axes = call.axes(&x, "dim")?;
    let keep = call.bool("keepdim", false)?;
    let sizes: Vec<Size> = (0..x.sizes.len())
        .filter(|axis| keep || !axes.contains(axis))
        .map(|axis| if axes.contains(&axis) { Size::Fixed(1) } else { x.sizes[axis] })
        .collect();
    let own: usize = axes.iter().map(|axis| x.sizes[*axis].own()).product();
    if x.length_axis().is_some_and(|axis| axes.contains(&axis)) {
        if own != 1 || call.op != "mean" {
            return Err("along the sequence only a mean over nothing else is read".into());
        }
        return over_positions(t, call, &x, sizes);
    }
    let kept = (0..x.sizes.len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let (source, last) = into_rows(t, call, &x.permuted(&order)?)?;
    let step = grouped(t, call, source, x.len() / own, last, call.op == "amax");
    Ok(View::whole(Base::Step(step), sizes))
}

/// The mean over all positions of a sequence.
pub(super) fn over_positions(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    sizes: Vec<Size>,
) -> Result<View, Refusal> {
    let (source, _) = into_rows(t, call, x)?;
    let width = t.steps[source.0].width;
    let step = t.push_like(call.name, source, width, true, Operation::Pool { x: source });
    Ok(View::whole(Base::Step(step), sizes))
}
