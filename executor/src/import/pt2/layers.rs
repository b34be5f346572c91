//! Layers of language models: tables, products, norms, attention.

use crate::import::graph::{Operation, StepId};
use crate::program::op::{Index, Span};

use super::call::{Call, Refusal};
use super::images::into_rows;
use super::schema::Argument;
use super::translate::Translator;
use super::view::{Base, Size, View, elements, shape_text};
use super::views::known;
use super::weights::Dtype;

/// Queries and keys: more bits than their mantissas can use would only leave the range of a score's shift.
const FRACTION_MAX_QK: i32 = 16;

/// The value of a layer, or None if it is none.
pub(super) fn translate(t: &mut Translator<'_>, call: &Call<'_>) -> Result<Option<View>, Refusal> {
    Ok(Some(match call.op {
        "embedding" => embedding(t, call)?,
        "linear" => {
            let (x, w, b) = (call.view(t, "input")?, call.view(t, "weight")?, call.optional_view(t, "bias")?);
            linear(t, call, &x, &w, b)?
        }
        "matmul" | "mm" | "bmm" => {
            let other = if call.op == "matmul" { "other" } else { "mat2" };
            let (x, w) = (call.view(t, "self")?, call.view(t, other)?);
            product(t, call, &x, &w, None)?
        }
        "addmm" => {
            if call.real("alpha", 1.0)? != 1.0 || call.real("beta", 1.0)? != 1.0 {
                return Err("alpha and beta must be 1".into());
            }
            let (x, w, b) = (call.view(t, "mat1")?, call.view(t, "mat2")?, call.view(t, "self")?);
            product(t, call, &x, &w, Some(b))?
        }
        "layer_norm" | "rms_norm" => norm(t, call)?,
        "scaled_dot_product_attention" => attention(t, call)?,
        _ => return Ok(None),
    }))
}

fn embedding(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let (table, indices) = (call.view(t, "weight")?, call.view(t, "indices")?);
    let (Base::Stored(name, stored), None) = (&table.base, &table.map) else {
        return Err("its table is not a stored tensor".into());
    };
    let [rows, width] = *stored.sizes.as_slice() else {
        return Err(format!("its table has the shape {}", shape_text(&table.sizes)));
    };
    let index = match &indices.base {
        Base::Tokens => {
            t.vocabulary = Some(t.vocabulary.map_or(rows, |v| v.min(rows)));
            Index::Token
        }
        Base::Positions => {
            t.context = Some(t.context.map_or(rows, |c| c.min(rows)));
            Index::Position
        }
        Base::Known(_) => {
            let row = known(t, &indices)?.unwrap_or_default();
            return match row.as_slice() {
                [row] if (0.0..rows as f64).contains(row) => {
                    let mut view = table.sliced(0, *row as usize, 1, 1)?;
                    view.sizes = indices.sizes.iter().copied().chain([Size::Fixed(width)]).collect();
                    Ok(view)
                }
                _ => Err(format!("it reads rows {row:.8?} of {rows}")),
            };
        }
        _ => return Err("its indices are computed".into()),
    };
    t.weights.name(name, stored, &[rows, width]);
    let operation = Operation::Embed { table: name.clone(), index, plus: None };
    let step = t.push(call.name, width, false, operation);
    let sizes = indices.sizes.iter().copied().chain([Size::Fixed(width)]).collect();
    Ok(View::whole(Base::Step(step), sizes))
}

/// y = x w^T + b
pub(super) fn linear(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    weight: &View,
    bias: Option<View>,
) -> Result<View, Refusal> {
    let [Size::Fixed(rows), Size::Fixed(columns)] = *weight.sizes.as_slice() else {
        return Err(format!("its weights have the shape {}", shape_text(&weight.sizes)));
    };
    let Some((Size::Fixed(inner), outer)) = x.sizes.split_last() else {
        return Err(format!("its input has the shape {}", shape_text(&x.sizes)));
    };
    if *inner != columns {
        return Err(format!("{inner} inputs meet weights for {columns}"));
    }
    let sizes: Vec<Size> = outer.iter().copied().chain([Size::Fixed(rows)]).collect();
    elements(&sizes)?;
    let name = matrix(t, call, weight, rows, columns)?;
    let bias = bias.map(|bias| vector(t, call, &bias, "bias", rows)).transpose()?;
    let (x, last) = into_rows(t, call, x)?;
    let patches: usize = outer.iter().map(|size| size.own()).product();
    let step = t.push(call.name, patches * rows, last, Operation::Linear { x, weights: name, bias });
    Ok(View::whole(Base::Step(step), sizes))
}

fn product(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    w: &View,
    bias: Option<View>,
) -> Result<View, Refusal> {
    if !matches!(w.base, Base::Stored(..) | Base::Known(_)) || w.sizes.len() != 2 {
        return Err(
            "a product of two computed tensors; write attention as scaled_dot_product_attention".into()
        );
    }
    let turned = w.permuted(&[1, 0])?;
    linear(t, call, x, &turned, bias)
}

/// The name of a matrix of these sizes, which is stored or known.
pub(super) fn matrix(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    view: &View,
    rows: usize,
    columns: usize,
) -> Result<String, Refusal> {
    if let (Base::Stored(name, stored), None) = (&view.base, &view.map) {
        t.weights.name(name, stored, &[rows, columns]);
        return Ok(name.clone());
    }
    let values = known(t, view)?.ok_or("its weights are computed")?;
    Ok(made(t, call, "weights", &values, &[rows, columns]))
}

/// Adds a tensor of known values under a name of its own.
pub(super) fn made(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    what: &str,
    values: &[f64],
    shape: &[usize],
) -> String {
    let name = format!("{}.{what}", call.name);
    t.weights.make(&name, values.iter().map(|x| *x as f32).collect(), shape);
    name
}

/// The name of a vector that is stored or known.
pub(super) fn vector(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    view: &View,
    what: &str,
    length: usize,
) -> Result<String, Refusal> {
    if view.len() != length {
        return Err(format!("its {what} has the shape {}, not [{length}]", shape_text(&view.sizes)));
    }
    if let (Base::Stored(name, stored), None) = (&view.base, &view.map) {
        t.weights.name(name, stored, &[length]);
        return Ok(name.clone());
    }
    let values = known(t, view)?.ok_or_else(|| format!("its {what} is computed"))?;
    Ok(made(t, call, what, &values, &[length]))
}

fn norm(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let x = call.view(t, "input")?;
    let shape = call.ints("normalized_shape")?.unwrap_or_default();
    let fits = shape.len() <= x.sizes.len()
        && x.sizes
            .iter()
            .rev()
            .zip(shape.iter().rev())
            .all(|(size, n)| usize::try_from(*n).is_ok_and(|n| *size == Size::Fixed(n)));
    if !fits || shape.is_empty() {
        return Err(format!("it normalises {shape:?} of {}", shape_text(&x.sizes)));
    }
    let width = x.sizes[x.sizes.len() - shape.len()..].iter().map(|size| size.own()).product::<usize>();
    let groups = x.len() / width;
    let gain = match call.optional_view(t, "weight")? {
        Some(gain) => vector(t, call, &gain, "weight", width)?,
        None => made(t, call, "weight", &vec![1.0; width], &[width]),
    };
    let (input, last) = into_rows(t, call, &x)?;
    let operation = if call.op == "rms_norm" {
        let eps = call.real("eps", f64::from(f32::EPSILON))?;
        Operation::RmsNorm { x: input, groups, gain, eps }
    } else {
        if groups != 1 {
            return Err(format!("a layer norm of {groups} groups of one row; rms_norm can be of several"));
        }
        let bias = match call.optional_view(t, "bias")? {
            Some(bias) => vector(t, call, &bias, "bias", width)?,
            None => made(t, call, "bias", &vec![0.0; width], &[width]),
        };
        Operation::LayerNorm { x: input, gain, bias, eps: call.real("eps", 1e-5)? }
    };
    let step = t.push(call.name, groups * width, last, operation);
    Ok(View::whole(Base::Step(step), x.sizes))
}

fn attention(t: &mut Translator<'_>, call: &Call<'_>) -> Result<View, Refusal> {
    let (q, k, v) = (call.view(t, "query")?, call.view(t, "key")?, call.view(t, "value")?);
    let [Size::Fixed(1), Size::Fixed(heads), Size::Length, Size::Fixed(head_dim)] = *q.sizes.as_slice()
    else {
        return Err(format!("queries of shape {}; [1, heads, length, width] is read", shape_text(&q.sizes)));
    };
    if call.real("dropout_p", 0.0)? != 0.0 {
        return Err("it was exported with dropout; call model.eval() before torch.export.export".into());
    }
    let causal = call.bool("is_causal", false)?;
    if !mask_is_open(t, call)? {
        return Err("its mask hides something; leave the mask out, or say is_causal=True".into());
    }
    let scale = call.real("scale", 1.0 / libm::sqrt(head_dim as f64))?;
    let (q, _) = into_rows(t, call, &q)?;
    let (k, key_heads) = shared_heads(t, call, &k, heads, head_dim)?;
    let (v, value_heads) = shared_heads(t, call, &v, heads, head_dim)?;
    if key_heads != value_heads {
        return Err(format!("{key_heads} heads of keys meet {value_heads} of values"));
    }
    for x in [q, k] {
        t.limits[x.0] = FRACTION_MAX_QK;
    }
    let span = if causal { Span::Causal } else { Span::All };
    let operation = Operation::Attention { q, k, v, heads, kv_heads: key_heads, span, scale };
    let step = t.push_like(call.name, v, heads * head_dim, false, operation);
    Ok(View::whole(
        Base::Step(step),
        vec![Size::Fixed(1), Size::Fixed(heads), Size::Length, Size::Fixed(head_dim)],
    ))
}

/// Is there no mask, or one that hides nothing.
fn mask_is_open(t: &Translator<'_>, call: &Call<'_>) -> Result<bool, Refusal> {
    let Some(mask) = call.optional_view(t, "attn_mask")? else {
        return Ok(true);
    };
    let truth = match call.argument("attn_mask") {
        Some(Argument::Tensor(name)) => t.dtype(name) == Some(Dtype::Bool),
        _ => false,
    };
    let open = if truth { 1.0 } else { 0.0 };
    Ok(known(t, &mask)?.is_some_and(|values| values.iter().all(|v| *v == open)))
}

/// Keys or values in order and their heads. Heads that a model repeats for its queries are read once.
fn shared_heads(
    t: &mut Translator<'_>,
    call: &Call<'_>,
    x: &View,
    heads: usize,
    head_dim: usize,
) -> Result<(StepId, usize), Refusal> {
    let [Size::Fixed(1), Size::Fixed(own), Size::Length, Size::Fixed(width)] = *x.sizes.as_slice() else {
        return Err(format!(
            "keys or values of shape {}; [1, heads, length, width] is read",
            shape_text(&x.sizes)
        ));
    };
    if width != head_dim || own == 0 || !heads.is_multiple_of(own) {
        return Err(format!("{heads} heads of {head_dim} meet {own} of {width}"));
    }
    if let Base::Step(step) = x.base {
        let stored = t.steps[step.0].width / head_dim;
        let repeats = own.checked_div(stored).unwrap_or(0);
        let repeated = repeats > 1
            && stored * repeats == own
            && (0..own * head_dim).all(|i| x.place(i) == i / head_dim / repeats * head_dim + i % head_dim);
        if repeated {
            return Ok((step, stored));
        }
    }
    Ok((into_rows(t, call, x)?.0, own))
}
