//! A trace that is made by running the model, and made again where it is asked for: only roots and the upper levels
//! of the trees are held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use bisection::{Hash, tree};

use super::source::{Source, TraceError, Want};
use super::stream::{Chunks, Stream, lock};
use super::tree::{Growing, Kept, kept_height};
use super::{Subject, proof};
use crate::engine::{Engine, Feed, Recorder};

/// Bytes of chunks and hashes that are held for later questions.
const HELD_MAX: usize = 256 << 20;

/// The trace of an honest run.
pub struct Executed {
    subject: Subject,
    engine: Box<dyn Engine>,
    /// Positions that are fed at once.
    piece: usize,
    height: u32,
    trees: Vec<Kept>,
    held: Fetched,
}

/// What has been fetched.
#[derive(Default)]
struct Fetched {
    /// Levels of the subtrees of the kept height, from the leaves.
    subtrees: BTreeMap<At, Vec<Vec<Hash>>>,
    chunks: BTreeMap<At, Vec<u8>>,
    bytes: usize,
}

/// Builds the trees of all nodes.
struct Trees(Vec<Mutex<Growing>>);

impl Chunks for Trees {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn take(&self, node: usize, first: u64, length: usize, bytes: &[u8]) {
        let hashes = tree::chunk_hashes(first, bytes.chunks(length.max(1)));
        if let Some(growing) = self.0.get(node) {
            lock(growing).push(first, hashes);
        }
    }
}

/// Node, and chunk or subtree.
type At = (u32, u64);

/// Collects what is wanted of some nodes.
struct Collector {
    height: u32,
    /// For each node the ranges of chunks, and the subtrees.
    wanted: BTreeMap<usize, (Vec<Want>, BTreeSet<u64>)>,
    leaves: Mutex<BTreeMap<At, Vec<(u64, Hash)>>>,
    chunks: Mutex<BTreeMap<At, Vec<u8>>>,
}

impl Chunks for Collector {
    fn wants(&self, node: usize) -> bool {
        self.wanted.contains_key(&node)
    }

    fn take(&self, node: usize, first: u64, length: usize, bytes: &[u8]) {
        let Some((ranges, subtrees)) = self.wanted.get(&node) else { return };
        for (i, chunk) in (first..).zip(bytes.chunks(length.max(1))) {
            let subtree = i >> self.height;
            if subtrees.contains(&subtree) {
                let leaf = (i, tree::chunk_hash(i, chunk));
                lock(&self.leaves).entry((node as u32, subtree)).or_default().push(leaf);
            }
            if ranges.iter().any(|want| want.bytes && (want.lo..want.hi).contains(&i)) {
                lock(&self.chunks).insert((node as u32, i), chunk.to_vec());
            }
        }
    }
}

impl Executed {
    /// Runs an item and hashes its whole trace.
    pub fn new(subject: Subject, engine: Box<dyn Engine>) -> Result<Self, TraceError> {
        Self::in_pieces(subject, engine, usize::MAX)
    }

    /// As [`Executed::new`], feeding so many positions at once.
    pub fn in_pieces(subject: Subject, engine: Box<dyn Engine>, piece: usize) -> Result<Self, TraceError> {
        let chunks = subject.tensors.iter().fold(0u64, |sum, x| sum.saturating_add(x.chunks()));
        let height = kept_height(chunks);
        let mut this = Self { subject, engine, piece, height, trees: Vec::new(), held: Fetched::default() };
        let growing = |chunks| Mutex::new(Growing::new(chunks, height));
        let trees = Trees(this.subject.tensors.iter().map(|x| growing(x.chunks())).collect());
        this.run(u64::MAX, &trees)?;
        for (node, growing) in (0..).zip(trees.0) {
            let growing = growing.into_inner().unwrap_or_else(PoisonError::into_inner);
            this.trees.push(growing.finish().ok_or(TraceError::Rows(node))?);
        }
        Ok(this)
    }

    /// The back end, to be used for something else.
    pub fn into_engine(self) -> Box<dyn Engine> {
        self.engine
    }

    /// Runs the item up to a position and hands chunks on.
    fn run(&mut self, positions: u64, to: &dyn Chunks) -> Result<(), TraceError> {
        let causal = self.engine.program().is_causal();
        let mut tokens = self.subject.tokens();
        if causal {
            tokens.truncate(usize::try_from(positions).unwrap_or(usize::MAX));
        }
        let stream = Stream::new(&self.subject.tensors, self.engine.threads(), to);
        let sequence = self.engine.open(self.subject.item.sampling)?;
        let outputs_from = self.subject.item.prompt_length.saturating_sub(1);
        let piece = if causal { self.piece.max(1) } else { usize::MAX };
        let mut fed = Ok(Vec::new());
        for tokens in tokens.chunks(piece) {
            fed = self.engine.record(&Feed { sequence, tokens, outputs_from }, &stream);
            if fed.is_err() {
                break;
            }
        }
        self.engine.close(sequence);
        for thread in 0..self.engine.threads() {
            stream.flush(thread);
        }
        fed?;
        Ok(())
    }

    /// Leaves of a node's tree.
    fn chunks(&self, node: u32) -> u64 {
        self.subject.tensors.get(node as usize).map_or(0, |x| x.chunks())
    }

    /// Are bytes and hashes of a range at hand.
    fn has(&self, want: &Want) -> bool {
        let subtree = |s| self.held.subtrees.contains_key(&(want.node, s));
        let chunk = |c| self.held.chunks.contains_key(&(want.node, c));
        subtrees(want, self.height).all(subtree) && (!want.bytes || (want.lo..want.hi).all(chunk))
    }
}

/// The subtrees of a height that a range touches.
fn subtrees(want: &Want, height: u32) -> std::ops::RangeInclusive<u64> {
    want.lo >> height..=want.hi.saturating_sub(1) >> height
}

impl Source for Executed {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn root(&self, node: u32) -> Hash {
        self.trees.get(node as usize).map_or_else(tree::pad, Kept::root)
    }

    fn hash(&self, node: u32, height: u32, index: u64) -> Option<Hash> {
        let chunks = self.chunks(node);
        let lowest = self.height.min(tree::depth(chunks));
        if let Some(above) = height.checked_sub(lowest) {
            let level = self.trees.get(node as usize)?.levels.get(above as usize)?;
            return level.get(usize::try_from(index).ok()?).copied();
        }
        let down = self.height.saturating_sub(height);
        let levels = self.held.subtrees.get(&(node, index >> down))?;
        let first = (index >> down) << down;
        levels.get(height as usize)?.get(usize::try_from(index.checked_sub(first)?).ok()?).copied()
    }

    fn chunk(&self, node: u32, chunk: u64) -> Option<Vec<u8>> {
        self.held.chunks.get(&(node, chunk)).cloned()
    }

    fn fetch(&mut self, wants: &[Want]) -> Result<(), TraceError> {
        let mut missing: Vec<Want> = Vec::new();
        let mut positions = 0;
        for want in wants.iter().filter(|want| want.lo < want.hi && !self.has(want)) {
            let Some(tensor) = self.subject.tensors.get(want.node as usize) else { continue };
            // All of the touched subtrees is needed, so that their hashes can be made.
            let last = subtrees(want, self.height).end().saturating_add(1) << self.height;
            let last = last.min(tensor.chunks()).saturating_sub(1);
            let slots = tensor.chunk_len(last).and_then(|bytes| bytes.checked_div(tensor.size()));
            let slot = slots.unwrap_or(1).saturating_sub(1) as u32;
            let end = tensor.element_at(super::TensorAddress { chunk: last, slot });
            positions = positions.max(end.map_or(u64::MAX, |(t, _)| t.saturating_add(1)));
            missing.push(*want);
        }
        if missing.is_empty() {
            return Ok(());
        }
        if self.held.bytes > HELD_MAX {
            self.held = Fetched::default();
            missing = wants.to_vec();
            positions = u64::MAX;
        }
        let mut wanted: BTreeMap<usize, (Vec<Want>, BTreeSet<u64>)> = BTreeMap::new();
        for want in missing {
            let (ranges, trees) = wanted.entry(want.node as usize).or_default();
            trees.extend(subtrees(&want, self.height));
            ranges.push(want);
        }
        let collector =
            Collector { height: self.height, wanted, leaves: Mutex::default(), chunks: Mutex::default() };
        self.run(positions, &collector)?;
        let Collector { leaves, chunks, .. } = collector;
        for ((node, subtree), mut leaves) in leaves.into_inner().unwrap_or_else(PoisonError::into_inner) {
            leaves.sort_by_key(|(i, _)| *i);
            let leaves: Vec<Hash> = leaves.into_iter().map(|(_, hash)| hash).collect();
            self.held.bytes = self.held.bytes.saturating_add(leaves.len().saturating_mul(64));
            let height = self.height.min(tree::depth(self.chunks(node)));
            self.held.subtrees.insert((node, subtree), proof::levels_to(leaves, height));
        }
        let chunks = chunks.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.held.bytes = self.held.bytes.saturating_add(chunks.len().saturating_mul(600));
        self.held.chunks.extend(chunks);
        Ok(())
    }
}
