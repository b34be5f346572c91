//! The integers of sampling draw from the distribution that floats mean: temperature, then the k likeliest, then the
//! likeliest that reach the share p of what is left, then all that is at least min-p of the likeliest.

mod support;

use std::collections::HashMap;
use std::sync::LazyLock;

use executor::check::float::FloatModel;
use executor::engine::{Emission, Engine, Feed, SequenceId, Tap};
use executor::import::architecture;
use executor::import::gguf;
use executor::import::lower::Options;
use executor::import::run::import;
use executor::import::source::Architecture;
use executor::import::weights::Precision;
use executor::kernels::{Operands, Sampling, TEMPERATURE_MIN, apply};
use executor::model::Model;
use executor::native::Native;
use executor::program::op::{Op, Range, Target};
use executor::program::{NodeId, Output};
use executor::tokenizer::Tokenizer;
use support::models::model_source;
use support::random::Random;
use support::tiny::{self, Shape};

/// Entries of SmolLM2's vocabulary.
const VOCABULARY: usize = 49_152;
const DRAWS: usize = 20_000;
const DISTANCE_MAX: f64 = 1e-4;

/// The sampling nodes of a small model, run by the reference kernels on any logits.
struct Chain {
    model: Model,
    logits: NodeId,
    fraction: i32,
}

type Values = HashMap<NodeId, Vec<i64>>;

impl Chain {
    fn new(vocabulary: usize) -> Self {
        let shape = Shape {
            width: 16,
            heads: 2,
            kv_heads: 1,
            head_dim: 8,
            ffn: 16,
            layers: 1,
            vocabulary,
            ..Shape::default()
        };
        let source = tiny::model(Architecture::Llama, 3, shape);
        let engine = |m: Model| Ok(Box::new(Native::new(&m, 1, None).unwrap()) as Box<dyn Engine>);
        let options = Options { precision: Precision::W8, kv_bits: 16 };
        let model = Model::from_bytes(&import(&source, options, &engine, &mut |_| {}).unwrap()).unwrap();
        let last = model.steps().last().unwrap();
        let (logits, fraction) = (NodeId(last.node), last.fraction);
        Self { model, logits, fraction }
    }

    fn fixed(&self, logits: &[f64]) -> Vec<i64> {
        logits.iter().map(|x| (x * f64::from(self.fraction).exp2()).round() as i64).collect()
    }

    fn real(&self, logits: &[i64]) -> Vec<f64> {
        logits.iter().map(|x| *x as f64 * f64::from(-self.fraction).exp2()).collect()
    }

    fn node(&self, is: impl Fn(&Op) -> bool) -> NodeId {
        NodeId(self.model.program().nodes.iter().position(|n| is(&n.op)).unwrap() as u32)
    }

    fn evaluate(&self, node: NodeId, values: &Values, sampling: &Sampling, position: u32) -> Vec<i64> {
        let n = &self.model.program().nodes[node.index()];
        let operands = Operands {
            inputs: n.inputs.iter().map(|x| vec![values[x].as_slice()]).collect(),
            constants: n.constants.iter().map(|c| self.model.constant(*c).unwrap()).collect(),
            token: 0,
            position,
            row_groups: 1,
            sampling,
        };
        apply(&n.op, &operands).unwrap()
    }

    /// All nodes after the logits.
    fn run(&self, logits: &[i64], sampling: &Sampling) -> Values {
        let mut values = HashMap::from([(self.logits, logits.to_vec())]);
        let nodes = &self.model.program().nodes;
        for (node, id) in nodes.iter().zip((0..).map(NodeId)).skip(self.logits.index() + 1) {
            if node.range != Range::Sampled || !sampling.is_greedy() {
                let row = self.evaluate(id, &values, sampling, 0);
                values.insert(id, row);
            }
        }
        values
    }

    fn greedy(&self, logits: &[i64]) -> usize {
        let Output::Tokens { greedy, .. } = self.model.program().interface.output else {
            panic!("no tokens")
        };
        self.run(logits, &Sampling::GREEDY)[&greedy][0] as usize
    }

    /// The exact probabilities from which a token is drawn.
    fn distribution(&self, logits: &[i64], sampling: &Sampling) -> Vec<f64> {
        let kept = &self.run(logits, sampling)[&self.node(|op| matches!(op, Op::Keep {}))];
        normalised(kept.iter().map(|w| *w as f64).collect())
    }
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}

fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let max = logits.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
    normalised(logits.iter().map(|x| ((x - max) / temperature).exp()).collect())
}

/// Which entries floats keep. With `slack` 1 or -1 every threshold is moved out or in by what the integers may be off:
/// entries less than 10^-5 doublings apart are one entry, masses and weights have four digits.
fn kept(p: &[f64], s: &Sampling, slack: f64) -> Vec<bool> {
    const NEAR: f64 = 1e-5;
    const SHARE: f64 = 2e-4;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]).then(a.cmp(b)));
    let k = if s.top_k == 0 { p.len() } else { p.len().min(s.top_k as usize) };
    // Moved in, the k likeliest are those that no later entry is near to.
    let next = if slack < 0.0 {
        p.get(*order.get(k).unwrap_or(&usize::MAX)).copied().unwrap_or(0.0)
    } else {
        p[order[k - 1]]
    };
    let least = next * (-slack * NEAR).exp2();
    order.truncate(
        order.iter().enumerate().take_while(|(r, i)| *r < k || (slack > 0.0 && p[**i] >= least)).count(),
    );
    order.retain(|i| slack >= 0.0 || s.top_k == 0 || p[*i] >= least);
    let mass: f64 = order.iter().map(|i| p[*i]).sum();
    let target = (f64::from(s.top_p) / 65_536.0 + slack * SHARE) * mass;
    let floor = f64::from(s.min_p) / 65_536.0 * p[order[0]] * (1.0 - slack * SHARE);
    let (mut before, mut border) = (0.0, f64::INFINITY);
    let mut out = vec![false; p.len()];
    for (rank, i) in order.into_iter().enumerate() {
        // Entries that are one with the last that is needed come with it. The likeliest is always kept.
        let needed = rank == 0 || s.top_p == 65_536 || before < target;
        let near = slack > 0.0 && p[i] >= border * (-NEAR).exp2();
        if !(needed || near) || (rank > 0 && p[i] < floor) {
            break;
        }
        if needed {
            border = p[i];
        }
        before += p[i];
        out[i] = true;
    }
    out
}

fn sampling(temperature: f64, top_k: u32, top_p: f64, min_p: f64) -> Sampling {
    let units = |x: f64| (x * 65_536.0).round() as u32;
    let temperature = units(temperature).max(TEMPERATURE_MIN);
    Sampling { temperature, top_k, top_p: units(top_p), min_p: units(min_p), seed: [0; 32] }
}

/// What people ask for, and both ends of every range.
fn requests() -> Vec<Sampling> {
    [
        (1.0, 0, 1.0, 0.0),
        (0.7, 40, 1.0, 0.0),
        (1.3, 0, 0.9, 0.0),
        (1.0, 0, 1.0, 0.05),
        (0.8, 50, 0.95, 0.0),
        (1.5, 200, 0.8, 0.02),
        (0.01, 0, 1.0, 0.0),
        (100.0, 0, 1.0, 0.0),
        (100.0, 1000, 0.5, 0.0),
        (1.0, 1, 1.0, 0.0),
        (1.0, 0, 0.0001, 0.0),
        (1.0, 100_000, 1.0, 1.0),
    ]
    .map(|(t, k, p, m)| sampling(t, k, p, m))
    .to_vec()
}

/// Rows of logits: bell-shaped, nearly certain, nearly even, with long tails, and one of SmolLM2.
fn rows() -> Vec<(&'static str, Vec<f64>)> {
    let row = |name, f: &dyn Fn(usize, f64) -> f64| {
        let mut random = Random::named(11, name);
        (name, (0..VOCABULARY).map(|i| f(i, random.normal().into())).collect::<Vec<f64>>())
    };
    vec![
        row("bell", &|_, x| 3.0 * x),
        row("certain", &|i, x| x + if i == 31_337 { 25.0 } else { 0.0 }),
        row("even", &|_, x| 0.01 * x),
        row("tails", &|_, x| 4.0 * x * x.abs()),
        ("SmolLM2", real_row()),
    ]
}

/// SmolLM2's logits after a few words.
fn real_row() -> Vec<f64> {
    static ROW: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let source = gguf::open(&model_source("smollm2")).unwrap();
        let graph = architecture::graph(&source.config, &*source.tensors);
        let float = FloatModel::new(&graph, &source.config, &*source.tensors).unwrap();
        let tokenizer = Tokenizer::of_model(&source.tokenizer_json, false, &source.special_tokens).unwrap();
        let tokens = tokenizer.encode("The best thing about an old clock is that it", false).unwrap();
        let logits = float.forward(&tokens, &mut |_, _| {}).unwrap();
        logits[(tokens.len() - 1) * VOCABULARY..].iter().map(|x| f64::from(*x)).collect()
    });
    ROW.clone()
}

/// Half the sum of all differences.
fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}

/// Chi-square of counts against probabilities, and its degrees of freedom. Rare entries count together with their
/// neighbours, and what is rare even so counts together.
fn chi_square(counts: &[usize], p: &[f64]) -> (f64, f64) {
    const NEIGHBOURS: usize = 512;
    let draws = counts.iter().sum::<usize>() as f64;
    let cells: Vec<(f64, f64)> = counts.iter().zip(p).map(|(count, p)| (*count as f64, p * draws)).collect();
    let often = |cell: &&(f64, f64)| cell.1 >= 10.0;
    let sum =
        |cells: Vec<&(f64, f64)>| cells.into_iter().fold((0.0, 0.0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
    let rare = |part: &[(f64, f64)]| sum(part.iter().filter(|c| !often(c)).collect());
    let groups: Vec<(f64, f64)> = cells.chunks(NEIGHBOURS).map(rare).collect();
    let rest = sum(groups.iter().filter(|c| !often(c)).collect());
    let alone = if rest.1 >= 10.0 { Some(&rest) } else { None };
    assert!(alone.is_some() || rest.0 <= rest.1 + 10.0, "{} draws where {} are due", rest.0, rest.1);
    let terms =
        cells.iter().chain(&groups).filter(often).chain(alone).map(|(n, due)| (n - due).powi(2) / due);
    let (chi, count) = terms.fold((0.0, 0.0), |(chi, count), term| (chi + term, count + 1.0));
    (chi, (count - 1.0_f64).max(0.0))
}

/// Four standard deviations above what is expected; the seeds are fixed, so a pass stays a pass.
fn assert_fits(name: &str, counts: &[usize], p: &[f64]) {
    let (chi, freedom) = chi_square(counts, p);
    println!("{name}: chi-square {chi:.1} with {freedom} degrees of freedom");
    assert!(chi <= freedom + 4.0 * (2.0 * freedom).sqrt() + 1e-6, "{name}: {chi} with {freedom}");
}

#[test]
fn exact_probabilities_are_those_of_floats() {
    let chain = Chain::new(VOCABULARY);
    let (mut compared, mut ties) = (0, 0);
    for (name, row) in rows() {
        let fixed = chain.fixed(&row);
        let real = chain.real(&fixed);
        for request in requests() {
            let Sampling { temperature, top_k, top_p, min_p, .. } = request;
            let case = format!("{name}, T {temperature} k {top_k} p {top_p} min-p {min_p}");
            let integer = chain.distribution(&fixed, &request);
            let p = softmax(&real, f64::from(temperature) / 65_536.0);
            let (inner, outer) = (kept(&p, &request, -1.0), kept(&p, &request, 1.0));
            for i in 0..p.len() {
                // A weight below 2^-31 of the likeliest one is zero.
                let certain = inner[i] && p[i] > 1e-9 * p.iter().fold(0.0_f64, |m, x| m.max(*x));
                assert!(integer[i] == 0.0 || outer[i], "{case}: {i} is kept");
                assert!(integer[i] > 0.0 || !certain, "{case}: {i} is not kept");
            }
            // Without a tie at a threshold the set is the floats' own; with one, it is the integers' choice.
            let tied = inner != outer;
            let set = if tied { integer.iter().map(|w| *w > 0.0).collect() } else { kept(&p, &request, 0.0) };
            let float =
                normalised(p.iter().zip(&set).map(|(p, kept)| if *kept { *p } else { 0.0 }).collect());
            let distance = total_variation(&integer, &float);
            println!(
                "{distance:.1e} over {} entries{} {case}",
                set.iter().filter(|k| **k).count(),
                if tied { ", tied" } else { "" }
            );
            assert!(distance <= DISTANCE_MAX, "{case}: {distance}");
            compared += 1;
            ties += usize::from(tied);
        }
    }
    println!("{compared} distributions, {ties} of them with entries too near to a threshold to tell");
    assert!(2 * ties < compared);
}

#[test]
fn draws_follow_the_probabilities() {
    let chain = Chain::new(VOCABULARY);
    let parts = [
        chain.node(|op| matches!(op, Op::Draw {})),
        chain.node(|op| matches!(op, Op::Crossing { target: Target::Draw })),
        chain.node(|op| matches!(op, Op::Pick { .. })),
    ];
    for (name, row) in rows() {
        let fixed = chain.fixed(&row);
        let real = chain.real(&fixed);
        for request in [sampling(1.0, 0, 1.0, 0.0), sampling(0.8, 50, 0.95, 0.0)] {
            let mut values = chain.run(&fixed, &request);
            let mut counts = vec![0; VOCABULARY];
            for draw in 0..DRAWS as u32 {
                // Half of the draws differ by their seed, half by their position.
                let mut seed = [7; 32];
                seed[..4].copy_from_slice(&(draw / 2).to_be_bytes());
                for node in parts {
                    let value = chain.evaluate(node, &values, &Sampling { seed, ..request }, draw % 2);
                    values.insert(node, value);
                }
                counts[values[&parts[2]][0] as usize] += 1;
            }
            let p = softmax(&real, f64::from(request.temperature) / 65_536.0);
            let set = kept(&p, &request, 0.0);
            let p = normalised(p.iter().zip(set).map(|(p, kept)| if kept { *p } else { 0.0 }).collect());
            assert_fits(&format!("{name} top-k {}", request.top_k), &counts, &p);
        }
    }
}

struct Logits(NodeId, Vec<i64>);

impl Tap for Logits {
    fn wants(&self, node: NodeId) -> bool {
        node == self.0
    }

    fn row(&mut self, _: SequenceId, _: NodeId, _: u32, values: &[i64]) {
        self.1 = values.to_vec();
    }
}

#[test]
fn native_draws_follow_the_probabilities_and_repeat() {
    let chain = Chain::new(288);
    let mut engine = Native::new(&chain.model, 1, None).unwrap();
    let prompt = [5, 17, 100];
    let outputs_from = prompt.len() as u32 - 1;
    let mut draw = |sampling: Sampling, tap: Option<&mut dyn Tap>| {
        let sequence = engine.open(sampling).unwrap();
        let emissions = engine.step(&[Feed { sequence, tokens: &prompt, outputs_from }], tap).unwrap();
        engine.close(sequence);
        let [Emission::Token(token)] = emissions.concat()[..] else { panic!("one token") };
        token as usize
    };
    let mut logits = Logits(chain.logits, Vec::new());
    let likeliest = draw(Sampling::GREEDY, Some(&mut logits));
    let p = softmax(&chain.real(&logits.1), 0.7);
    let top = (0..p.len()).rev().max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
    assert_eq!(likeliest, top);
    let request = sampling(0.7, 0, 1.0, 0.0);
    let seeded = |i: u32| Sampling { seed: std::array::from_fn(|at| i.to_be_bytes()[at % 4]), ..request };
    let tokens: Vec<usize> = (0..DRAWS as u32).map(|i| draw(seeded(i), None)).collect();
    let mut counts = vec![0; p.len()];
    tokens.iter().for_each(|t| counts[*t] += 1);
    let p = softmax(&chain.real(&logits.1), f64::from(request.temperature) / 65_536.0);
    assert_fits("native", &counts, &p);
    for i in 0..100 {
        assert_eq!(draw(seeded(i), None), tokens[i as usize], "seed {i}");
    }
}

#[test]
fn greedy_is_the_first_of_the_largest() {
    let chain = Chain::new(288);
    let mut random = Random::new(5);
    for _ in 0..200 {
        let row: Vec<i64> = (0..288).map(|_| random.below(40) as i64 - 20).collect();
        let top = row.iter().max().unwrap();
        let first = row.iter().position(|x| x == top).unwrap();
        assert_eq!(chain.greedy(&row), first);
        // Sampling leaves the tied ones alone in the race: each can win, none other.
        let cold = chain.distribution(
            &row.iter().map(|x| x << chain.fraction).collect::<Vec<_>>(),
            &sampling(0.01, 1, 1.0, 0.0),
        );
        assert!(cold.iter().zip(&row).all(|(p, x)| (*p > 0.0) == (x == top)));
    }
    assert_eq!(chain.greedy(&[0; 288]), 0);
}
