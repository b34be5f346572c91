//! A whole trace in memory: for small models, and for traces that are wrong from some place on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bisection::{Hash, tree};

use super::source::{Lie, Source, TraceError, Want};
use super::stream::{Chunks, Stream, lock};
use super::{Subject, proof};
use crate::engine::{Engine, EngineError, Feed};
use crate::reference::Reference;

/// Most bytes of a trace that is held.
pub const HELD_TRACE_MAX: u64 = 1 << 30;

/// A trace with all its chunks and hashes.
pub struct Held {
    subject: Subject,
    chunks: Vec<Vec<Vec<u8>>>,
    levels: Vec<Vec<Vec<Hash>>>,
}

/// Keeps every chunk.
struct All(Vec<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl Chunks for All {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn take(&self, node: usize, first: u64, length: usize, bytes: &[u8]) {
        let chunks = (first..).zip(bytes.chunks(length.max(1)).map(<[u8]>::to_vec));
        if let Some(all) = self.0.get(node) {
            lock(all).extend(chunks);
        }
    }
}

impl Held {
    /// The trace of what an engine computes.
    pub fn new(subject: Subject, engine: &mut dyn Engine) -> Result<Self, TraceError> {
        let bytes = subject.tensors.iter().fold(0u64, |sum, x| sum.saturating_add(x.bytes()));
        if bytes > HELD_TRACE_MAX {
            let reason = format!("a trace of {bytes} bytes is not held in memory: use fewer tokens");
            return Err(EngineError::Backend(reason).into());
        }
        let all = All(subject.tensors.iter().map(|_| Mutex::default()).collect());
        let stream = Stream::new(&subject.tensors, engine.threads(), &all);
        let sequence = engine.open(subject.item.sampling)?;
        let outputs_from = subject.item.prompt_length.saturating_sub(1);
        let tokens = subject.tokens();
        let fed = engine.record(&Feed { sequence, tokens: &tokens, outputs_from }, &stream);
        engine.close(sequence);
        fed?;
        let mut chunks = Vec::new();
        let mut levels = Vec::new();
        for ((node, tensor), all) in (0u32..).zip(&subject.tensors).zip(all.0) {
            let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
            if all.len() as u64 != tensor.chunks() {
                return Err(TraceError::Rows(node));
            }
            let all: Vec<Vec<u8>> = all.into_values().collect();
            levels.push(proof::levels(tree::chunk_hashes(0, all.iter().map(Vec::as_slice))));
            chunks.push(all);
        }
        Ok(Self { subject, chunks, levels })
    }

    /// The trace of a machine that gets one element wrong and computes everything after it from that.
    pub fn faulty(subject: Subject, lie: Lie) -> Result<Self, TraceError> {
        let mut engine = Reference::new(subject.model.clone());
        engine.corrupt(lie);
        Self::new(subject, &mut engine)
    }
}

impl Source for Held {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn root(&self, node: u32) -> Hash {
        let top = self.levels.get(node as usize).and_then(|levels| levels.last()?.first());
        top.copied().unwrap_or_else(tree::pad)
    }

    fn hash(&self, node: u32, height: u32, index: u64) -> Option<Hash> {
        let level = self.levels.get(node as usize)?.get(height as usize)?;
        level.get(usize::try_from(index).ok()?).copied()
    }

    fn chunk(&self, node: u32, chunk: u64) -> Option<Vec<u8>> {
        self.chunks.get(node as usize)?.get(usize::try_from(chunk).ok()?).cloned()
    }

    fn fetch(&mut self, _: &[Want]) -> Result<(), TraceError> {
        Ok(())
    }
}
