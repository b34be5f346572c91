//! The engine: sequences whose rows live on a device, and steps over blocks of positions.

use std::collections::{BTreeMap, BTreeSet};

use tch::Device;

use super::cache::Cache;
use super::constants::Constants;
use super::fused::Launcher;
use super::math::Tables;
use super::plan::Plan;
use super::step::{Part, Step};
use crate::backend;
use crate::engine::{Emission, Engine, EngineError, Feed, SequenceId, Tap, check_feed};
use crate::kernels::Sampling;
use crate::model::Model;
use crate::program::{NodeId, Program, Width};
use crate::torch::failed;

/// Most positions that go through all nodes together: their scores of all heads are held at once. A card wants large products
/// and has the memory; a processor's caches are small.
fn block_rows(device: Device) -> usize {
    if device.is_cuda() { 1024 } else { 256 }
}

/// Positions that a cache has room for at first.
const ROOM: usize = 64;

/// A sequence.
#[derive(Debug)]
struct Sequence {
    sampling: Sampling,
    length: usize,
    /// Where its rows are in the caches.
    slot: usize,
}

/// Runs a model with libtorch on one device, node by node over all positions that are fed.
pub struct TensorEngine {
    model: Model,
    device: Device,
    tables: Tables,
    /// Who runs our own kernels; without one libtorch does everything.
    kernels: Option<Box<dyn Launcher>>,
    constants: Constants,
    plan: Plan,
    caches: BTreeMap<NodeId, Cache>,
    /// Sequences and positions that the caches have room for.
    room: (usize, usize),
    sequences: BTreeMap<usize, Sequence>,
    opened: usize,
}

impl TensorEngine {
    /// Copies a model to a device, every constant checked against its declared range. Proves the device's products first.
    ///
    /// # Errors
    /// If there is no such device, a product is wrong there, or the model has no room.
    pub fn new(model: &Model, device: backend::Device) -> Result<Self, EngineError> {
        Self::with_kernels(model, device, super::fused::launcher(device)?)
    }

    /// The same with our own kernels run by somebody, or not at all.
    ///
    /// # Errors
    /// As [`TensorEngine::new`].
    pub fn with_kernels(
        model: &Model,
        device: backend::Device,
        kernels: Option<Box<dyn Launcher>>,
    ) -> Result<Self, EngineError> {
        let device = super::find(device)?;
        super::self_test::self_test(device)?;
        let plan = Plan::new(model.program());
        let mut caches = BTreeMap::new();
        for (node, info) in (0..).map(NodeId).zip(model.infos()) {
            if let (true, Width::Fixed(width)) = (plan.kept[node.index()], info.width) {
                let cache = Cache::new(info.element, width as usize, device).map_err(failed)?;
                caches.insert(node, cache);
            }
        }
        Ok(Self {
            model: model.clone(),
            device,
            tables: Tables::new(device).map_err(failed)?,
            kernels,
            constants: Constants::new(model, device)?,
            plan,
            caches,
            room: (0, 0),
            sequences: BTreeMap::new(),
            opened: 0,
        })
    }

    /// Room in the caches for the fed positions.
    fn grow(&mut self, feeds: &[Feed<'_>]) -> Result<(), EngineError> {
        let fed = feeds.iter().filter_map(|feed| Some((self.sequences.get(&feed.sequence.0)?, feed)));
        let (mut slots, mut positions) = self.room;
        for (sequence, feed) in fed {
            let length = sequence.length + feed.tokens.len();
            if sequence.slot >= slots {
                slots = (sequence.slot + 1).next_power_of_two();
            }
            if length > positions {
                // Doubles, so that a long generation copies its rows a few times only.
                let context = self.model.program().interface.context as usize;
                positions = length.max(2 * positions).max(ROOM).min(context);
            }
        }
        if (slots, positions) != self.room {
            for cache in self.caches.values_mut() {
                cache.grow(slots, positions).map_err(failed)?;
            }
            self.room = (slots, positions);
        }
        Ok(())
    }

    fn run(
        &mut self,
        parts: &[Part<'_>],
        tap: &mut Option<&mut dyn Tap>,
    ) -> Result<Vec<(usize, Emission)>, EngineError> {
        let mut step = Step::new(
            &self.model,
            &self.plan,
            &self.tables,
            self.kernels.as_deref(),
            self.device,
            parts,
            tap.is_some(),
        )?;
        step.run(&self.constants, &mut self.caches, tap)
    }
}

impl Engine for TensorEngine {
    fn open(&mut self, sampling: Sampling) -> Result<SequenceId, EngineError> {
        if !sampling.is_valid() {
            return Err(EngineError::Sampling);
        }
        let taken: BTreeSet<usize> = self.sequences.values().map(|sequence| sequence.slot).collect();
        let slot = (0..).find(|slot| !taken.contains(slot)).unwrap_or(taken.len());
        self.sequences.insert(self.opened, Sequence { sampling, length: 0, slot });
        self.opened += 1;
        Ok(SequenceId(self.opened - 1))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence.0);
    }

    fn step(
        &mut self,
        feeds: &[Feed<'_>],
        mut tap: Option<&mut dyn Tap>,
    ) -> Result<Vec<Vec<Emission>>, EngineError> {
        for (i, feed) in feeds.iter().enumerate() {
            let sequence =
                self.sequences.get(&feed.sequence.0).ok_or(EngineError::Sequence(feed.sequence.0))?;
            check_feed(self.model.program(), feed, sequence.length)?;
            if feeds[..i].iter().any(|other| other.sequence == feed.sequence) {
                return Err(EngineError::Feed("a sequence can be fed once a step"));
            }
        }
        self.grow(feeds)?;
        let causal = self.model.program().is_causal();
        let mut emissions = vec![Vec::new(); feeds.len()];
        for parts in blocks(&self.sequences, feeds, causal, block_rows(self.device)) {
            for (feed, emission) in self.run(&parts, &mut tap)? {
                emissions[feed].push(emission);
            }
        }
        for feed in feeds {
            if let Some(sequence) = self.sequences.get_mut(&feed.sequence.0) {
                sequence.length += feed.tokens.len();
            }
        }
        Ok(emissions)
    }

    fn program(&self) -> &Program {
        self.model.program()
    }
}

/// Cuts feeds into blocks of `rows` positions. Where positions see later ones a feed stays whole.
fn blocks<'a>(
    sequences: &BTreeMap<usize, Sequence>,
    feeds: &[Feed<'a>],
    causal: bool,
    rows: usize,
) -> Vec<Vec<Part<'a>>> {
    let mut blocks: Vec<Vec<Part<'a>>> = vec![Vec::new()];
    let mut room = rows;
    for (i, feed) in feeds.iter().enumerate() {
        let Some(sequence) = sequences.get(&feed.sequence.0) else { continue };
        let (mut first, mut rest) = (sequence.length, feed.tokens);
        let end = first + rest.len();
        while !rest.is_empty() {
            if room == 0 || !causal && rest.len() > room {
                blocks.push(Vec::new());
                room = rows;
            }
            let count = if causal { rest.len().min(room) } else { rest.len() };
            let (tokens, later) = rest.split_at(count);
            if let Some(block) = blocks.last_mut() {
                block.push(Part {
                    feed: i,
                    sequence: feed.sequence,
                    slot: sequence.slot as i64,
                    sampling: sequence.sampling,
                    first: first as u32,
                    tokens,
                    outputs_from: feed.outputs_from,
                    end: end as u32,
                });
            }
            room = room.saturating_sub(count);
            first += count;
            rest = later;
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}
