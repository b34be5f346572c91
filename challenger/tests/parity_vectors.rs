//! Every vector of every operation, asked of the real verifier: around each stands a committed world whose trace holds
//! the vector's inputs and its output, so that the answer is what a game would decide by.

#[allow(dead_code, reason = "the files are written elsewhere")]
#[path = "../../executor/tests/vectors/format.rs"]
mod format;
mod parity;

use std::collections::BTreeMap;
use std::path::Path;

use bisection::trace::Place;
use executor::program::op::{Op, Range, Span};
use executor::program::{ElementType, Layout, Shape, Width};
use executor::trace::Stepped;
use format::{Vector, expand, parse};
use parity::twin::{Twin, name};
use parity::world::{Given, Plan, World, narrowest};

/// What was compared.
#[derive(Debug, Default)]
struct Count {
    vectors: usize,
    elements: usize,
    segments: usize,
    refused: BTreeMap<String, usize>,
    /// Vectors whose span sees another number of positions than they have rows.
    other_span: usize,
}

/// Positions of which each may see all.
const SHORT: u32 = 64;

/// A span through which position `t` sees `seen` positions, and the positions of the sequence.
fn span(seen: u32, t: u32) -> (Span, u32) {
    match seen {
        n if n == t + 1 => (Span::Causal, n),
        n if n <= t => (Span::Window(n), t + 1),
        n => (Span::All, n),
    }
}

/// The type of input `k`, or of the node itself, in a valid program; mantissas have two.
fn valid_type(op: &Op, k: Option<usize>, short: bool) -> ElementType {
    use ElementType::{I8, I16, I32, I64};
    let mantissa = if short { I8 } else { I16 };
    match (op, k) {
        (Op::RowExp { .. } | Op::TimeMax { .. }, None) => I8,
        (Op::Quantise { bits, .. }, None) => {
            if *bits == 8 {
                I8
            } else {
                I16
            }
        }
        (Op::Quantise { .. } | Op::SumSq { .. } | Op::RNorm { .. } | Op::Norm { .. }, Some(1)) => I8,
        (Op::Linear { .. }, Some(1)) | (Op::TimeMax { .. }, _) => I8,
        (Op::Score { .. }, Some(1 | 3)) | (Op::Mix { .. }, Some(3 | 4)) => I8,
        (Op::Linear { .. }, Some(0)) | (Op::Score { .. }, Some(0 | 2)) | (Op::Mix { .. }, Some(2)) => {
            mantissa
        }
        (Op::SumSq { .. } | Op::RowSum {} | Op::WSum {} | Op::Hist { .. } | Op::BlockSum { .. }, None) => I64,
        (Op::CumSum {} | Op::Draw {}, _) | (Op::Crossing { .. }, Some(0 | 1)) => I64,
        (Op::RNorm { .. }, Some(0)) | (Op::Centre {}, Some(1)) | (Op::Mix { .. }, Some(1)) => I64,
        (Op::Pick { .. }, Some(1 | 3)) => I64,
        _ => I32,
    }
}

/// A world of the types of a valid program; mantissas are as short as they can be, or 16 bits.
fn world(vector: &Vector, expected: Option<&[i64]>, short: bool, nth: u32, count: &mut Count) -> World {
    // Values that no valid program has in an operand lie in the shortest type that holds them.
    let element = |k: Option<usize>, rows: &[Vec<i64>]| {
        let least = narrowest(rows.iter().flatten());
        let types = [valid_type(&vector.op, k, short), valid_type(&vector.op, k, false)];
        types.into_iter().find(|x| x.size() >= least.size()).unwrap_or(least)
    };
    let inputs: Vec<Vec<Vec<i64>>> =
        vector.inputs.iter().map(|rows| rows.iter().map(expand).collect()).collect();
    let constants = vector.constants();
    let (groups, mut t) = (vector.row_groups, vector.position);
    let along_time = (0..inputs.len()).find(|k| vector.op.reads_visible(*k));
    let per_visible =
        matches!(vector.op, Op::Exp2W {} | Op::WSum {} | Op::Mix { .. } | Op::Score { .. }) || groups > 1;
    let row_of = |groups: u32| inputs[0][0].len() as u32 / groups;
    let seen = match (along_time, vector.op) {
        (Some(k), _) => inputs[k].len() as u32,
        (None, _) if per_visible => row_of(groups),
        _ => t + 1,
    };
    // Of the operations without a span of their own none looks at the position: a long sequence is seen from its end.
    if vector.op.span().is_none() && seen > SHORT.max(t + 1) {
        t = seen - 1;
    }
    let (mut span, mut positions) = span(seen, t);
    if let Some(own) = vector.op.span() {
        let n = if own == Span::All { seen.max(t + 1) } else { t + 1 };
        if own.visible(t as usize, n as usize).len() as u32 == seen {
            (span, positions) = (own, n);
        } else {
            count.other_span += 1;
        }
    }
    let op = match vector.op {
        Op::Score { heads, kv_heads, multiplier, shift, .. } => {
            Op::Score { heads, kv_heads, span, multiplier, shift }
        }
        Op::TimeMax { .. } => Op::TimeMax { span },
        op => op,
    };
    let visible = |groups| Width::PerVisible { groups, span };
    let range = if nth.is_multiple_of(2) && vector.sampling.temperature > 0 {
        Range::Sampled
    } else {
        Range::Outputs
    };
    let first = u64::from(span.visible(t as usize, positions as usize).start as u32);
    let given = |(k, rows): (usize, &Vec<Vec<i64>>)| {
        let along = op.reads_visible(k);
        let width = match op {
            Op::Mix { heads, .. } if k == 0 => visible(heads),
            Op::Score { .. } => Width::Fixed(rows[0].len() as u32),
            _ if per_visible && k == 0 => visible(groups),
            _ => Width::Fixed(rows[0].len() as u32),
        };
        let columns = along && !matches!(op, Op::Score { .. });
        let layout = if columns { Layout::Columns } else { Layout::Rows };
        let range = if along { Range::All } else { range };
        let shape = Shape { element: element(Some(k), rows), width, range, layout };
        Given { shape, first: if along { first } else { t.into() }, rows: rows.clone() }
    };
    let inputs: Vec<Given> = inputs.iter().enumerate().map(given).collect();
    let width = match op {
        Op::Score { heads, .. } => visible(heads),
        Op::Exp2W {} => visible(groups),
        Op::Embed { .. } => Width::Fixed(constants[0].0.columns),
        // A group for each exponent.
        Op::Linear { .. } => Width::Fixed(constants[0].0.rows * inputs[1].rows[0].len() as u32),
        Op::Pick { .. } => Width::Fixed(1),
        _ => Width::Fixed(expected.map_or_else(|| inputs[0].rows[0].len(), <[i64]>::len) as u32),
    };
    // An error leaves no row: whatever is posted there has no proof.
    let rows = expected.map_or_else(Vec::new, |row| vec![row.to_vec()]);
    let shape = Shape { element: element(None, &rows), width, range, layout: Layout::Rows };
    World::new(Plan {
        op,
        inputs,
        own: Given { shape, first: t.into(), rows },
        constants,
        sampling: vector.sampling,
        position: t,
        positions,
        token: vector.token,
        before: nth % 4,
    })
}

/// All elements of short rows; of long ones the ends, the extremes and some between.
fn sample(row: &[i64]) -> Vec<u64> {
    let n = row.len() as u64;
    if n <= 64 {
        return (0..n).collect();
    }
    let extreme = |largest: bool| {
        (0..n).max_by_key(
            |e| if largest { i128::from(row[*e as usize]) } else { -i128::from(row[*e as usize]) },
        )
    };
    let mut out: Vec<u64> =
        (0..24).map(|i| i * (n - 1) / 23).chain(extreme(true)).chain(extreme(false)).collect();
    out.extend((1..n).filter(|e| row[*e as usize] != row[*e as usize - 1]).take(8));
    out.sort_unstable();
    out.dedup();
    out
}

struct Asking<'a> {
    twin: &'a mut Twin,
    world: &'a World,
    count: &'a mut Count,
    name: String,
}

impl Asking<'_> {
    /// The Rust value and the contract's of a whole element that is claimed to be something.
    fn element(&mut self, e: u64, claimed: i64) -> (Stepped<i64>, Result<i128, String>) {
        let of = self.world.committed();
        let at = self.world.place(e);
        let most = self.world.node.op.step_terms();
        let terms = self.world.with(e, claimed, |step, _| step.terms()).0;
        self.count.elements += 1;
        let Ok(terms) = terms else {
            let (rust, data) = self.world.with(e, claimed, |step, from| step.element(from));
            let error = self.twin.step(of, at, claimed, &data).expect_err("an element without terms");
            return (rust, Err(name(&error).expect("a named error")));
        };
        if terms > most {
            return self.list(e, terms, most);
        }
        let (rust, data) = self.world.with(e, claimed, |step, from| step.element(from));
        let twin = self.twin.step(of, at, claimed, &data);
        let said = |error| name(&error).unwrap_or_else(|| panic!("{} {e}: {error:?}", self.name));
        (rust, twin.map_err(said))
    }

    /// An element through its list; some of the entries through steps, or lists of their own.
    fn list(&mut self, e: u64, terms: u64, most: u64) -> (Stepped<i64>, Result<i128, String>) {
        let at = self.world.place(e);
        let entries = match self.entries(at, e, 0, terms, most) {
            Ok(entries) => entries,
            Err(fault) => return (Err(fault.0), Err(fault.1)),
        };
        let (rust, data) = self.world.with(e, 0, |step, from| step.finish(from, step.combine(&entries)?));
        let twin = self.twin.combine(self.world.committed(), at, &entries, &data);
        // One step cannot show it, whatever it is given.
        let error = self.twin.step(self.world.committed(), at, 0, &data).unwrap_err();
        assert_eq!(name(&error).as_deref(), Some("TooManyTerms"), "{}", self.name);
        (rust, twin.map(|y| y.0).map_err(|error| name(&error).expect("a named error")))
    }

    /// The entries of a segment, compared with the contract's where they are checked.
    fn entries(
        &mut self,
        at: Place,
        e: u64,
        a: u64,
        b: u64,
        most: u64,
    ) -> Result<Vec<i64>, (executor::trace::Fault, String)> {
        let of = self.world.committed();
        let segments = self.world.with(e, 0, |step, _| step.segments(a, b, most)).0.unwrap();
        let mut entries = Vec::new();
        for (i, (from, to)) in segments.iter().copied().enumerate() {
            let place = Place { from: from as u32, to: to as u32, ..at };
            let (rust, data) = self.world.with(e, 0, |step, reader| step.partial(reader, from, to));
            let asked = i < 3 || i + 2 >= segments.len() || i.is_multiple_of(29) || rust.is_err();
            if to - from <= most && asked {
                self.count.segments += 1;
                let twin = self.twin.step(of, place, 0, &data);
                match (rust, twin) {
                    (Ok(rust), Ok(twin)) => assert_eq!(i128::from(rust), twin, "{} {place:?}", self.name),
                    (Err(fault), Err(error)) => return Err((fault, name(&error).expect("a named error"))),
                    (rust, twin) => panic!("{} {place:?}: {rust:?}, {twin:?}", self.name),
                }
            } else if to - from > most && asked {
                self.count.segments += 1;
                let inner = self.entries(at, e, from, to, most)?;
                let (total, data) = self.world.with(e, 0, |step, _| step.combine(&inner));
                let (twin, segment, end) = self.twin.combine(of, place, &inner, &data).unwrap();
                assert_eq!((twin, total), (i128::from(rust.unwrap()), Ok(twin)), "{} {place:?}", self.name);
                assert_eq!(u64::from(segment), executor::trace::segment_terms(to - from, most));
                assert_eq!(u64::from(end), to);
            }
            entries.push(rust.map_err(|fault| (fault, String::new()))?);
        }
        Ok(entries)
    }

    fn vector(&mut self, vector: &Vector, expected: Option<&[i64]>) {
        let crossing = matches!(vector.op, Op::Crossing { .. });
        let Some(expected) = expected else {
            // Elements that have a value have the same; at least one has none.
            let mut refused = 0;
            for e in 0..self.world.row().min(64) {
                // Every claim of a crossing is one to refuse.
                let (rust, twin) = self.element(e, 0);
                match (rust, twin) {
                    (Ok(rust), Ok(twin)) => assert_eq!(i128::from(rust), twin, "{} {e}", self.name),
                    (Err(_), Err(error)) => {
                        refused += 1;
                        *self.count.refused.entry(error).or_default() += 1;
                    }
                    (rust, twin) => panic!("{} {e}: {rust:?}, {twin:?}", self.name),
                }
            }
            assert!(refused > 0, "{}", self.name);
            return;
        };
        assert_eq!(self.world.row(), expected.len() as u64);
        for e in sample(expected) {
            let right = expected[e as usize];
            let (rust, twin) = self.element(e, right);
            assert_eq!((rust, twin), (Ok(right), Ok(right.into())), "{} {e}", self.name);
            if !crossing {
                continue;
            }
            // No other index has a proof.
            let end = self.world.with(e, right, |step, _| Ok(step.inputs[0].row(step.t) as i64)).0.unwrap();
            let stride = (end / 40).max(1);
            let wrong = (-1..=end).filter(|i| i % stride == 0 || (i - right).abs() < 3 || *i >= end - 1);
            for i in wrong.filter(|i| *i != right) {
                match self.element(e, i) {
                    (Ok(rust), Ok(twin)) => {
                        assert_eq!(i128::from(rust), twin, "{} {i}", self.name);
                        assert_ne!(rust, i, "{}", self.name);
                    }
                    (Err(_), Err(error)) => *self.count.refused.entry(error).or_default() += 1,
                    (rust, twin) => panic!("{} {i}: {rust:?}, {twin:?}", self.name),
                }
            }
        }
    }
}

fn compare(stems: &[&str], short: bool) -> Count {
    let mut twin = Twin::new();
    let mut count = Count::default();
    for stem in stems {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../executor/vectors/v1/{stem}.json"));
        let vectors = parse(stem, &std::fs::read_to_string(path).unwrap());
        assert!(vectors.len() >= 3, "{stem}");
        for (nth, (vector, expected)) in (0..).zip(&vectors) {
            let expected = expected.as_deref().ok();
            let world = world(vector, expected, short, nth, &mut count);
            count.vectors += 1;
            let name = format!("{stem}: {}", vector.name);
            Asking { twin: &mut twin, world: &world, count: &mut count, name }.vector(vector, expected);
        }
    }
    println!("{count:?}");
    // Every vector has a world, whose spans are its own: there is none that cannot be asked.
    assert_eq!(count.other_span, 0);
    // What is refused is refused for what it says, and not for want of a witness.
    assert!(!count.refused.contains_key("ShortWitness") && !count.refused.contains_key("WrongType"));
    count
}

/// The operations in two halves, so that two threads share the work.
fn half(odd: usize) -> Vec<&'static str> {
    Op::STEMS.iter().copied().skip(odd).step_by(2).collect()
}

#[test]
fn half_of_the_operations() {
    compare(&half(0), false);
}

#[test]
fn the_other_half() {
    compare(&half(1), false);
}

#[test]
fn half_of_the_operations_with_short_mantissas() {
    compare(&half(0), true);
}

#[test]
fn the_other_half_with_short_mantissas() {
    compare(&half(1), true);
}
