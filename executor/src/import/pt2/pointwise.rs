//! Operations element by element, and what is known before any input: masks, positions, counts.

use crate::import::graph::{Operation, StepId};
use crate::import::source::Activation;

use super::affine;
use super::call::{Call, Refusal};
use super::images::{into_rows, over_positions};
use super::schema::Argument;
use super::translate::Translator;
use super::view::{Base, Size, View};
use super::views::{constant, known, together};

/// The value of an operation, or None if it is none of these.
pub(super) fn translate(t: &mut Translator<'_>, call: &Call<'_>) -> Result<Option<View>, Refusal> {
    Ok(Some(match call.op {
        "ones" | "zeros" | "full" | "new_ones" | "new_zeros" | "new_full" | "ones_like" | "zeros_like"
        | "full_like" | "scalar_tensor" | "arange" => made(t, call)?,
        "add" | "sub" | "rsub" | "mul" | "div" => arithmetic(t, call)?,
        "eq" | "ne" | "gt" | "lt" | "ge" | "le" | "masked_fill" | "where" | "logical_not" | "bitwise_not"
        | "logical_and" | "bitwise_and" => masks(t, call)?,
        "neg" => {
            let x = call.view(t, "self")?;
            let (scale, shift) = (vec![-1.0; x.len()], vec![0.0; x.len()]);
            scaled(t, call, &x, &scale, &shift)?
        }
        "relu" => clamp(t, call, 0.0, f64::INFINITY)?,
        "relu6" => clamp(t, call, 0.0, 6.0)?,
        "hardtanh" => {
            let (low, high) = (call.real("min_val", -1.0)?, call.real("max_val", 1.0)?);
            clamp(t, call, low, high)?
        }
        "clamp" | "clamp_min" | "clamp_max" => {
            let low = call.real("min", f64::NEG_INFINITY)?;
            clamp(t, call, low, call.real("max", f64::INFINITY)?)?
        }
        "silu" => act(t, call, Activation::Silu)?,
        "gelu" => match call.argument("approximate") {
            None => act(t, call, Activation::Gelu)?,
            Some(Argument::Text(kind)) if kind == "none" => act(t, call, Activation::Gelu)?,
            Some(Argument::Text(kind)) if kind == "tanh" => act(t, call, Activation::GeluTanh)?,
            Some(_) => return Err("its approximation is not known".into()),
        },
        "tanh" => {
            let x = call.view(t, "self")?;
            each(t, call, &x, |x| Operation::SoftCap { x, cap: 1.0 })?
        }
        "linalg_vector_norm" | "norm" => length(t, call)?,
        "sum" => sum(t, call)?,
        "softmax" | "_softmax" | "log_softmax" => {
            return Err("a softmax outside of attention; leave it out and return what goes into it".into());
        }
        _ => return Ok(None),
    }))
}

/// A tensor that does not depend on the input.
fn made(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    if call.op == "arange" {
        let (start, step) = (call.int("start", 0)?, call.int("step", 1)?);
        return match call.size(t, "end")? {
            Some(Some(Size::Length)) if start == 0 && step == 1 => {
                Ok(View::whole(Base::Positions, vec![Size::Length]))
            }
            Some(Some(Size::Fixed(n))) if start == 0 && step == 1 => {
                super::view::elements(&[Size::Fixed(n)])?;
                Ok(constant((0..n).map(|i| i as f64).collect(), vec![Size::Fixed(n)]))
            }
            _ => Err("a range that is not 0, 1, 2, ...".into()),
        };
    }
    let value = match call.op {
        "ones" | "new_ones" | "ones_like" => 1.0,
        "zeros" | "new_zeros" | "zeros_like" => 0.0,
        "scalar_tensor" => return View::uniform(call.real("s", 0.0)?, vec![]),
        _ => match call.argument("fill_value") {
            Some(Argument::Bool(b)) => f64::from(u8::from(*b)),
            _ => call.real("fill_value", 0.0)?,
        },
    };
    let sizes = if call.op.ends_with("_like") {
        call.view(t, "self")?.sizes
    } else {
        let sizes: Option<Vec<Size>> = call.sizes(t, "size")?.into_iter().collect();
        sizes.ok_or("a size of -1")?
    };
    View::uniform(value, sizes)
}

fn arithmetic(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    if call.real("alpha", 1.0)? != 1.0 {
        return Err("alpha must be 1".into());
    }
    if call.argument("rounding_mode").is_some() {
        return Err("a division that rounds".into());
    }
    let (mut a, mut b) = (call.operand(t, "self")?, call.operand(t, "other")?);
    let op = match call.op {
        "rsub" => {
            std::mem::swap(&mut a, &mut b);
            "sub"
        }
        op => op,
    };
    let same_rows = a.length_axis().is_some() == b.length_axis().is_some();
    let (a, b) = together(a, b)?;
    match (&a.base, &b.base) {
        (Base::Norm(..), _) | (Base::Sum(_) | Base::Count, Base::Known(_)) if op != "div" => {
            return Err("a length or a sum is only divided by".into());
        }
        (_, Base::Norm(row, _)) if op == "div" => return normalised(t, call, &a, row),
        (Base::Sum(x), Base::Count) if op == "div" => {
            let sizes = a.sizes.clone();
            return over_positions(t, call, x, sizes);
        }
        _ => {}
    }
    let (left, right) = (known(t, &a)?, known(t, &b)?);
    let f = |x: f64, y: f64| match op {
        "add" => x + y,
        "sub" => x - y,
        "mul" => x * y,
        _ => x / y,
    };
    match (left, right) {
        (Some(left), Some(right)) => {
            let values = left.iter().zip(&right).map(|(x, y)| f(*x, *y)).collect();
            Ok(constant(values, a.sizes))
        }
        (None, Some(values)) => {
            let n = values.len();
            match op {
                "add" => scaled(t, call, &a, &vec![1.0; n], &values),
                "sub" => scaled(t, call, &a, &vec![1.0; n], &values.iter().map(|v| -v).collect::<Vec<_>>()),
                "mul" => scaled(t, call, &a, &values, &vec![0.0; n]),
                _ => scaled(t, call, &a, &values.iter().map(|v| 1.0 / v).collect::<Vec<_>>(), &vec![0.0; n]),
            }
        }
        (Some(values), None) => {
            let n = values.len();
            match op {
                "add" => scaled(t, call, &b, &vec![1.0; n], &values),
                "sub" => scaled(t, call, &b, &vec![-1.0; n], &values),
                "mul" => scaled(t, call, &b, &values, &vec![0.0; n]),
                _ => Err("a known value divided by a computed one".into()),
            }
        }
        (None, None) if !same_rows => {
            Err("one row for the whole sequence meets one for each position".into())
        }
        (None, None) => match op {
            "add" => both(t, call, &a, &b, true, |a, b| Operation::Add { a, b }),
            "sub" => {
                let negative = scaled(t, call, &b, &vec![-1.0; b.len()], &vec![0.0; b.len()])?;
                both(t, call, &a, &negative, true, |a, b| Operation::Add { a, b })
            }
            "mul" => gated(t, call, &a, &b),
            _ => Err("a division of two computed tensors".into()),
        },
    }
}

/// Scale and shift, also of what is only summed or divided by.
fn scaled(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    scale: &[f64],
    shift: &[f64],
) -> Result<View, Refusal> {
    match &x.base {
        // Positions are never padded: a mask of ones.
        Base::Tokens | Base::Positions | Base::Sum(_) | Base::Count
            if scale.iter().all(|s| *s == 1.0) && shift.iter().all(|s| *s == 0.0) =>
        {
            Ok(x.clone())
        }
        _ => affine::apply(t, call, x, scale, shift),
    }
}

/// An operation on two computed tensors of one shape.
fn both(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    a: &View,
    b: &View,
    alike: bool,
    operation: impl FnOnce(StepId, StepId) -> Operation,
) -> Result<View, Refusal> {
    let last = a.length_axis().is_none();
    let (x, y, view) = match (&a.base, &b.base) {
        (Base::Step(x), Base::Step(y)) if a.map == b.map && is_whole(t, a, *x) && is_whole(t, b, *y) => {
            (*x, *y, a.clone())
        }
        _ => {
            let (x, y) = (into_rows(t, call, a)?.0, into_rows(t, call, b)?.0);
            (x, y, View::whole(Base::Step(x), a.sizes.clone()))
        }
    };
    let step = t.push(call.name, t.steps[x.0].width, last, operation(x, y));
    if alike {
        t.alike.extend([(x, y), (x, step)]);
    }
    Ok(View { base: Base::Step(step), ..view })
}

/// Does the view show every element of the step's row once.
fn is_whole(t: &Translator<'_>, x: &View, step: StepId) -> bool {
    let width = t.steps[step.0].width;
    let mut seen = vec![false; width];
    (0..x.len()).for_each(|i| seen.get_mut(x.place(i)).into_iter().for_each(|s| *s = true));
    x.len() == width && !seen.contains(&false)
}

/// A product: of an activation with something else it is one operation.
fn gated(t: &mut Translator<'_>, call: &Call<'_>, a: &View, b: &View) -> Result<View, Refusal> {
    let bent = |x: &View| match &x.base {
        Base::Step(step) => match t.steps[step.0].operation {
            Operation::Act { x: inner, activation } => {
                Some((View { base: Base::Step(inner), ..x.clone() }, activation))
            }
            _ => None,
        },
        _ => None,
    };
    let found = bent(a).map(|found| (found, b)).or_else(|| bent(b).map(|found| (found, a)));
    match found {
        Some(((gate, activation), up)) => {
            both(t, call, &gate, up, false, |gate, up| Operation::Glu { gate, up, activation })
        }
        None => both(t, call, a, b, false, |a, b| Operation::Mul { a, b }),
    }
}

/// An operation on one computed tensor.
fn each(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    operation: impl FnOnce(StepId) -> Operation,
) -> Result<View, Refusal> {
    let last = x.length_axis().is_none();
    let (step, view) = match x.base {
        Base::Step(step) if is_whole(t, x, step) => (step, x.clone()),
        _ => {
            let step = into_rows(t, call, x)?.0;
            (step, View::whole(Base::Step(step), x.sizes.clone()))
        }
    };
    let step = t.push(call.name, t.steps[step.0].width, last, operation(step));
    Ok(View { base: Base::Step(step), ..view })
}

fn act(t: &mut Translator<'_>, call: &Call<'_>, activation: Activation) -> Result<View, Refusal> {
    let x = call.view(t, "self")?;
    each(t, call, &x, |x| Operation::Act { x, activation })
}

fn clamp(t: &mut Translator<'_>, call: &Call<'_>, low: f64, high: f64) -> Result<View, Refusal> {
    let x = call.view(t, "self")?;
    if low.is_nan() || high.is_nan() || low > high {
        return Err(format!("limits {low} and {high}"));
    }
    match &x.base {
        // A length or a count is kept from being zero: one of a real input never is.
        Base::Norm(row, least) => {
            return Ok(View { base: Base::Norm(row.clone(), least.max(low)), ..x.clone() });
        }
        Base::Count if low <= 1.0 && high == f64::INFINITY => return Ok(x),
        Base::Known(_) | Base::Stored(..) => {
            let values = known(t, &x)?.unwrap_or_default();
            return Ok(constant(values.into_iter().map(|v| v.clamp(low, high)).collect(), x.sizes));
        }
        _ => {}
    }
    let y = each(t, call, &x, |x| Operation::Clamp { x, low, high })?;
    if let Base::Step(step) = y.base
        && let Operation::Clamp { x, .. } = t.steps[step.0].operation
    {
        t.alike.push((x, step));
    }
    Ok(y)
}

/// Masks and other conditions on what is known.
fn masks(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let truth = |b: bool| f64::from(u8::from(b));
    let refused = || "a condition on computed values".to_string();
    let values_of = |view: &View| known(t, view)?.ok_or_else(refused);
    let (a, second) = match call.op {
        "where" => (call.operand(t, "condition")?, "self"),
        "masked_fill" => (call.operand(t, "self")?, "mask"),
        _ => (call.operand(t, "self")?, "other"),
    };
    if matches!(call.op, "logical_not" | "bitwise_not") {
        return Ok(constant(values_of(&a)?.into_iter().map(|v| truth(v == 0.0)).collect(), a.sizes));
    }
    let (a, b) = together(a, call.operand(t, second)?)?;
    match call.op {
        // A mask that hides nothing leaves what it is put on.
        "masked_fill" => {
            let mask = values_of(&b)?;
            if mask.iter().all(|m| *m == 0.0) {
                return Ok(a);
            }
            let fill = call.operand(t, "value")?;
            let fill = values_of(&fill)?.first().copied().unwrap_or(0.0);
            let values = values_of(&a)?.into_iter().zip(mask);
            Ok(constant(values.map(|(v, m)| if m == 0.0 { v } else { fill }).collect(), a.sizes))
        }
        "where" => {
            let condition = values_of(&a)?;
            let (a, other) = together(b, call.operand(t, "other")?)?;
            match condition.first() {
                Some(first) if condition.iter().all(|c| c == first) => {
                    Ok(if *first == 0.0 { other } else { a })
                }
                _ => Err(refused()),
            }
        }
        op => {
            let f = |x: f64, y: f64| match op {
                "eq" => x == y,
                "ne" => x != y,
                "gt" => x > y,
                "lt" => x < y,
                "ge" => x >= y,
                "le" => x <= y,
                _ => x != 0.0 && y != 0.0,
            };
            let (left, right) = (values_of(&a)?, values_of(&b)?);
            Ok(constant(left.into_iter().zip(right).map(|(x, y)| truth(f(x, y))).collect(), a.sizes))
        }
    }
}

/// The Euclidean length of a row, which is only divided by.
fn length(t: &Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let x = call.view(t, "self")?;
    let order = if call.op == "norm" { "p" } else { "ord" };
    let axes = call.axes(&x, "dim")?;
    let own: usize = axes.iter().map(|axis| x.sizes[*axis].own()).product();
    if call.real(order, 2.0)? != 2.0 || own != x.len() || x.length_axis().is_some() {
        return Err("only the Euclidean length of a whole vector is read".into());
    }
    Ok(View { base: Base::Norm(Box::new(x), 0.0), sizes: vec![], map: None })
}

/// x / max(|x|, least): a vector of length 1. A vector shorter than `least` is none that a model gives.
fn normalised(t: &mut Translator<'_>, call: &Call<'_>, x: &View, row: &View) -> Result<View, Refusal> {
    let (a, b) = (into_rows(t, call, x)?.0, into_rows(t, call, row)?.0);
    if a != b {
        return Err("a vector is divided by the length of another".into());
    }
    let step = t.push(call.name, t.steps[a.0].width, true, Operation::Normalize { x: a });
    Ok(View::whole(Base::Step(step), x.sizes.clone()))
}

/// A sum along the sequence, which is only divided by the number of positions.
fn sum(t: &Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let x = call.view(t, "self")?;
    let axes = call.axes(&x, "dim")?;
    let keep = call.bool("keepdim", false)?;
    let own: usize = axes.iter().map(|axis| x.sizes[*axis].own()).product();
    if own != 1 || !x.length_axis().is_some_and(|axis| axes.contains(&axis)) {
        return Err(
            "a sum; a mean is read, and a sum along the sequence that is divided by its length".into()
        );
    }
    let sizes: Vec<Size> = (0..x.sizes.len())
        .filter(|axis| keep || !axes.contains(axis))
        .map(|axis| if axes.contains(&axis) { Size::Fixed(1) } else { x.sizes[axis] })
        .collect();
    let base = match known(t, &x)? {
        Some(values) if values.iter().all(|v| *v == 1.0) => Base::Count,
        Some(_) => return Err("a sum of known values that are not 1".into()),
        None => Base::Sum(Box::new(x)),
    };
    Ok(View::whole(base, sizes))
}
