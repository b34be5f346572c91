//! Operations that only look at a tensor in another way, and those on sizes.

use std::rc::Rc;

use super::call::{Call, Refusal, axis};
use super::schema::Argument;
use super::translate::{Translator, Value};
use super::view::{Base, Size, View, broadcast};
use super::weights::Dtype;

/// Does the result share the storage of its input.
pub(super) fn is_view(op: &str) -> bool {
    !matches!(op, "clone" | "to" | "_to_copy" | "sym_size" | "cat" | "lift_fresh_copy")
        && (OPS.contains(&op) || matches!(op, "split" | "chunk" | "split_with_sizes"))
}

const OPS: [&str; 33] = [
    "contiguous",
    "clone",
    "detach",
    "alias",
    "lift_fresh_copy",
    "to",
    "_to_copy",
    "type_as",
    "dropout",
    "feature_dropout",
    "dropout2d",
    "identity",
    "view",
    "reshape",
    "_unsafe_view",
    "flatten",
    "unflatten",
    "view_as",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "swapaxes",
    "t",
    "numpy_T",
    "expand",
    "expand_as",
    "slice",
    "select",
    "narrow",
    "movedim",
    "reshape_as",
    "float",
];

/// The values of a view operation, or None if it is none.
pub(super) fn translate(t: &mut Translator<'_>, call: &Call<'_>) -> Result<Option<Vec<Value>>, Refusal> {
    match call.op {
        "sym_size" => {
            let view = call.view(t, "self")?;
            return Ok(Some(vec![Value::Size(view.sizes[call.axis(&view, "dim", 0)?])]));
        }
        "split" | "chunk" | "split_with_sizes" => return split(t, call).map(Some),
        op if OPS.contains(&op) => {}
        _ => return Ok(None),
    }
    let x = match call.argument("self") {
        Some(_) => call.view(t, "self")?,
        None => call.view(t, "input")?,
    };
    let view = match call.op {
        "to" | "_to_copy" | "type_as" | "float" => cast(t, call, x)?,
        "dropout" | "feature_dropout" | "dropout2d" => {
            if call.bool("train", false)? {
                return Err(
                    "it was exported in training mode; call model.eval() before torch.export.export".into()
                );
            }
            x
        }
        "view" | "reshape" | "_unsafe_view" => {
            let name = if call.argument("size").is_some() { "size" } else { "shape" };
            let sizes = call.sizes(t, name)?;
            reshape(&x, &sizes)?
        }
        "view_as" | "reshape_as" => {
            let sizes: Vec<Option<Size>> = call.view(t, "other")?.sizes.into_iter().map(Some).collect();
            reshape(&x, &sizes)?
        }
        "flatten" => {
            let (from, to) = (call.axis(&x, "start_dim", 0)?, call.axis(&x, "end_dim", -1)?);
            if from > to {
                return Err(format!("dimensions {from} to {to} are in no order"));
            }
            let joined =
                x.sizes[from..=to].iter().filter(|size| **size != Size::Fixed(1)).collect::<Vec<_>>();
            let joined = match joined.as_slice() {
                [Size::Length] => Size::Length,
                _ => Size::Fixed(x.sizes[from..=to].iter().map(|size| size.own()).product()),
            };
            let sizes =
                x.sizes[..from].iter().copied().chain([joined]).chain(x.sizes[to + 1..].iter().copied());
            reshape(&x, &sizes.map(Some).collect::<Vec<_>>())?
        }
        "unflatten" => {
            let at = call.axis(&x, "dim", 0)?;
            let mut sizes: Vec<Option<Size>> = x.sizes.iter().copied().map(Some).collect();
            sizes.splice(at..=at, call.sizes(t, "sizes")?);
            reshape(&x, &sizes)?
        }
        "squeeze" => {
            let axes = match call.argument("dim") {
                None => (0..x.sizes.len()).collect(),
                Some(_) => call.axes(&x, "dim")?,
            };
            (0..x.sizes.len()).rev().fold(x.clone(), |view, axis| match x.sizes[axis] {
                Size::Fixed(1) if axes.contains(&axis) => view.dropped(axis),
                _ => view,
            })
        }
        "unsqueeze" => {
            let at = axis(call.int("dim", 0)?, x.sizes.len() + 1)?;
            let mut sizes = x.sizes.clone();
            sizes.insert(at, Size::Fixed(1));
            View { sizes, ..x }
        }
        "permute" => x.permuted(&call.axes(&x, "dims")?)?,
        "transpose" | "swapaxes" => {
            let (first, second) = match call.op {
                "transpose" => (call.axis(&x, "dim0", 0)?, call.axis(&x, "dim1", 1)?),
                _ => (call.axis(&x, "axis0", 0)?, call.axis(&x, "axis1", 1)?),
            };
            let mut axes: Vec<usize> = (0..x.sizes.len()).collect();
            axes.swap(first, second);
            x.permuted(&axes)?
        }
        "t" | "numpy_T" => x.permuted(&(0..x.sizes.len()).rev().collect::<Vec<_>>())?,
        "expand" => {
            let wanted = call.sizes(t, "size")?;
            let new = wanted.len().checked_sub(x.sizes.len()).ok_or("fewer dimensions than before")?;
            let kept = |(i, size): (usize, Option<Size>)| {
                size.or_else(|| i.checked_sub(new).map(|axis| x.sizes[axis]))
                    .ok_or("a new dimension of size -1")
            };
            x.expanded(&wanted.into_iter().enumerate().map(kept).collect::<Result<Vec<_>, _>>()?)?
        }
        "expand_as" => match x.base {
            // The length of a row stands for itself: it is only ever divided by.
            Base::Norm(..) => x,
            _ => x.expanded(&call.view(t, "other")?.sizes)?,
        },
        "slice" => slice(t, call, &x)?,
        "select" => select(t, call, &x)?,
        "narrow" => {
            let (start, length) = (call.int("start", 0)?, call.int("length", 0)?);
            let count = |n: i64| usize::try_from(n).map_err(|_| format!("{n} is no index"));
            x.sliced(call.axis(&x, "dim", 0)?, count(start)?, count(length)?, 1)?
        }
        "movedim" => return Err("use permute".into()),
        _ => x,
    };
    Ok(Some(vec![Value::View(view)]))
}

fn reshape(x: &View, sizes: &[Option<Size>]) -> Result<View, Refusal> {
    let same: Vec<Size> = sizes.iter().flatten().copied().collect();
    // What is the same at all positions has as many as it is asked for.
    if let (Base::Known(_), true) = (&x.base, same.len() == sizes.len() && same.contains(&Size::Length)) {
        let own = |sizes: &[Size]| sizes.iter().map(|size| size.own()).product::<usize>();
        if own(&same) == own(&x.sizes) {
            return Ok(View { sizes: same, ..x.clone() });
        }
    }
    x.reshaped(sizes)
}

/// A change of type: real numbers stay what they are; known values may become truth values.
fn cast(t: &Translator<'_>, call: &Call<'_>, x: View) -> Result<View, Refusal> {
    let to = match call.argument("dtype") {
        Some(Argument::ScalarType(code)) => Dtype::of(*code),
        Some(_) | None => match call.argument("other") {
            Some(Argument::Tensor(other)) => t.dtype(other),
            _ => None,
        },
    };
    let whole = matches!(x.base, Base::Tokens | Base::Positions | Base::Numbers { .. });
    match (to, &x.base) {
        (None, _) => Ok(x),
        (Some(dtype), _) if dtype.is_real() => Ok(x),
        (Some(Dtype::Bool), Base::Known(_) | Base::Stored(..)) => {
            let values = known(t, &x)?.ok_or("its values are not known")?;
            Ok(constant(values.into_iter().map(|v| f64::from(u8::from(v != 0.0))).collect(), x.sizes))
        }
        (Some(dtype), _)
            if dtype != Dtype::Bool && (whole || matches!(x.base, Base::Known(_) | Base::Stored(..))) =>
        {
            Ok(x)
        }
        (Some(dtype), _) => Err(format!("a computed value is turned into {dtype:?}, which would round it")),
    }
}

/// A view of known values in their order.
pub(super) fn constant(values: Vec<f64>, sizes: Vec<Size>) -> View {
    View::whole(Base::Known(values.into()), sizes)
}

/// The values of a view, if they are known at the import.
pub(super) fn known(t: &Translator<'_>, x: &View) -> Result<Option<Vec<f64>>, Refusal> {
    let values: Rc<[f64]> = match &x.base {
        Base::Known(values) => values.clone(),
        Base::Stored(_, stored) => {
            if stored.len() > super::view::ELEMENTS_MAX {
                return Err("a stored tensor of this size is read by products and tables only".into());
            }
            t.weights.values(stored).map_err(|e| e.to_string())?.into()
        }
        _ => return Ok(None),
    };
    let at = |i| values.get(x.place(i)).copied().ok_or_else(|| "a view leaves its tensor".to_string());
    (0..super::view::elements(&x.sizes)?).map(at).collect::<Result<Vec<_>, _>>().map(Some)
}

fn slice(t: &mut Translator<'_>, call: &Call<'_>, x: &View) -> Result<View, Refusal> {
    let at = call.axis(x, "dim", 0)?;
    let step = call.int("step", 1)?;
    let (start, end) = (call.size(t, "start")?, call.size(t, "end")?);
    let from_start = matches!(start, None | Some(Some(Size::Fixed(0))));
    if x.sizes[at] == Size::Length {
        let to_end = matches!(end, None | Some(Some(Size::Length)))
            || matches!(end, Some(Some(Size::Fixed(n))) if n >= super::view::ELEMENTS_MAX);
        return match from_start && to_end && step == 1 {
            true => Ok(x.clone()),
            false => Err("it takes a part of the sequence".into()),
        };
    }
    if end == Some(Some(Size::Length)) {
        return match from_start && step == 1 {
            true => along_length(t, x, at),
            false => Err("it takes a part of a table along the sequence".into()),
        };
    }
    let size = x.sizes[at].own();
    let bound = |n: i64| -> usize {
        let n = if n < 0 { n.saturating_add(i64::try_from(size).unwrap_or(i64::MAX)) } else { n };
        usize::try_from(n.max(0)).unwrap_or(usize::MAX).min(size)
    };
    let last = i64::try_from(size).unwrap_or(i64::MAX);
    let (start, end) = (bound(call.int("start", 0)?), bound(call.int("end", last)?));
    let step = usize::try_from(step).ok().filter(|n| *n >= 1).ok_or("a step below 1")?;
    let count = end.saturating_sub(start).div_ceil(step);
    x.sliced(at, start, count, step)
}

/// A stored table of numbers cut to the sequence's length: 0, 1, 2, ... or the same everywhere.
fn along_length(t: &mut Translator<'_>, x: &View, at: usize) -> Result<View, Refusal> {
    let mut sizes = x.sizes.clone();
    let rows = sizes[at].own();
    sizes[at] = Size::Length;
    if sizes.iter().any(|size| size.own() != 1) {
        return Err("a stored table along the sequence is read by an embedding only".into());
    }
    let values = known(t, x)?.ok_or("a computed value is cut to the sequence's length")?;
    t.context = Some(t.context.map_or(rows, |c| c.min(rows)));
    if values.iter().enumerate().all(|(i, v)| *v == i as f64) {
        return Ok(View { base: Base::Positions, sizes, map: None });
    }
    match values.as_slice() {
        [first, rest @ ..] if rest.iter().all(|v| v == first) => View::uniform(*first, sizes),
        _ => Err("a stored table along the sequence that is neither positions nor all the same".into()),
    }
}

fn select(t: &mut Translator<'_>, call: &Call<'_>, x: &View) -> Result<View, Refusal> {
    let (at, index) = (call.axis(x, "dim", 0)?, call.int("index", 0)?);
    if x.sizes[at] == Size::Length {
        return match (index, &x.base) {
            (_, Base::Known(_)) => Ok(x.dropped(at)),
            // Steps of one row are those of the last position.
            (-1, Base::Step(_)) => Ok(x.dropped(at)),
            (0.., Base::Step(_)) => {
                let position = usize::try_from(index).map_err(|_| "an index too large")?;
                super::images::at_position(t, call, &x.dropped(at), position)
            }
            _ => Err(format!("position {index} of a sequence; 0, 1, ... and -1 of computed values are read")),
        };
    }
    let index = axis(index, x.sizes[at].own())?;
    Ok(x.sliced(at, index, 1, 1)?.dropped(at))
}

fn split(t: &Translator<'_>, call: &Call<'_>) -> Result<Vec<Value>, Refusal> {
    let x = call.view(t, "self")?;
    let at = call.axis(&x, "dim", 0)?;
    let size = x.sizes[at].own();
    let whole = |n: i64| usize::try_from(n).ok().filter(|n| *n >= 1).ok_or_else(|| format!("{n} parts"));
    let parts: Vec<usize> = match call.op {
        "split_with_sizes" => {
            let sizes = call.ints("split_sizes")?.unwrap_or_default();
            sizes.into_iter().map(whole).collect::<Result<_, _>>()?
        }
        op => {
            let of = match op {
                "chunk" => size.div_ceil(whole(call.int("chunks", 1)?)?).max(1),
                _ => whole(call.int("split_size", 1)?)?,
            };
            (0..size).step_by(of).map(|start| of.min(size - start)).collect()
        }
    };
    let mut start = 0;
    let mut views = Vec::new();
    for part in parts {
        views.push(Value::View(x.sliced(at, start, part, 1)?));
        start += part;
    }
    Ok(views)
}

/// Two operands in the shape that they have together.
pub(super) fn together(a: View, b: View) -> Result<(View, View), Refusal> {
    let sizes = broadcast(&a.sizes, &b.sizes)?;
    let fit = |x: View| match x.base {
        Base::Norm(..) => Ok(x),
        _ => x.expanded(&sizes),
    };
    Ok((fit(a)?, fit(b)?))
}
