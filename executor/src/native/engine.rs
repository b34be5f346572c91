//! The `native` back end: a plan of a model, run by a team of threads over blocks of positions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::aligned::Lines;
use super::attention::HeadCache;
use super::isa::Isa;
use super::loaded::{Angles, Constants};
use super::plan::{Kind, Plan, Shape};
use super::products::Products;
use super::run::{Block, Row, Scratch};
use super::{PackedBuffer, Team, self_test};
use crate::engine::{Emission, Engine, EngineError, Feed, Recorder, SequenceId, Tap, check_feed};
use crate::kernels::Sampling;
use crate::model::Model;
use crate::program::Program;

/// Most positions that go through all layers together. Larger blocks read the weights less often, but their rows
/// leave the caches. 44 packed blocks of 6 rows: 2 and 4 threads own as many (`strips`).
const BLOCK_ROWS: usize = 264;
/// Most positions whose logits are held at once.
pub(super) const OUTPUT_ROWS: usize = 64;

/// A sequence's state.
pub(super) struct Sequence {
    pub(super) sampling: Sampling,
    pub(super) length: usize,
    /// Positions that the caches have room for.
    room: usize,
    /// Keys and values: for each attention its heads.
    pub(super) caches: Vec<Vec<HeadCache>>,
}

/// A buffer with a row for each position of a block.
pub(super) enum Buffer {
    I32(Lines<i32>),
    I16(Lines<i16>),
    I64(Lines<i64>),
    Packed(PackedBuffer),
}

/// Runs a model on the processor.
pub struct Native {
    // Dropped before the model that its references point into.
    pub(super) constants: Constants,
    /// What outputs need, for who wants outputs, and the whole, for who listens to nodes.
    pub(super) plans: [Arc<Plan>; 2],
    pub(super) isa: Isa,
    /// Who computes products, if not our own kernels.
    products: Option<Arc<dyn Products>>,
    team: Team,
    buffers: Vec<Buffer>,
    /// Which plan the buffers are for, and for how many rows.
    room: (usize, usize),
    angles: Vec<Angles>,
    scratch: Vec<Mutex<Scratch>>,
    sequences: BTreeMap<usize, Sequence>,
    opened: usize,
}

impl Native {
    /// A back end of `threads` threads on the best instruction set of this machine, or on a given one. Proves itself
    /// on extreme values first.
    pub fn new(model: &Model, threads: usize, isa: Option<Isa>) -> Result<Self, EngineError> {
        Self::with_products(model, threads, isa, None)
    }

    /// The same with products by somebody else.
    pub fn with_products(
        model: &Model,
        threads: usize,
        isa: Option<Isa>,
        products: Option<Arc<dyn Products>>,
    ) -> Result<Self, EngineError> {
        let isa = isa.unwrap_or_else(Isa::detect);
        self_test(isa).map_err(|e| EngineError::Backend(e.to_string()))?;
        let team = Team::new(threads)
            .map_err(|e| EngineError::Backend(format!("threads cannot be started ({e}): use fewer")))?;
        let plans = [Arc::new(Plan::new(model, false)?), Arc::new(Plan::new(model, true)?)];
        let constants = Constants::new(model)?;
        let angles = constants.ropes.iter().map(|_| Angles::default()).collect();
        let scratch = (0..team.count()).map(|_| Mutex::new(Scratch::new(&plans))).collect();
        Ok(Self {
            constants,
            plans,
            isa,
            products,
            team,
            buffers: Vec::new(),
            room: (0, 0),
            angles,
            scratch,
            sequences: BTreeMap::new(),
            opened: 0,
        })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Buffers of a plan for blocks of at least `rows` positions.
    fn make_room(&mut self, which: usize, rows: usize) {
        if which == self.room.0 && rows <= self.room.1 {
            return;
        }
        // One row while decoding, whole blocks while prefilling: nothing in between is worth its reallocation.
        let rows = if rows == 1 { 1 } else { rows.max(BLOCK_ROWS) };
        // Kernels of others take plain rows.
        let isa = if self.products.is_some() { Isa::of_plain_rows() } else { self.isa };
        let make = |shape: &Shape| {
            let rows = if shape.all { rows } else { rows.min(OUTPUT_ROWS) };
            match shape.kind {
                Kind::I32 => Buffer::I32(Lines::zeroed(rows * shape.width)),
                Kind::I16 => Buffer::I16(Lines::zeroed(rows * shape.width)),
                Kind::I64 => Buffer::I64(Lines::zeroed(rows * shape.width)),
                Kind::Packed => {
                    let (groups, width) = (shape.groups, shape.width / shape.groups);
                    Buffer::Packed(PackedBuffer::new(isa, rows * groups, width))
                }
            }
        };
        self.buffers = self.plans[which].buffers.iter().map(make).collect();
        self.room = (which, rows);
    }

    /// Room in the caches and angles for the fed positions.
    fn grow(&mut self, feeds: &[Feed<'_>]) -> Result<(), EngineError> {
        let context = self.program().interface.context as usize;
        let mut longest = 0;
        for feed in feeds {
            let Some(sequence) = self.sequences.get_mut(&feed.sequence.0) else { continue };
            let length = sequence.length + feed.tokens.len();
            longest = longest.max(length);
            if length > sequence.room {
                // Grows by half, so that a long generation copies its caches a few times only.
                sequence.room = length.max(sequence.room * 3 / 2).min(context);
                sequence.caches.iter_mut().flatten().for_each(|head| head.reserve(sequence.room));
            }
        }
        for (angles, pair) in self.angles.iter_mut().zip(&self.constants.ropes) {
            angles.extend(&self.constants.model, *pair, longest as u32)?;
        }
        Ok(())
    }

    fn run(
        &mut self,
        rows: &[Row],
        tap: &mut Option<&mut dyn Tap>,
        recorder: Option<&dyn Recorder>,
    ) -> Result<Vec<(SequenceId, Emission)>, EngineError> {
        let which = usize::from(tap.is_some() || recorder.is_some());
        self.make_room(which, rows.len());
        let block = Block {
            plan: &self.plans[which],
            constants: &self.constants,
            isa: self.isa,
            products: self.products.as_deref(),
            angles: &self.angles,
            sequences: &self.sequences,
            rows,
        };
        block.run(&self.team, &mut self.buffers, &self.scratch, tap, recorder)
    }

    /// Runs some feeds, block by block.
    fn advance(
        &mut self,
        feeds: &[Feed<'_>],
        mut tap: Option<&mut dyn Tap>,
        recorder: Option<&dyn Recorder>,
    ) -> Result<Vec<Vec<Emission>>, EngineError> {
        let causal = self.program().is_causal();
        for (i, feed) in feeds.iter().enumerate() {
            let sequence = self.sequences.get(&feed.sequence.0);
            let length = sequence.ok_or(EngineError::Sequence(feed.sequence.0))?.length;
            check_feed(self.program(), feed, length)?;
            if feeds[..i].iter().any(|other| other.sequence == feed.sequence) {
                return Err(EngineError::Feed("a sequence can be fed once a step"));
            }
        }
        self.grow(feeds)?;
        let mut emissions = vec![Vec::new(); feeds.len()];
        let mut pending: Vec<Row> = Vec::new();
        let flush = |this: &mut Self,
                     pending: &mut Vec<Row>,
                     emissions: &mut Vec<Vec<Emission>>,
                     tap: &mut Option<&mut dyn Tap>| {
            for (sequence, emission) in this.run(pending, tap, recorder)? {
                if let Some(i) = feeds.iter().position(|feed| feed.sequence == sequence) {
                    emissions[i].push(emission);
                }
            }
            pending.clear();
            Ok::<_, EngineError>(())
        };
        for feed in feeds {
            let start = self.sequences.get(&feed.sequence.0).map_or(0, |s| s.length) as u32;
            let last = start + feed.tokens.len() as u32 - 1;
            // An encoder's positions see each other: its sequence stays in one block.
            if !causal && !pending.is_empty() && pending.len() + feed.tokens.len() > BLOCK_ROWS {
                flush(self, &mut pending, &mut emissions, &mut tap)?;
            }
            for (position, token) in (start..).zip(feed.tokens) {
                pending.push(Row {
                    sequence: feed.sequence,
                    position,
                    token: *token,
                    gives_output: if causal { position >= feed.outputs_from } else { position == last },
                    length: last as usize + 1,
                });
                if causal && pending.len() == BLOCK_ROWS {
                    flush(self, &mut pending, &mut emissions, &mut tap)?;
                }
            }
        }
        if !pending.is_empty() {
            flush(self, &mut pending, &mut emissions, &mut tap)?;
        }
        for feed in feeds {
            if let Some(sequence) = self.sequences.get_mut(&feed.sequence.0) {
                sequence.length += feed.tokens.len();
            }
        }
        Ok(emissions)
    }
}

impl Engine for Native {
    fn open(&mut self, sampling: Sampling) -> Result<SequenceId, EngineError> {
        if !sampling.is_valid() {
            return Err(EngineError::Sampling);
        }
        let heads = |a: &super::pattern::Attention| {
            (0..a.kv_heads).map(|_| HeadCache::new(a.head_dim, a.narrow)).collect()
        };
        let caches = self.plans[0].attentions.iter().map(heads).collect();
        self.sequences.insert(self.opened, Sequence { sampling, length: 0, room: 0, caches });
        self.opened += 1;
        Ok(SequenceId(self.opened - 1))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence.0);
    }

    fn step(
        &mut self,
        feeds: &[Feed<'_>],
        tap: Option<&mut dyn Tap>,
    ) -> Result<Vec<Vec<Emission>>, EngineError> {
        self.advance(feeds, tap, None)
    }

    fn record(&mut self, feed: &Feed<'_>, recorder: &dyn Recorder) -> Result<Vec<Emission>, EngineError> {
        Ok(self.advance(std::slice::from_ref(feed), None, Some(recorder))?.concat())
    }

    fn threads(&self) -> usize {
        self.team.count()
    }

    fn program(&self) -> &Program {
        self.constants.model.program()
    }
}
