//! `model check`: a model's source and its integer program, side by side on the same tokens.
//!
//! The float side runs a window first and its values are kept; the integer side then shows every row while it is
//! computed, and no more than its logits are kept. Memory is that of one window, however long the text is.

use std::thread;

use serde::Serialize;

use super::FloatSide;
use super::metrics::{Headroom, LanguageScore, StepError, cosine};
use super::ranking;
use crate::engine::{Emission, Engine, EngineError, Feed, SequenceId, Tap};
use crate::import::error::ImportError;
use crate::import::graph::{Fill, Graph, Head, Operation};
use crate::import::source::SourceModel;
use crate::kernels::Sampling;
use crate::model::Model;
use crate::program::NodeId;
use crate::program::op::Op;

/// A check that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The source cannot be evaluated.
    #[error(transparent)]
    Source(#[from] ImportError),
    /// The back end refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Source and artefact are not the same model.
    #[error(
        "the artefact was imported from another source ({0}): give the file or folder that it was made from"
    )]
    OtherSource(String),
    /// There is nothing to compare.
    #[error("{0}")]
    Request(&'static str),
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Tokens that went through both sides.
    pub tokens: usize,
    /// Of a model that gives tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<LanguageReport>,
    /// Of a model that gives vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingReport>,
    /// Integers that were cut off at either end of their range, in all steps.
    pub saturated: u64,
    /// Doublings that still fit where there are the fewest.
    pub headroom_bits: u32,
    /// The step where that is.
    pub headroom_step: String,
    /// The step with the largest relative error.
    pub worst_step: String,
    /// Every step, in order.
    pub steps: Vec<StepReport>,
}

/// How far the distributions over the next token are from each other.
#[derive(Clone, Debug, Serialize)]
pub struct LanguageReport {
    /// Tokens of a window.
    pub window: usize,
    /// Of the float side: e to the mean negative log-likelihood of the next token within its window.
    pub perplexity_float: f64,
    /// Of the integer side.
    pub perplexity_integer: f64,
    /// Mean KL(float, integer) over all positions, in nats.
    pub divergence_mean: f64,
    /// Largest KL of a position.
    pub divergence_max: f64,
    /// Share of the positions where both sides have the same most probable token.
    pub same_top_share: f64,
}

/// How far the vectors are from each other.
#[derive(Clone, Debug, Serialize)]
pub struct EmbeddingReport {
    /// Vectors compared.
    pub sentences: usize,
    /// Mean cosine of the angle between both sides' vectors of a sentence.
    pub cosine_mean: f64,
    /// The least of these.
    pub cosine_min: f64,
    /// All sentences make n (n - 1) / 2 pairs, each with a cosine similarity. Share of all couples of pairs whose
    /// similarities stand in the same order on both sides; no couple is left out as too near to tell.
    pub ranking_agreement: f64,
    /// Share of the sentences whose most similar other sentence is the same on both sides.
    pub same_nearest_share: f64,
}

/// One step of the graph.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// As in `layers.3.q`.
    pub name: String,
    /// |integer - float| / |float| over all values. It holds the errors of the steps before.
    pub relative_error: f64,
    /// Doublings that still fit, for the step's values and the saturating nodes on the way to them.
    pub headroom_bits: u32,
    /// Values at either end of their range, likewise.
    pub saturated: u64,
}

/// One integer program of a comparison.
pub struct Side<'a> {
    /// The artefact.
    pub model: &'a Model,
    /// A back end that runs it.
    pub engine: &'a mut dyn Engine,
}

/// Compares a decoder with its source on `tokens`, in windows of `window` tokens that know nothing of each other.
///
/// A model that begins its prompts with a token of its own (`Model::add_bos`) has the first token at the head of
/// every window. `progress` is told how many tokens are done and how many there are. The memory that it takes is one
/// window's float values at every step and both sides' logits.
pub fn language(
    source: &SourceModel,
    model: &Model,
    engine: &mut dyn Engine,
    tokens: &[u32],
    window: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, CheckError> {
    let mut reports = languages(source, &mut [Side { model, engine }], tokens, window, progress)?;
    reports.pop().ok_or(CheckError::Request("there is no model to compare"))
}

/// As [`language`], for several programs of one source: the float side runs once.
pub fn languages(
    source: &SourceModel,
    sides: &mut [Side<'_>],
    tokens: &[u32],
    window: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Report>, CheckError> {
    let graph = source.graph();
    let Head::Logits(head) = graph.head else {
        return Err(CheckError::Request("this model gives no tokens: compare its embeddings"));
    };
    if tokens.len() < 2 || window < 2 {
        return Err(CheckError::Request("a comparison needs a text and a window of at least two tokens"));
    }
    let window = window.min(source.config.context);
    let mut watches =
        sides.iter().map(|s| Watch::new(source, &graph, s.model)).collect::<Result<Vec<_>, _>>()?;
    let mut scores = vec![LanguageScore::default(); sides.len()];
    let float = FloatSide::new(&graph, &source.config, source.tensors.as_ref())?;
    let add_bos = sides.iter().any(|side| side.model.add_bos());
    let (mut done, total) = (0, tokens.len());
    while done < total {
        let mut fed = if add_bos && done > 0 { vec![tokens[0]] } else { Vec::new() };
        let fresh = &tokens[done..total.min(done + window - fed.len())];
        fed.extend(fresh);
        let mut values = vec![Vec::new(); graph.steps.len()];
        let logits = float.forward(&fed, &mut |step, row| {
            if step != head {
                values[step.0] = row.to_vec();
            }
        })?;
        values[head.0] = logits;
        for ((side, watch), score) in sides.iter_mut().zip(&mut watches).zip(&mut scores) {
            watch.begin(std::mem::take(&mut values), &fed);
            feed(side.engine, &fed, 0, watch)?;
            values = watch.end();
            let fraction = watch.fraction(head.0);
            score.merge(&compared(&fed, &values[head.0], &watch.logits, fraction));
        }
        done += fresh.len();
        progress(done, total);
    }
    let report = |(watch, score): (Watch, LanguageScore)| {
        let language = LanguageReport {
            window,
            perplexity_float: score.float_perplexity(),
            perplexity_integer: score.integer_perplexity(),
            divergence_mean: score.divergence_mean(),
            divergence_max: score.divergence_max(),
            same_top_share: score.same_top_share(),
        };
        Report { language: Some(language), ..watch.report(total) }
    };
    Ok(watches.into_iter().zip(scores).map(report).collect())
}

/// Compares an encoder with its source on `sentences`, each a whole sequence of tokens. `progress` is told how many
/// sentences are done and how many there are.
pub fn embeddings(
    source: &SourceModel,
    model: &Model,
    engine: &mut dyn Engine,
    sentences: &[Vec<u32>],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, CheckError> {
    let graph = source.graph();
    let Head::Vector(_) = graph.head else {
        return Err(CheckError::Request("this model gives no vectors: compare its language"));
    };
    if sentences.is_empty() {
        return Err(CheckError::Request("a comparison needs at least one sentence"));
    }
    let mut watch = Watch::new(source, &graph, model)?;
    let float = FloatSide::new(&graph, &source.config, source.tensors.as_ref())?;
    let (mut reals, mut integers, mut cosines) = (Vec::new(), Vec::new(), Vec::new());
    for (done, tokens) in sentences.iter().enumerate() {
        let mut values = vec![Vec::new(); graph.steps.len()];
        let real = float.forward(tokens, &mut |step, row| values[step.0] = row.to_vec())?;
        watch.begin(values, tokens);
        let last = (tokens.len() as u32).saturating_sub(1);
        let emissions = feed(engine, tokens, last, &mut watch)?;
        watch.end();
        let Some(Emission::Vector(integer)) = emissions.into_iter().next() else {
            return Err(CheckError::Request("the artefact gives no vectors"));
        };
        cosines.push(cosine(&real, &integer));
        reals.push(unit(real.into_iter().map(f64::from).collect()));
        integers.push(unit(integer.into_iter().map(f64::from).collect()));
        progress(done + 1, sentences.len());
    }
    let embedding = EmbeddingReport {
        sentences: sentences.len(),
        cosine_mean: cosines.iter().sum::<f64>() / cosines.len() as f64,
        cosine_min: cosines.iter().fold(f64::INFINITY, |least, c| least.min(*c)),
        ranking_agreement: ranking::agreement(&similarities(&reals), &similarities(&integers)),
        same_nearest_share: same_nearest_share(&reals, &integers),
    };
    let total = sentences.iter().map(Vec::len).sum();
    Ok(Report { embedding: Some(embedding), ..watch.report(total) })
}

/// One whole sequence through an engine.
fn feed(
    engine: &mut dyn Engine,
    tokens: &[u32],
    outputs_from: u32,
    watch: &mut Watch,
) -> Result<Vec<Emission>, EngineError> {
    let sequence = engine.open(Sampling::GREEDY)?;
    let emissions = engine.step(&[Feed { sequence, tokens, outputs_from }], Some(watch));
    engine.close(sequence);
    Ok(emissions?.concat())
}

/// The score of one window, its positions shared out among the processor's threads.
fn compared(tokens: &[u32], float: &[f32], integer: &[i32], fraction: i32) -> LanguageScore {
    let vocabulary = (float.len() / tokens.len().max(1)).max(1);
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let each = tokens.len().div_ceil(threads).max(1);
    let part = |first: usize| {
        let mut score = LanguageScore::default();
        for t in first..tokens.len().min(first + each) {
            let row = t * vocabulary..(t + 1) * vocabulary;
            score.add_row(tokens.get(t + 1).copied(), &float[row.clone()], &integer[row], fraction);
        }
        score
    };
    let mut whole = LanguageScore::default();
    thread::scope(|scope| {
        let parts: Vec<_> =
            (0..tokens.len()).step_by(each).map(|first| scope.spawn(move || part(first))).collect();
        for part in parts {
            match part.join() {
                Ok(score) => whole.merge(&score),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    whole
}

fn unit(mut x: Vec<f64>) -> Vec<f64> {
    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    x.iter_mut().for_each(|x| *x /= length);
    x
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Of every pair of vectors of length 1.
fn similarities(vectors: &[Vec<f64>]) -> Vec<f64> {
    let later = |(i, a): (usize, &Vec<f64>)| vectors[i + 1..].iter().map(|b| dot(a, b)).collect::<Vec<_>>();
    vectors.iter().enumerate().flat_map(later).collect()
}

fn same_nearest_share(reals: &[Vec<f64>], integers: &[Vec<f64>]) -> f64 {
    let nearest = |of: usize, all: &[Vec<f64>]| {
        (0..all.len())
            .filter(|i| *i != of)
            .max_by(|a, b| dot(&all[of], &all[*a]).total_cmp(&dot(&all[of], &all[*b])))
    };
    let same = (0..reals.len()).filter(|i| nearest(*i, reals) == nearest(*i, integers)).count();
    same as f64 / reals.len() as f64
}

/// Why a node is listened to.
#[derive(Clone, Copy)]
enum Role {
    /// It holds the value of a step.
    Value(usize),
    /// It is on the way to a step's value and may saturate.
    Inner(usize),
}

/// Compares every row of one program with the float side's.
struct Watch {
    roles: Vec<Option<Role>>,
    steps: Vec<Watched>,
    /// The step whose integers are kept.
    kept: Option<usize>,
    /// The float side of the window, a step each.
    float: Vec<Vec<f32>>,
    /// The kept integers of the window.
    logits: Vec<i32>,
    row: Vec<i32>,
}

struct Watched {
    name: String,
    width: usize,
    fraction: i32,
    /// Has it a value at the last position only.
    once: bool,
    /// Elements that hold the fill of a gather, less than any value, which is no value of the model.
    blank: Vec<usize>,
    error: StepError,
    headroom: Headroom,
}

impl Watch {
    /// Pairs the steps of source and artefact, which must be the same.
    fn new(source: &SourceModel, graph: &Graph, model: &Model) -> Result<Self, CheckError> {
        let labels = model.steps();
        if model.provenance().digest.0 != source.digest {
            return Err(CheckError::OtherSource(format!("it was made from {:?}", model.provenance().name)));
        }
        if labels.len() != graph.steps.len() {
            let (theirs, ours) = (labels.len(), graph.steps.len());
            return Err(CheckError::OtherSource(format!("it has {theirs} steps, the source {ours}")));
        }
        let program = model.program();
        let mut roles: Vec<Option<Role>> = vec![None; program.nodes.len()];
        let mut steps = Vec::with_capacity(labels.len());
        let mut first = 0;
        for (i, (label, step)) in labels.iter().zip(&graph.steps).enumerate() {
            let width = crate::program::Width::Fixed(step.width as u32);
            let node = label.node as usize;
            if label.name != step.name || model.infos().get(node).is_none_or(|info| info.width != width) {
                return Err(CheckError::OtherSource(format!("{} there is {} here", label.name, step.name)));
            }
            for (role, inner) in roles[first..node].iter_mut().zip(&program.nodes[first..node]) {
                if saturates(&inner.op) {
                    *role = Some(Role::Inner(i));
                }
            }
            roles[node] = Some(Role::Value(i));
            first = node + 1;
            steps.push(Watched {
                name: step.name.clone(),
                width: step.width,
                fraction: label.fraction,
                once: step.outputs_only && matches!(graph.head, Head::Vector(_)),
                blank: blank(&step.operation),
                error: StepError::default(),
                headroom: Headroom::default(),
            });
        }
        let kept = match graph.head {
            Head::Logits(x) => Some(x.0),
            Head::Vector(_) => None,
        };
        Ok(Self { roles, steps, kept, float: Vec::new(), logits: Vec::new(), row: Vec::new() })
    }

    fn fraction(&self, step: usize) -> i32 {
        self.steps[step].fraction
    }

    /// Takes the float side of a window.
    fn begin(&mut self, float: Vec<Vec<f32>>, tokens: &[u32]) {
        self.float = float;
        if let Some(kept) = self.kept {
            self.logits.resize(tokens.len() * self.steps[kept].width, 0);
        }
    }

    /// Gives it back.
    fn end(&mut self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.float)
    }

    /// What was found in the steps.
    fn report(self, tokens: usize) -> Report {
        let report = |step: Watched| StepReport {
            relative_error: step.error.relative(),
            headroom_bits: step.headroom.bits(),
            saturated: step.headroom.saturated(),
            name: step.name,
        };
        let steps: Vec<StepReport> = self.steps.into_iter().map(report).collect();
        let tight = steps.iter().min_by_key(|step| step.headroom_bits);
        let worst = steps.iter().max_by(|a, b| a.relative_error.total_cmp(&b.relative_error));
        let name = |step: Option<&StepReport>| step.map(|step| step.name.clone()).unwrap_or_default();
        Report {
            tokens,
            language: None,
            embedding: None,
            saturated: steps.iter().map(|step| step.saturated).sum(),
            headroom_bits: tight.map_or(31, |step| step.headroom_bits),
            headroom_step: name(tight),
            worst_step: name(worst),
            steps,
        }
    }
}

/// The elements of a step that stand for less than any value.
fn blank(operation: &Operation) -> Vec<usize> {
    match operation {
        Operation::Gather { map, fill: Fill::Lowest, .. } => (0..map.len()).filter(|i| map[*i] < 0).collect(),
        _ => Vec::new(),
    }
}

/// Can a value of the operation be cut off that is not a step's. Mantissas and distances are cut off on purpose.
fn saturates(op: &Op) -> bool {
    matches!(op, Op::Centre {} | Op::Rescale { .. } | Op::Lut { .. } | Op::Hadamard { .. } | Op::Score { .. })
}

impl Tap for Watch {
    fn wants(&self, node: NodeId) -> bool {
        self.roles.get(node.index()).is_some_and(Option::is_some)
    }

    fn row(&mut self, _: SequenceId, node: NodeId, position: u32, values: &[i64]) {
        let Some(role) = self.roles[node.index()] else { return };
        self.row.clear();
        // These nodes hold Fixed values, which are saturated to 32 bits.
        self.row.extend(values.iter().map(|x| crate::numerics::sat32(*x)));
        match role {
            Role::Inner(i) => self.steps[i].headroom.add(&self.row),
            Role::Value(i) => {
                let step = &mut self.steps[i];
                let at = if step.once { 0 } else { position as usize * step.width };
                let float = self.float[i].get_mut(at..at + step.width);
                // Zeros on both sides add nothing to what is told of a step.
                step.blank.iter().for_each(|blank| self.row[*blank] = 0);
                step.headroom.add(&self.row);
                let Some(float) = float else { return };
                step.blank.iter().for_each(|blank| float[*blank] = 0.0);
                step.error.add(float, &self.row, step.fraction);
                if self.kept == Some(i) {
                    self.logits[at..at + step.width].copy_from_slice(&self.row);
                }
            }
        }
    }
}
