//! What every back end offers: sequences that are fed tokens and give outputs, bit for bit the same.

use crate::kernels::Sampling;
use crate::numerics::OutOfDomain;
use crate::program::op::Range;
use crate::program::{NodeId, Output, Program};

/// Handle of an open sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub usize);

/// Tokens for one sequence. A sequence appears at most once in a step.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Which sequence.
    pub sequence: SequenceId,
    /// The next tokens. A program that sees all positions (an encoder) takes its whole sequence in one feed.
    pub tokens: &'a [u32],
    /// First position whose output is wanted; from there on every position of the feed gives one.
    pub outputs_from: u32,
}

/// What a position gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emission {
    /// The token after it.
    Token(u32),
    /// The vector over the whole sequence, as Fixed.
    Vector(Vec<i32>),
}

/// Receives the values of nodes while they are computed.
pub trait Tap: Send {
    /// Is the node's value wanted.
    fn wants(&self, node: NodeId) -> bool;
    /// One row. Rows come in any order.
    fn row(&mut self, sequence: SequenceId, node: NodeId, position: u32, values: &[i64]);
}

/// A row as a back end holds it, whatever its elements are stored as.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Mantissas.
    I16(&'a [i16]),
    /// Fixed, exponents, indices.
    I32(&'a [i32]),
    /// Sums, or anything.
    I64(&'a [i64]),
}

/// Receives the rows of one sequence from several threads at once: a tap for whole traces.
pub trait Recorder: Sync {
    /// Are the node's values wanted.
    fn wants(&self, node: NodeId) -> bool;
    /// One row. A thread's rows of a node mostly follow each other; threads have numbers from 0.
    fn row(&self, thread: usize, node: NodeId, position: u32, values: Values<'_>);
    /// The thread gives no more rows for now.
    fn flush(&self, thread: usize);
}

/// A tap that hands everything on to a recorder.
struct Recording<'a>(&'a dyn Recorder);

impl Tap for Recording<'_> {
    fn wants(&self, node: NodeId) -> bool {
        self.0.wants(node)
    }

    fn row(&mut self, _: SequenceId, node: NodeId, position: u32, values: &[i64]) {
        self.0.row(0, node, position, Values::I64(values));
    }
}

/// Why a step was not run. The sequences are as they were before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No such sequence is open.
    #[error("no sequence {0} is open")]
    Sequence(usize),
    /// A sequence would grow beyond the context.
    #[error(
        "{positions} positions are more than the model's context of {context}: shorten the prompt or the output"
    )]
    Context {
        /// Wanted.
        positions: u64,
        /// Limit.
        context: u32,
    },
    /// A token that the model does not have.
    #[error("token {token} is outside of the vocabulary of {vocabulary}")]
    Token {
        /// The token.
        token: u32,
        /// Entries.
        vocabulary: u32,
    },
    /// A sampling value outside of its range.
    #[error(
        "sampling values are out of range: temperature 0 or 0.01 to 100, top-p in (0, 1], min-p in [0, 1]"
    )]
    Sampling,
    /// An encoder's sequence was fed in parts, or a feed was empty.
    #[error("{0}")]
    Feed(&'static str),
    /// Arithmetic left its bounds: the artefact is corrupted.
    #[error(transparent)]
    Arithmetic(#[from] OutOfDomain),
    /// A back end failed its self-test or cannot run here.
    #[error("this back end cannot be used: {0}")]
    Backend(String),
}

/// A back end with its sequences.
pub trait Engine: Send {
    /// Opens an empty sequence.
    fn open(&mut self, sampling: Sampling) -> Result<SequenceId, EngineError>;
    /// Forgets a sequence.
    fn close(&mut self, sequence: SequenceId);
    /// Feeds several sequences at once. Gives for each feed the emissions of its positions from `outputs_from` on.
    fn step(
        &mut self,
        feeds: &[Feed<'_>],
        tap: Option<&mut dyn Tap>,
    ) -> Result<Vec<Vec<Emission>>, EngineError>;
    /// Feeds one sequence and shows its rows.
    fn record(&mut self, feed: &Feed<'_>, recorder: &dyn Recorder) -> Result<Vec<Emission>, EngineError> {
        let emissions = self.step(std::slice::from_ref(feed), Some(&mut Recording(recorder)))?;
        recorder.flush(0);
        Ok(emissions.concat())
    }
    /// Threads that may give rows to a recorder.
    fn threads(&self) -> usize {
        1
    }
    /// The program that it runs.
    fn program(&self) -> &Program;
}

/// Checks a feed against the program; `length` is the sequence's present length.
pub(crate) fn check_feed(program: &Program, feed: &Feed<'_>, length: usize) -> Result<(), EngineError> {
    let face = &program.interface;
    let positions = (length as u64).saturating_add(feed.tokens.len() as u64);
    if feed.tokens.is_empty() {
        return Err(EngineError::Feed("a feed needs at least one token"));
    }
    if length > 0 && !(program.is_causal() && matches!(face.output, Output::Tokens { .. })) {
        return Err(EngineError::Feed("this model takes a whole sequence at once"));
    }
    if positions > face.context.into() {
        return Err(EngineError::Context { positions, context: face.context });
    }
    match feed.tokens.iter().find(|t| **t >= face.vocabulary) {
        Some(token) => Err(EngineError::Token { token: *token, vocabulary: face.vocabulary }),
        None => Ok(()),
    }
}

/// Has a node of `range` a value at `position`, `last` being the feed's last one.
pub(crate) fn has_value(
    range: Range,
    position: u32,
    outputs_from: u32,
    last: u32,
    sampling: &Sampling,
) -> bool {
    match range {
        Range::All => true,
        Range::Outputs => position >= outputs_from,
        Range::Sampled => position >= outputs_from && !sampling.is_greedy(),
        Range::Last => position == last,
    }
}

/// The node whose value is a request's output.
pub(crate) fn output_node(output: Output, sampling: &Sampling) -> NodeId {
    match output {
        Output::Tokens { greedy, .. } if sampling.is_greedy() => greedy,
        Output::Tokens { sampled, .. } => sampled,
        Output::Vector { node, .. } => node,
    }
}
