//! The steps of a dispute against the vectors: every element, in one step and through lists.

use executor::kernels::{Constant, ConstantData};
use executor::program::op::{Op, Range, Span};
use executor::program::{ConstantInfo, ElementType, Layout, Node, Shape, Width};
use executor::trace::{Fault, Item, Reader, Step, Stepped, Tensor};

use super::format::{Vector, expand};

/// A vector's values, as a step reads them.
struct Values<'a> {
    op: Op,
    inputs: &'a [Vec<Vec<i64>>],
    constants: &'a [(ConstantInfo, Vec<u8>)],
    token: u32,
    /// The node's own row, where it reads it.
    own: &'a [i64],
}

fn part(row: &[i64], from: u64, count: u64) -> Stepped<Vec<i64>> {
    row.get(from as usize..(from + count) as usize).map(<[i64]>::to_vec).ok_or(Fault::Missing)
}

impl Reader for Values<'_> {
    fn row(&mut self, input: usize, t: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let at = if self.op.reads_visible(input) { t as usize } else { 0 };
        part(self.inputs[input].get(at).ok_or(Fault::Missing)?, from, count)
    }

    fn column(&mut self, input: usize, e: u64, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let rows = &self.inputs[input];
        let value = |t: u64| Some(*rows.get(t as usize)?.get(e as usize)?);
        (from..from + count).map(|t| value(t).ok_or(Fault::Missing)).collect()
    }

    fn constant(&mut self, k: usize, from: u64, count: u64) -> Stepped<Vec<i64>> {
        let (info, bytes) = &self.constants[k];
        let constant = Constant { info: *info, data: ConstantData::Rows(bytes) };
        let columns = i64::from(info.columns);
        let at = |i: u64| Ok(constant.at(i as i64 / columns, i as i64 % columns)?);
        (from..from + count).map(at).collect()
    }

    fn token(&mut self, _: u64) -> Stepped<i64> {
        Ok(self.token.into())
    }

    fn own(&mut self, _: u64, e: u64) -> Stepped<i64> {
        self.own.get(e as usize).copied().ok_or(Fault::Missing)
    }
}

/// The vector's rows are those of positions 0, 1, ..., all of them visible.
fn seeing_all(op: Op) -> Op {
    match op {
        Op::Score { heads, kv_heads, multiplier, shift, .. } => {
            Op::Score { heads, kv_heads, span: Span::All, multiplier, shift }
        }
        Op::TimeMax { .. } => Op::TimeMax { span: Span::All },
        other => other,
    }
}

fn tensor(width: Width, positions: u64) -> Tensor {
    let shape = Shape { element: ElementType::I64, width, range: Range::All, layout: Layout::Rows };
    Tensor { shape, first: 0, count: positions, positions }
}

/// The element by one step, or by lists of lists where a step has at most `most` terms.
fn element(step: &Step<'_>, from: &mut Values<'_>, most: u64) -> Stepped<i64> {
    let terms = step.terms()?;
    if terms <= most {
        return step.element(from);
    }
    let entries = list(step, from, 0, terms, most)?;
    let total = step.combine(&entries)?;
    step.finish(from, total)
}

fn list(step: &Step<'_>, from: &mut Values<'_>, a: u64, b: u64, most: u64) -> Stepped<Vec<i64>> {
    let segments = step.segments(a, b, most)?;
    assert!((2..=128).contains(&segments.len()), "{} segments", segments.len());
    let mut entries = Vec::new();
    for (a, b) in segments {
        entries.push(if b - a <= most {
            step.partial(from, a, b)?
        } else {
            i64::try_from(step.combine(&list(step, from, a, b, most)?)?).unwrap()
        });
    }
    Ok(entries)
}

/// Every element of the vector's row, or the first error.
fn row(vector: &Vector, expected: Option<&[i64]>, most: Option<u64>) -> Stepped<Vec<i64>> {
    let inputs: Vec<Vec<Vec<i64>>> =
        vector.inputs.iter().map(|rows| rows.iter().map(expand).collect()).collect();
    let constants: Vec<(ConstantInfo, Vec<u8>)> = vector.constants();
    let op = seeing_all(vector.op);
    let seen = (0..inputs.len()).filter(|k| op.reads_visible(*k)).map(|k| inputs[k].len()).max();
    let groups = vector.row_groups;
    // Without rows of other positions a row of scores says how many it is about.
    let per_visible = matches!(op, Op::Exp2W {} | Op::WSum {} | Op::Mix { .. }) || groups > 1;
    let of_row = || inputs[0][0].len() / groups as usize;
    let positions = seen.unwrap_or_else(|| if per_visible { of_row() } else { 1 }) as u64;
    let visible = |groups| Width::PerVisible { groups, span: Span::All };
    let shapes: Vec<Tensor> = (0..)
        .zip(&inputs)
        .map(|(k, rows)| match op {
            Op::Mix { heads, .. } if k == 0 => tensor(visible(heads), positions),
            _ if per_visible && k == 0 => tensor(visible(groups), positions),
            _ => tensor(Width::Fixed(rows[0].len() as u32), positions),
        })
        .collect();
    let first = inputs.first().map_or(0, |rows| rows[0].len() as u32);
    let (width, length) = match op {
        Op::Score { heads, .. } => (visible(heads), heads as usize * positions as usize),
        Op::Exp2W {} => (visible(groups), first as usize),
        Op::Embed { .. } => (Width::Fixed(constants[0].0.columns), constants[0].0.columns as usize),
        _ => {
            let n = expected.map_or(first as usize, <[i64]>::len);
            (Width::Fixed(n as u32), n)
        }
    };
    let node = Node { op, range: Range::All, inputs: vec![], constants: vec![] };
    let item = Item { sampling: vector.sampling, ..item() };
    let infos: Vec<ConstantInfo> = constants.iter().map(|c| c.0).collect();
    let mut from = Values {
        op,
        inputs: &inputs,
        constants: &constants,
        token: vector.token,
        own: expected.unwrap_or(&[]),
    };
    let most = most.unwrap_or(op.step_terms());
    let mut step = Step {
        node: &node,
        tensor: tensor(width, positions),
        inputs: &shapes,
        constants: &infos,
        item: &item,
        t: vector.position.into(),
        e: 0,
        claimed: 0,
    };
    let mut out = Vec::new();
    for e in 0..length {
        step.e = e as u64;
        if matches!(op, Op::Crossing { .. }) {
            out.push(only_index(&mut step, &mut from)?);
        } else {
            out.push(element(&step, &mut from, most)?);
        }
    }
    Ok(out)
}

/// The one index that a `crossing` can be shown to have.
fn only_index(step: &mut Step<'_>, from: &mut Values<'_>) -> Stepped<i64> {
    let mut right = Vec::new();
    for i in 0..step.inputs[0].row(0) as i64 {
        step.claimed = i;
        if step.element(from)? == i {
            right.push(i);
        }
    }
    step.claimed = step.inputs[0].row(0) as i64;
    assert!(step.element(from).is_err(), "an index outside of the row");
    assert_eq!(right.len(), 1, "{right:?}");
    Ok(right[0])
}

fn item() -> Item {
    let face = executor::program::Interface {
        vocabulary: 2,
        context: 1,
        stop_tokens: vec![],
        output: executor::program::Output::Vector { node: executor::program::NodeId(0), fraction: 0 },
        tokenizer: Default::default(),
        chat_template: Default::default(),
    };
    Item::tokens(Default::default(), &face, &[0], &[0], executor::kernels::Sampling::GREEDY)
}

/// Compares every element with the kernel's.
pub(crate) fn check(stem: &str, vector: &Vector, expected: &Result<Vec<i64>, impl std::fmt::Debug>) {
    let name = format!("{stem}: {}", vector.name);
    // Short steps of wide rows would take minutes and show nothing new.
    let short: &[u64] = if expected.as_ref().is_ok_and(|row| row.len() > 64) { &[] } else { &[1, 3, 64] };
    for most in std::iter::once(None).chain(short.iter().copied().map(Some)) {
        let got = row(vector, expected.as_ref().ok().map(Vec::as_slice), most);
        match expected {
            Ok(expected) => assert_eq!(got.as_ref(), Ok(expected), "{name}, steps of {most:?}"),
            Err(_) => assert!(got.is_err(), "{name}, steps of {most:?}"),
        }
    }
}
