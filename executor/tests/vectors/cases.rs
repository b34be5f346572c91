//! What the vectors cover: zeros, saturation at both ends, one outlier in a row, negative exponents, ties of both
//! signs, the widest reductions, windows, single positions, first and last blocks, the limits of a request.

use executor::kernels::{Sampling, TEMPERATURE_MAX, TEMPERATURE_MIN};
use executor::program::ElementType::{self, I8, I16, I32, U16};
use executor::program::op::{Index, Op, Span, Target};

use super::format::{Item, List, Vector, list};

const MIN: i64 = i32::MIN as i64;
const MAX: i64 = i32::MAX as i64;
/// What a row of Fixed may look like.
const AWKWARD: [i64; 16] = [0, 1, -1, 2, -2, 3, -3, 5, -5, 127, -128, 65_535, -65_536, 1 << 30, MAX, MIN];

type Constants = Vec<(ElementType, u32, u32, List)>;

const SAMPLING: Sampling = Sampling { temperature: 65_536, top_k: 0, top_p: 65_536, min_p: 0, seed: [7; 32] };

struct Cases(Vec<Vector>);

impl Cases {
    fn add(&mut self, name: &str, op: Op, inputs: Vec<Vec<List>>, constants: Constants) -> &mut Vector {
        let (name, sampling) = (name.into(), SAMPLING);
        self.0.push(Vector { name, op, inputs, constants, token: 0, position: 0, row_groups: 1, sampling });
        self.0.last_mut().unwrap()
    }

    /// An elementwise operation of one input over awkward values, for each of some attributes.
    fn each<A: Copy + std::fmt::Debug>(
        &mut self,
        attributes: &[A],
        op: impl Fn(A) -> Op,
        constants: &Constants,
    ) {
        for a in attributes {
            self.add(&format!("awkward values, {a:?}"), op(*a), vec![one(&AWKWARD)], constants.clone());
        }
    }
}

/// An input of one row.
fn one(values: &[i64]) -> Vec<List> {
    vec![list(values)]
}

fn run(x: i64, n: usize) -> Vec<List> {
    vec![vec![Item::Run(x, n)]]
}

fn seeded(seed: u64, count: usize, low: i64, high: i64) -> List {
    vec![Item::Seed { seed, count, low, high }]
}

fn constant(element: ElementType, values: &[i64]) -> (ElementType, u32, u32, List) {
    (element, 1, values.len() as u32, list(values))
}

fn matrix(
    element: ElementType,
    rows: u32,
    columns: u32,
    values: List,
    multipliers: &[i64],
    shifts: &[i64],
) -> Constants {
    vec![(element, rows, columns, values), constant(U16, multipliers), constant(I8, shifts)]
}

/// T: its ends, a step in the middle, random between.
fn table() -> Constants {
    let (one, end) = (1 << 23, Item::Run(0, 2));
    let values = vec![
        Item::Run(-one, 1),
        Item::Run(one, 1),
        Item::Seed { seed: 1, count: 4094, low: -one, high: one },
        Item::Run(0, 1),
        Item::Run(one, 1),
        Item::Seed { seed: 2, count: 4092, low: -4096, high: 4096 },
        end,
    ];
    vec![(I32, 4096, 2, values)]
}

/// Weights of 31 bits.
fn exp2() -> Constants {
    let entry = |i: i32| libm::round(f64::from(i32::MAX) * libm::exp2(-f64::from(i) / 4096.0)) as i64;
    vec![constant(I32, &(0..4096).map(entry).collect::<Vec<_>>())]
}

/// Rotary table: cosines and sines of random entries, the first row that of no rotation.
fn rotary(rows: u32, pairs: u32, seed: u64) -> (ElementType, u32, u32, List) {
    let one = 1 << 29;
    let rest = ((rows - 1) * 2 * pairs) as usize;
    let mut values = vec![Item::Run(one, pairs as usize), Item::Run(0, pairs as usize)];
    if rest > 0 {
        values.push(Item::Seed { seed, count: rest, low: -one, high: one });
    }
    (I32, rows, 2 * pairs, values)
}

/// The vectors of an operation.
pub(crate) fn of(stem: &str) -> Vec<Vector> {
    let mut c = Cases(Vec::new());
    match stem {
        "embed" | "rowexp" | "quantise" | "linear" => products(&mut c, stem),
        "sumsq" | "rnorm" | "norm" | "rowsum" | "centre" => norms(&mut c, stem),
        "add" | "rescale" | "lut" | "act" | "glu" | "rope" | "hadamard" => elementwise(&mut c, stem),
        "gather" | "clamp" | "groupmax" | "groupmean" | "mul" => vision(&mut c, stem),
        "score" | "rowmax" | "exp2w" | "wsum" | "timemax" | "mix" | "pool" => attention(&mut c, stem),
        _ => sampling(&mut c, stem),
    }
    assert!(!c.0.is_empty(), "no vectors for {stem}");
    c.0
}

fn products(c: &mut Cases, stem: &str) {
    match stem {
        "embed" => {
            let table = |shifts: &[i64]| {
                matrix(I8, 2, 4, list(&[1, -1, 3, -3, 127, -127, 0, 64]), &[32_768, 65_535], shifts)
            };
            let ops = [(Index::Token, 0), (Index::Position, -8), (Index::Token, 20), (Index::Token, -62)];
            for (index, shift) in ops {
                let op = Op::Embed { index, shift };
                for row in 0..2 {
                    let v =
                        c.add(&format!("row {row}, {index:?}, shift {shift}"), op, vec![], table(&[16, 16]));
                    (v.token, v.position) =
                        if index == Index::Token { (row, 1 - row) } else { (1 - row, row) };
                }
            }
            let wide = matrix(I16, 1, 4, list(&[32_639, -32_639, 1, -1]), &[65_535], &[-20]);
            c.add("saturation at both ends", Op::Embed { index: Index::Token, shift: 0 }, vec![], wide);
            c.add("no such row", Op::Embed { index: Index::Token, shift: 0 }, vec![], table(&[0, 0])).token =
                2;
        }
        "rowexp" => {
            for bits in [8, 16, 24] {
                let op = |groups| Op::RowExp { bits, groups };
                c.add(&format!("zeros, {bits} bits"), op(1), vec![run(0, 5)], vec![]);
                c.add(
                    &format!("smallest and largest, {bits} bits"),
                    op(4),
                    vec![one(&[1, 0, MAX, 0, MIN, 0, -1, 1])],
                    vec![],
                );
                c.add(
                    &format!("one outlier, {bits} bits"),
                    op(2),
                    vec![one(&[1, -2, MIN, 3, 4, -5, 6, 7])],
                    vec![],
                );
                c.add(
                    &format!("powers of two, {bits} bits"),
                    op(4),
                    vec![one(&[32_767, 32_768, -65_536, 65_535])],
                    vec![],
                );
            }
        }
        "quantise" => {
            for bits in [8, 16] {
                let low = 1 - i64::from(bits);
                for e in [low, -1, 0, 1, 2, 17, 25] {
                    let op = Op::Quantise { bits, groups: 1 };
                    c.add(
                        &format!("awkward values, {bits} bits, exponent {e}"),
                        op,
                        vec![one(&AWKWARD), one(&[e])],
                        vec![],
                    );
                }
                let op = Op::Quantise { bits, groups: 2 };
                c.add(
                    &format!("two groups, {bits} bits"),
                    op,
                    vec![one(&[6, -6, 10, -10, 6, -6, 10, -10]), one(&[2, -3])],
                    vec![],
                );
                c.add(&format!("zeros, {bits} bits"), op, vec![run(0, 4), one(&[low, low])], vec![]);
            }
        }
        _ => {
            let small =
                matrix(I8, 3, 2, list(&[1, 0, -1, 0, 127, -127]), &[32_768, 32_768, 65_535], &[16, 16, 0]);
            let op = |shift| Op::Linear { shift };
            for (m, e) in [(1, 0), (-1, 0), (32_767, -15), (-32_767, 17), (0, -15), (3, 1)] {
                let v = c.add(
                    &format!("mantissa {m}, exponent {e}"),
                    op(0),
                    vec![one(&[m, -m]), one(&[e])],
                    small.clone(),
                );
                v.constants.truncate(3);
            }
            let ties = matrix(I8, 4, 1, list(&[1, -1, 3, -3]), &[32_768; 4], &[16; 4]);
            c.add("ties of both signs", op(0), vec![one(&[1]), one(&[0])], ties.clone());
            let mut biased = ties;
            biased.push(constant(I32, &[MAX, MIN, -1, 1]));
            c.add("biases saturate", op(-14), vec![one(&[127]), one(&[0])], biased);
            let zero = matrix(I8, 2, 3, vec![Item::Run(0, 6)], &[32_768; 2], &[60, -20]);
            c.add("a channel of zeros", op(0), vec![one(&[1, 2, 3]), one(&[5])], zero);
            let n = 65_798;
            let full = |x: i64| matrix(I16, 1, n, vec![Item::Run(x, n as usize)], &[65_535], &[31]);
            c.add(
                "the widest product, all positive",
                op(0),
                vec![run(32_767, n as usize), one(&[0])],
                full(32_639),
            );
            c.add(
                "the widest product, all negative",
                op(10),
                vec![run(32_767, n as usize), one(&[0])],
                full(-32_639),
            );
            let random = matrix(
                I8,
                5,
                3000,
                seeded(3, 15_000, -127, 127),
                &[40_000, 50_000, 60_000, 32_768, 65_535],
                &[20, 21, 22, 23, 24],
            );
            c.add("random", op(4), vec![vec![seeded(4, 3000, -32_767, 32_767)], one(&[-2])], random);
            // A kernel of 3 x 3 over three places of two channels, each with its own exponent.
            let mut patches = matrix(
                I16,
                4,
                18,
                seeded(5, 72, -32_639, 32_639),
                &[40_000, 32_768, 65_535, 50_000],
                &[30, 31, 32, 33],
            );
            patches.push(constant(I32, &[1, -1, MAX, MIN]));
            c.add(
                "three groups",
                op(-3),
                vec![vec![seeded(6, 54, -32_767, 32_767)], one(&[-2, 0, 3])],
                patches.clone(),
            );
            c.add("groups of zeros", op(-3), vec![run(0, 36), one(&[-15, -15])], patches);
            let other = matrix(I8, 1, 2, list(&[1, 1]), &[32_768], &[0]);
            c.add("a shift out of range", op(62), vec![one(&[1, 1]), one(&[-1])], other);
        }
    }
}

fn vision(c: &mut Cases, stem: &str) {
    match stem {
        "gather" => {
            let map = |entries: &[i64]| vec![constant(I32, entries)];
            let own = |fill| Op::Gather { visible: 0, fill };
            let all = |fill| Op::Gather { visible: 1, fill };
            c.add(
                "a row turned, with gaps",
                own(-7),
                vec![one(&[5, MAX, MIN, -1])],
                map(&[3, 2, -1, 1, 0, 0]),
            );
            c.add("nothing but the filling", own(i32::MIN), vec![one(&[1])], map(&[-1, -1]));
            c.add("one exponent for all", own(0), vec![one(&[-3])], map(&[0; 9]));
            let rows: Vec<List> = [[1, 2], [3, 4], [5, 6]].map(|row| list(&row)).into();
            // The last entries lie beyond the sequence.
            let over = [5, 4, 3, 2, 1, 0, -1, 6, 7, MAX];
            c.add("all positions", all(9), vec![rows], map(&over)).position = 2;
            c.add("one position", all(0), vec![vec![list(&[8])]], map(&[0, 1, -1]));
            // Patches of 3 x 3 of a picture of 4 x 4, one token a pixel.
            let mut patches = Vec::new();
            for place in 0..16i64 {
                for tap in 0..9 {
                    let (y, x) = (place / 4 + tap / 3 - 1, place % 4 + tap % 3 - 1);
                    let inside = (0..4).contains(&y) && (0..4).contains(&x);
                    patches.push(if inside { y * 4 + x } else { -1 });
                }
            }
            let pixels = (0..16).map(|i| list(&[i * 17 - 100])).collect();
            c.add("patches with padding", all(0), vec![pixels], map(&patches)).position = 15;
            c.add("no such element", own(0), vec![one(&[1, 2])], map(&[-2]));
        }
        "clamp" => {
            let limits =
                [(0, i32::MAX), (0, 0), (-2, 2), (i32::MIN, i32::MAX), (i32::MAX, i32::MAX), (5, 65_535)];
            c.each(&limits, |(low, high)| Op::Clamp { low, high }, &vec![]);
            c.add("no limits", Op::Clamp { low: 1, high: 0 }, vec![one(&[0])], vec![]);
        }
        "groupmax" | "groupmean" => {
            let op = |groups| match stem {
                "groupmax" => Op::GroupMax { groups },
                _ => Op::GroupMean { groups },
            };
            c.each(&[1, 2, 4, 8, 16], op, &vec![]);
            c.add("ties of both signs", op(4), vec![one(&[0, 1, 0, -1, -1, -2, 2, 1])], vec![]);
            c.add("threes", op(4), vec![one(&[1, 0, 0, -1, 0, 0, 1, 1, 0, -1, -1, 0])], vec![]);
            c.add("least values", op(2), vec![run(MIN, 6)], vec![]);
            c.add("largest values", op(1), vec![run(MAX, 3000)], vec![]);
            c.add("wide groups", op(2), vec![vec![seeded(9, 5000, MIN, MAX)]], vec![]);
        }
        _ => {
            let mut turned = AWKWARD;
            turned.reverse();
            for shift in [0, 1, 16, 31, 62, -1, -62] {
                let op = Op::Mul { shift };
                c.add(
                    &format!("awkward values, shift {shift}"),
                    op,
                    vec![one(&AWKWARD), one(&turned)],
                    vec![],
                );
            }
            let op = Op::Mul { shift: 1 };
            c.add("ties of both signs", op, vec![one(&[1, -1, 3, -3]), one(&[1, 1, 1, 1])], vec![]);
            c.add(
                "squares",
                Op::Mul { shift: 31 },
                vec![one(&[MIN, MAX, MIN]), one(&[MIN, MAX, MAX])],
                vec![],
            );
            c.add("a shift out of range", Op::Mul { shift: 63 }, vec![one(&[1]), one(&[1])], vec![]);
        }
    }
}

fn norms(c: &mut Cases, stem: &str) {
    match stem {
        "sumsq" => {
            let op = |groups| Op::SumSq { groups };
            c.add("zeros", op(1), vec![run(0, 4), one(&[-23])], vec![]);
            c.add("awkward values", op(1), vec![one(&AWKWARD), one(&[9])], vec![]);
            c.add("one outlier", op(2), vec![one(&[1, 2, MIN, 1, 2, 3]), one(&[9, -21])], vec![]);
            c.add("ties of both signs", op(1), vec![one(&[1, -1, 3, -3]), one(&[1])], vec![]);
            c.add("the widest sum", op(1), vec![run(MIN, 65_536), one(&[8])], vec![]);
        }
        "rnorm" => {
            let op = |eps, root| Op::RNorm { groups: 1, eps, root };
            let largest = 65_536 * ((1 << 23) - 1) * ((1 << 23) - 1);
            for (s, e, eps, root) in [
                (0, -23, 0, 1 << 55),
                (0, -23, 1 << 20, 1 << 55),
                (1, 0, 0, 1 << 55),
                (2, -8, 1, 1 << 58),
                (3, 9, 1 << 62, 1 << 62),
                (largest, 9, 0, 1 << 62),
                (largest, -23, 1 << 62, 1 << 55),
                ((1 << 60) - 1, 0, 12_345, 864_691_128_455_135_232),
                (1 << 60, 0, 12_345, 864_691_128_455_135_232),
            ] {
                let name = format!("sum {s}, exponent {e}, epsilon {eps}");
                c.add(&name, op(eps, root), vec![one(&[s]), one(&[e])], vec![]);
            }
            let two = Op::RNorm { groups: 2, eps: 77, root: 1 << 56 };
            c.add("two groups", two, vec![one(&[5, 1 << 50]), one(&[-20, 3])], vec![]);
        }
        "norm" => {
            let gain = |g: &[i64]| vec![constant(I32, g)];
            let op = |groups, gain_shift| Op::Norm { groups, shift: 35, gain_shift };
            c.add(
                "zeros",
                op(1, 20),
                vec![run(0, 3), one(&[-23]), one(&[1 << 25, 30])],
                gain(&[1 << 28, 1, -1]),
            );
            let x = [1, -1, 3, -3, 1000, -1000, 1 << 22, -(1 << 22)];
            c.add(
                "ties of both signs",
                op(1, 1),
                vec![one(&x), one(&[0]), one(&[1 << 33, 0])],
                gain(&[1; 8]),
            );
            c.add(
                "a group's gain repeats",
                op(2, 20),
                vec![one(&x), one(&[-20, -1]), one(&[1 << 34, 3, 1 << 35, 12])],
                gain(&[1 << 20, -(1 << 20), MAX, MIN]),
            );
            let mut both = gain(&[MAX, MIN, 1, 0]);
            both.push(constant(I32, &[MAX, MIN, 5, -5]));
            c.add(
                "gains and biases saturate",
                op(1, 10),
                vec![one(&[MAX, MIN, MIN, 0]), one(&[8]), one(&[1 << 38, 0])],
                both,
            );
            c.add(
                "one outlier",
                op(1, 20),
                vec![one(&[5, -7, MIN, 9]), one(&[9]), one(&[1 << 31, 0])],
                gain(&[1 << 20; 4]),
            );
        }
        "rowsum" => {
            c.add("zeros", Op::RowSum {}, vec![run(0, 9)], vec![]);
            c.add("awkward values", Op::RowSum {}, vec![one(&AWKWARD)], vec![]);
            c.add("the widest sum, negative", Op::RowSum {}, vec![run(MIN, 1 << 20)], vec![]);
            c.add("the widest sum, positive", Op::RowSum {}, vec![run(MAX, 1 << 20)], vec![]);
        }
        _ => {
            let op = Op::Centre {};
            c.add("zeros", op, vec![run(0, 4), one(&[0])], vec![]);
            c.add("ties of both signs", op, vec![one(&[1, 0]), one(&[1])], vec![]);
            c.add("ties of negative sums", op, vec![one(&[-1, 0]), one(&[-1])], vec![]);
            c.add("a third", op, vec![one(&[4, 2, 1]), one(&[7])], vec![]);
            c.add("saturation at both ends", op, vec![one(&[MAX, MIN, MIN, MAX]), one(&[2 * MIN])], vec![]);
            c.add("one outlier", op, vec![one(&[1, 2, MIN, 3]), one(&[MIN + 6])], vec![]);
        }
    }
}

fn elementwise(c: &mut Cases, stem: &str) {
    match stem {
        "add" => {
            let mut turned = AWKWARD;
            turned.reverse();
            c.add("awkward values", Op::Add {}, vec![one(&AWKWARD), one(&turned)], vec![]);
            c.add(
                "saturation at both ends",
                Op::Add {},
                vec![one(&[MAX, MIN, MAX]), one(&[1, -1, MIN])],
                vec![],
            );
            c.add("zeros", Op::Add {}, vec![run(0, 3), run(0, 3)], vec![]);
        }
        "rescale" => {
            let attributes = [
                (1, 0),
                (1, 1),
                (1, 2),
                (-1, 1),
                (3, 1),
                (1 << 30, 30),
                (i32::MIN, 62),
                (i32::MIN, -62),
                (0, 5),
            ];
            c.each(&attributes, |(multiplier, shift)| Op::Rescale { multiplier, shift }, &vec![]);
        }
        "lut" | "act" => {
            let attributes = [(0, 0), (-8, 3), (5, -10), (62, 1), (-62, 23)];
            let op = |(in_shift, shift)| match stem {
                "lut" => Op::Lut { in_shift, shift },
                _ => Op::Act { in_shift, shift },
            };
            c.each(&attributes, op, &table());
            // u = 0, 1, 8191, 8192 and the ends of the table.
            let u =
                [0, 1, 8191, 8192, 16_383, (1 << 25) - 8193, (1 << 25) - 8192, (1 << 25) - 1, 1 << 25, -1];
            let x = u.map(|u| u - (16 << 20));
            c.add("cells and their ends", op((0, 0)), vec![one(&x)], table());
        }
        "glu" => {
            let mut turned = AWKWARD;
            turned.reverse();
            for (in_shift, shift) in [(0, 0), (-8, 12), (5, -10), (-62, 62)] {
                let (op, name) =
                    (Op::Glu { in_shift, shift }, format!("awkward values, {in_shift} and {shift}"));
                c.add(&name, op, vec![one(&AWKWARD), one(&turned)], table());
            }
            c.add("zeros", Op::Glu { in_shift: 0, shift: 1 }, vec![run(0, 2), run(5, 2)], table());
            c.add(
                "ties of both signs",
                Op::Glu { in_shift: -62, shift: 1 },
                vec![one(&[-1, -1, -1, -1]), one(&[1, -1, 3, -3])],
                table(),
            );
        }
        "rope" => {
            let tables = |pairs| vec![rotary(3, pairs, 5), rotary(256, pairs, 6)];
            let x = [100, -100, 3, MAX, MIN, 7, 8, MIN];
            for position in [0, 1, 255, 256, 257, 511, 767] {
                let op = Op::Rope { head_dim: 4 };
                c.add(&format!("two heads at {position}"), op, vec![one(&x)], tables(2)).position = position;
            }
            let op = Op::Rope { head_dim: 8 };
            c.add("a part of the head turns", op, vec![one(&x)], tables(2)).position = 300;
            let ends = vec![
                (I32, 1, 2, list(&[1 << 29, -(1 << 29)])),
                (I32, 256, 2, vec![Item::Run(1 << 29, 256), Item::Run(-(1 << 29), 256)]),
            ];
            c.add(
                "largest entries",
                Op::Rope { head_dim: 2 },
                vec![one(&[MIN, MIN, MAX, MIN, MIN, MAX])],
                ends,
            );
            c.add("no such position", Op::Rope { head_dim: 4 }, vec![one(&x)], tables(2)).position = 768;
        }
        _ => {
            for (block, shift) in [(1, 0), (2, 1), (4, 1), (8, 2), (16, 2), (16, 0), (4, -62)] {
                let op = Op::Hadamard { block, shift };
                c.add(
                    &format!("awkward values, block {block}, shift {shift}"),
                    op,
                    vec![one(&AWKWARD)],
                    vec![],
                );
            }
            c.add("zeros", Op::Hadamard { block: 4, shift: 1 }, vec![run(0, 8)], vec![]);
            c.add(
                "a wide block",
                Op::Hadamard { block: 512, shift: 5 },
                vec![vec![seeded(8, 512, MIN, MAX)]],
                vec![],
            );
            c.add("the largest sums", Op::Hadamard { block: 256, shift: 4 }, vec![run(MIN, 256)], vec![]);
        }
    }
}

fn attention(c: &mut Cases, stem: &str) {
    match stem {
        "score" => {
            let op = |heads, kv_heads, span, multiplier, shift| Op::Score {
                heads,
                kv_heads,
                span,
                multiplier,
                shift,
            };
            let rows = |seed: u64, n: usize, width| {
                (0..n as u64).map(|i| seeded(seed + i, width, -32_767, 32_767)).collect::<Vec<_>>()
            };
            let exponents = |n: usize, width: usize| {
                (0..n as i64).map(|i| list(&vec![i - 15; width])).collect::<Vec<_>>()
            };
            for (span, t, visible) in
                [(Span::Causal, 0, 1), (Span::Causal, 4, 5), (Span::Window(3), 4, 3), (Span::All, 1, 4)]
            {
                let inputs = vec![
                    vec![seeded(9, 24, -32_767, 32_767)],
                    one(&[-5, 0, 3]),
                    rows(20, visible, 8),
                    exponents(visible, 1),
                ];
                c.add(
                    &format!("3 heads share a key, {span:?}"),
                    op(3, 1, span, 50_000, 26),
                    inputs,
                    vec![],
                )
                .position = t;
            }
            let grouped = vec![
                vec![seeded(9, 16, -32_767, 32_767)],
                one(&[-5, 0, 3, -15]),
                rows(30, 2, 8),
                exponents(2, 2),
            ];
            c.add("2 heads a key", op(4, 2, Span::Causal, 40_000, 20), grouped, vec![]).position = 1;
            let ends = vec![
                run(32_767, 128),
                one(&[17]),
                vec![vec![Item::Run(32_767, 128)], vec![Item::Run(-32_767, 128)]],
                vec![list(&[17]), list(&[17])],
            ];
            c.add("saturation at both ends", op(1, 1, Span::Causal, 65_535, 40), ends, vec![]).position = 1;
            let ties =
                vec![one(&[1]), one(&[0]), [1, -1, 3, -3].map(|k| list(&[k])).to_vec(), vec![list(&[0]); 4]];
            c.add("ties of both signs", op(1, 1, Span::Causal, 1, 1), ties, vec![]).position = 3;
            let zeros = vec![run(0, 4), one(&[-15]), vec![list(&[0; 4])], vec![list(&[-15])]];
            c.add("zeros", op(1, 1, Span::Causal, 40_000, 10), zeros, vec![]);
            let widest =
                vec![run(32_767, 65_536), one(&[0]), vec![vec![Item::Run(32_767, 65_536)]], vec![list(&[0])]];
            c.add("the widest product", op(1, 1, Span::Causal, 65_535, 31), widest, vec![]);
        }
        "rowmax" => {
            c.add("a row", Op::RowMax {}, vec![one(&AWKWARD)], vec![]);
            c.add("least values", Op::RowMax {}, vec![run(MIN, 3)], vec![]);
            c.add("three groups", Op::RowMax {}, vec![one(&[-1, -2, 5, 4, MIN, MAX])], vec![]).row_groups = 3;
        }
        "exp2w" => {
            let d = [
                0,
                1,
                255,
                256,
                257,
                4095 << 8,
                (1 << 20) - 1,
                1 << 20,
                (31 << 20) - 1,
                31 << 20,
                1 << 25,
                MAX,
                MAX - MIN,
            ];
            let scores = d.map(|d| MAX - d);
            c.add("distances", Op::Exp2W {}, vec![one(&scores), one(&[MAX])], exp2());
            let two = c.add("two groups", Op::Exp2W {}, vec![one(&[0, -300, 9, MIN]), one(&[0, 9])], exp2());
            two.row_groups = 2;
            c.add("above the maximum", Op::Exp2W {}, vec![one(&[1]), one(&[0])], exp2());
        }
        "wsum" => {
            c.add("one position", Op::WSum {}, vec![one(&[MAX])], vec![]);
            c.add("two groups", Op::WSum {}, vec![one(&[MAX, 0, 5, 6, 7, MAX])], vec![]).row_groups = 2;
            c.add("the widest sum", Op::WSum {}, vec![run(MAX, 1 << 17)], vec![]);
        }
        "timemax" => {
            let rows = vec![list(&[-15, 3, -128]), list(&[17, 2, -128]), list(&[-1, 3, 127])];
            c.add("three positions", Op::TimeMax { span: Span::Causal }, vec![rows.clone()], vec![])
                .position = 2;
            c.add("one position", Op::TimeMax { span: Span::Window(1) }, vec![rows[..1].to_vec()], vec![]);
            c.add("all positions", Op::TimeMax { span: Span::All }, vec![rows], vec![]);
        }
        "mix" => {
            let op = |heads, kv_heads, shift| Op::Mix { heads, kv_heads, shift };
            let single = vec![
                one(&[MAX]),
                one(&[MAX]),
                vec![list(&[1, -1, 32_767, -32_767])],
                vec![list(&[0])],
                one(&[0]),
            ];
            c.add("one position", op(1, 1, 46), single.clone(), vec![]);
            c.add("one position, finer", op(1, 1, 36), single.clone(), vec![]);
            c.add("saturation at both ends", op(1, 1, 10), single, vec![]);
            let zeros = vec![
                one(&[MAX, MAX]),
                one(&[2 * MAX]),
                vec![list(&[0, 0]); 2],
                vec![list(&[-15]); 2],
                one(&[-15]),
            ];
            c.add("zeros", op(1, 1, 40), zeros, vec![]).row_groups = 1;
            let weights = [MAX, 1 << 30, 1000, MAX, 7, 0];
            let totals = [MAX + (1 << 30) + 1000, MAX + 7];
            let values = vec![list(&[5, -5]), list(&[32_767, -32_767]), list(&[-1, 1])];
            let shared = vec![
                one(&weights),
                one(&totals),
                values.clone(),
                [3, -15, 17].map(|e| list(&[e])).to_vec(),
                one(&[17]),
            ];
            c.add("2 heads share a value, exponents far apart", op(2, 1, 40), shared, vec![]).row_groups = 2;
            let own = vec![
                one(&weights),
                one(&totals),
                values,
                vec![list(&[-3, 0]), list(&[0, -3]), list(&[-40, 1])],
                one(&[0, 1]),
            ];
            let v = c.add("negative exponents", op(2, 2, 38), own, vec![]);
            v.row_groups = 2;
            for x in [32_767, -32_767] {
                // The widest mix, of 2^17 positions, would be too long as a file; tests/bounds.rs has it.
                let equal = vec![
                    run(MAX, 64),
                    one(&[MAX << 6]),
                    vec![list(&[x]); 64],
                    vec![list(&[0]); 64],
                    one(&[0]),
                ];
                c.add(&format!("64 equal weights of {x}"), op(1, 1, 40), equal, vec![]).position = 63;
            }
            let low = vec![one(&[5]), one(&[5]), vec![list(&[1])], vec![list(&[0])], one(&[0])];
            c.add("a sum below its bound", op(1, 1, 46), low, vec![]);
        }
        _ => {
            let rows = vec![list(&[1, -1, MAX, MIN, 3]), list(&[2, -2, MAX, MIN, -3])];
            c.add("ties of both signs", Op::Pool {}, vec![rows.clone()], vec![]);
            c.add("one position", Op::Pool {}, vec![rows[..1].to_vec()], vec![]);
            c.add("thirds", Op::Pool {}, vec![vec![list(&[1, -1]), list(&[0, 0]), list(&[1, -1])]], vec![]);
        }
    }
}

/// Distances of 12 entries: the maximum twice, equal lower bins, far ones.
const DISTANCES: [i64; 12] =
    [0, 7, 8, 16_383, 16_384, 16_391, 0, 1 << 20, 5 << 20, (31 << 20) - 1, (1 << 25) - 1, 300];

fn sampling(c: &mut Cases, stem: &str) {
    let weights: Vec<i64> = DISTANCES.iter().map(|d| MAX >> (d >> 20).min(31)).collect();
    let mut upper = vec![0; 2048];
    upper[0] = 5;
    upper[1] = 2;
    upper[2047] = 3;
    let sums = |h: &[i64]| {
        h.iter()
            .scan(0, |acc, x| {
                *acc += x;
                Some(*acc)
            })
            .collect::<Vec<i64>>()
    };
    match stem {
        "argmax" => {
            c.add("ties go to the lowest", Op::Argmax {}, vec![one(&[MIN, 5, 7, 7, 5])], vec![]);
            c.add("all equal", Op::Argmax {}, vec![run(MIN, 5)], vec![]);
            c.add("one entry", Op::Argmax {}, vec![one(&[-1])], vec![]);
            c.add("the last", Op::Argmax {}, vec![one(&AWKWARD[..15])], vec![]);
        }
        "distance" => {
            for (temperature, shift) in [
                (TEMPERATURE_MIN, 16),
                (65_536, 8),
                (TEMPERATURE_MAX, 16),
                (65_536, -4),
                (65_536, 62),
                (45_875, 12),
            ] {
                let inputs = vec![one(&AWKWARD), one(&[MAX])];
                let v = c.add(
                    &format!("temperature {temperature}, shift {shift}"),
                    Op::Distance { shift },
                    inputs,
                    vec![],
                );
                v.sampling.temperature = temperature;
            }
            let op = Op::Distance { shift: 16 };
            c.add("above the maximum", op, vec![one(&[6, 5, 4]), one(&[5])], vec![]);
            c.add("no temperature", op, vec![one(&[1]), one(&[1])], vec![]).sampling.temperature = 0;
            c.add("too cold", op, vec![one(&[1]), one(&[1])], vec![]).sampling.temperature =
                TEMPERATURE_MIN - 1;
            c.add("too hot", op, vec![one(&[1]), one(&[1])], vec![]).sampling.temperature =
                TEMPERATURE_MAX + 1;
        }
        "hist" => {
            let (d, w) = (one(&DISTANCES), one(&weights));
            c.add("counts, upper", Op::Hist { level: 0, mass: 0 }, vec![d.clone()], vec![]);
            c.add("masses, upper", Op::Hist { level: 0, mass: 1 }, vec![d.clone(), w.clone()], vec![]);
            for bin in [0, 1, 2, 2047] {
                let lower = Op::Hist { level: 1, mass: 0 };
                c.add(&format!("counts, lower of {bin}"), lower, vec![d.clone(), one(&[bin])], vec![]);
                let lower = Op::Hist { level: 1, mass: 1 };
                c.add(
                    &format!("masses, lower of {bin}"),
                    lower,
                    vec![d.clone(), w.clone(), one(&[bin])],
                    vec![],
                );
            }
            c.add(
                "the largest mass",
                Op::Hist { level: 0, mass: 1 },
                vec![run(0, 1 << 20), run(MAX, 1 << 20)],
                vec![],
            );
        }
        "cumsum" => {
            c.add("bins", Op::CumSum {}, vec![one(&upper)], vec![]);
            c.add("zeros", Op::CumSum {}, vec![run(0, 3)], vec![]);
            c.add("one element", Op::CumSum {}, vec![one(&[9])], vec![]);
            c.add("the largest sum", Op::CumSum {}, vec![run(MAX << 20, 2048)], vec![]);
        }
        "crossing" => {
            let s = one(&sums(&upper));
            let op = |target| Op::Crossing { target };
            for k in [0, 1, 5, 6, 7, 8, 10, 11, u32::MAX] {
                c.add(&format!("top-k of {k}"), op(Target::TopK), vec![s.clone()], vec![]).sampling.top_k = k;
            }
            let mut lower = vec![0; 2048];
            lower[0] = 2;
            lower[2046] = 3;
            for (k, bin) in [(0, 2047), (1, 0), (3, 0), (5, 0), (6, 1), (8, 2047)] {
                let inputs = vec![one(&sums(&lower)), s.clone(), one(&[bin])];
                c.add(&format!("rest of top-k of {k} in {bin}"), op(Target::TopKRest), inputs, vec![])
                    .sampling
                    .top_k = k;
            }
            for p in [1, 6553, 6554, 32_768, 32_769, 45_876, 65_535, 65_536] {
                c.add(&format!("top-p of {p}"), op(Target::TopP), vec![s.clone()], vec![]).sampling.top_p = p;
                let inputs = vec![one(&sums(&lower)), s.clone(), one(&[1])];
                c.add(&format!("rest of top-p of {p} in 1"), op(Target::TopPRest), inputs, vec![])
                    .sampling
                    .top_p = p;
            }
            let large = one(&[(1 << 61) + 12_345, (1 << 62) - 1, 1 << 62]);
            for p in [1, 32_769, 65_535, 65_536] {
                c.add(
                    &format!("top-p of {p} of the largest mass"),
                    op(Target::TopP),
                    vec![large.clone()],
                    vec![],
                )
                .sampling
                .top_p = p;
            }
            for u in [0, 4, 5, 9, 10] {
                c.add(
                    &format!("draw of {u}"),
                    op(Target::Draw),
                    vec![one(&[0, 5, 5, 10]), one(&[u])],
                    vec![],
                );
            }
            c.add("no mass", op(Target::TopP), vec![run(0, 4)], vec![]);
        }
        "weigh" => {
            for (upper, lower) in [(0, 0), (0, 1), (0, 2047), (1, 0), (1, 1), (2047, 2047)] {
                let inputs = vec![one(&DISTANCES), one(&[upper]), one(&[lower])];
                c.add(&format!("up to {upper} and {lower}"), Op::Weigh {}, inputs, exp2());
                // One table is enough to show the look-ups.
                if c.0.len() > 1 {
                    c.0.last_mut().unwrap().constants = vec![(
                        I32,
                        1,
                        4096,
                        vec![Item::Seed { seed: 11, count: 4096, low: 1 << 30, high: MAX }],
                    )];
                }
            }
        }
        "keep" => {
            for (upper, lower) in [(0, 0), (1, 1), (2047, 2047)] {
                for min_p in [0, 1, 2048, 32_768, 65_536] {
                    let inputs = vec![one(&DISTANCES), one(&weights), one(&[upper]), one(&[lower])];
                    c.add(
                        &format!("up to {upper} and {lower}, min-p {min_p}"),
                        Op::Keep {},
                        inputs,
                        vec![],
                    )
                    .sampling
                    .min_p = min_p;
                }
            }
        }
        "blocksum" => {
            for block in [1, 5, 12, 1024] {
                c.add(&format!("blocks of {block}"), Op::BlockSum { block }, vec![one(&weights)], vec![]);
            }
            c.add("the largest sum", Op::BlockSum { block: 1024 }, vec![run(MAX, 2500)], vec![]);
        }
        "draw" => {
            for mass in [1, 2, 10, MAX, (1 << 51) - 7, 1 << 62, 0] {
                for position in [0, 1, 131_071] {
                    c.add(
                        &format!("below {mass} at {position}"),
                        Op::Draw {},
                        vec![one(&[0, mass])],
                        vec![],
                    )
                    .position = position;
                }
            }
            let v = c.add("another seed", Op::Draw {}, vec![one(&[1 << 40])], vec![]);
            v.sampling.seed = std::array::from_fn(|i| i as u8);
        }
        "pick" => {
            let kept = [0, 5, 0, 3, 0, 0, 2, 0, 1, 0];
            let sums = [5, 8, 8, 11, 11];
            for (block, draw) in [(0, 0), (0, 4), (1, 5), (1, 7), (3, 8), (3, 10), (4, 10), (2, 9)] {
                let inputs = vec![one(&kept), one(&sums), one(&[block]), one(&[draw])];
                c.add(&format!("draw {draw} in block {block}"), Op::Pick { block: 2 }, inputs, vec![]);
            }
            let short = vec![one(&kept), one(&[8, 11, 11]), one(&[2]), one(&[10])];
            c.add("the last block is shorter", Op::Pick { block: 4 }, short, vec![]);
            let outside = vec![one(&kept), one(&[8, 11, 11]), one(&[3]), one(&[10])];
            c.add("no such block", Op::Pick { block: 4 }, outside, vec![]);
        }
        other => panic!("no vectors for {other}"),
    }
}
