//! One block of positions through all steps of a plan.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::aligned::Lines;
use super::attention::{self, Law, Query};
use super::engine::{Buffer, OUTPUT_ROWS, Sequence};
use super::isa::Isa;
use super::linear::linear_blocks;
use super::listen::Seen;
use super::loaded::{Angles, Constants, Loaded};
use super::plan::{Home, Plan, Step};
use super::products::{Products, Room, Share};
use super::{Output, PackedBuffer, SharedMut, Team, Worker, linear, rows, sample};
use crate::engine::{Emission, EngineError, Recorder, SequenceId, Tap};
use crate::numerics::OutOfDomain;
use crate::program::NodeId;
use crate::program::op::Op;

/// Rows of attention that threads share while somebody listens.
const STRIP_ROWS: usize = 32;

/// A position of a sequence in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) sequence: SequenceId,
    pub(super) position: u32,
    pub(super) token: u32,
    pub(super) gives_output: bool,
    /// Length of the sequence after the feed.
    pub(super) length: usize,
}

/// What one thread works with.
pub(super) struct Scratch {
    rows: ScratchRows,
    tools: Tools,
}

/// Rows of nodes that do not leave a step.
struct ScratchRows {
    i32: Lines<i32>,
    i16: Lines<i16>,
    i64: Lines<i64>,
}

/// Room that kernels reuse.
#[derive(Default)]
pub(super) struct Tools {
    shifts: Vec<i32>,
    pub(super) products: Room,
    pub(super) transform: rows::Transform,
    pub(super) attention: attention::Scratch,
    pub(super) seen: Seen,
    pub(super) sample: sample::Scratch,
}

impl Scratch {
    /// Room for any of some plans.
    pub(super) fn new(plans: &[Arc<Plan>]) -> Self {
        let [a, b, c] = std::array::from_fn(|i| plans.iter().map(|p| p.scratch[i]).max().unwrap_or(0));
        let rows = ScratchRows { i32: Lines::zeroed(a), i16: Lines::zeroed(b), i64: Lines::zeroed(c) };
        Self { rows, tools: Tools::default() }
    }
}

/// A block of positions.
pub(super) struct Block<'a> {
    pub(super) plan: &'a Plan,
    pub(super) constants: &'a Constants,
    pub(super) isa: Isa,
    pub(super) products: Option<&'a dyn Products>,
    pub(super) angles: &'a [Angles],
    pub(super) sequences: &'a BTreeMap<usize, Sequence>,
    pub(super) rows: &'a [Row],
}

/// A buffer as the threads share it.
pub(super) enum View<'a> {
    I32(SharedMut<'a, i32>),
    I16(SharedMut<'a, i16>),
    I64(SharedMut<'a, i64>),
    /// With the groups of a row and the width of a group.
    Packed(&'a PackedBuffer, usize, usize),
}

/// The rows of a step: all of a block, or a part of those that give an output.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// Indices into the block's rows.
    pub(super) rows: &'a [usize],
}

type Taps<'a, 'b> = Option<Mutex<&'a mut (dyn Tap + 'b)>>;

impl Block<'_> {
    /// Runs all steps and gives what the rows emit, in the order of the rows.
    pub(super) fn run(
        &self,
        team: &Team,
        buffers: &mut [Buffer],
        scratch: &[Mutex<Scratch>],
        tap: &mut Option<&mut dyn Tap>,
        recorder: Option<&dyn Recorder>,
    ) -> Result<Vec<(SequenceId, Emission)>, EngineError> {
        let everyone: Vec<usize> = (0..self.rows.len()).collect();
        let givers: Vec<usize> = everyone.iter().copied().filter(|r| self.rows[*r].gives_output).collect();
        let shapes = &self.plan.buffers;
        let views: Vec<View<'_>> = buffers
            .iter_mut()
            .zip(shapes)
            .map(|(buffer, shape)| match buffer {
                Buffer::I32(v) => View::I32(SharedMut::new(v)),
                Buffer::I16(v) => View::I16(SharedMut::new(v)),
                Buffer::I64(v) => View::I64(SharedMut::new(v)),
                Buffer::Packed(p) => View::Packed(p, shape.groups, shape.width / shape.groups),
            })
            .collect();
        let tap: Taps<'_, '_> = tap.as_deref_mut().map(Mutex::new);
        let emissions = Mutex::new(Vec::new());
        let failure = Mutex::new(None);
        team.run(|worker| {
            let Ok(mut own) = scratch[worker.index].lock() else { return };
            let Scratch { rows, tools } = &mut *own;
            let mut task = Task {
                block: self,
                views: &views,
                i32: SharedMut::new(&mut rows.i32),
                i16: SharedMut::new(&mut rows.i16),
                i64: SharedMut::new(&mut rows.i64),
                tap: &tap,
                recorder,
                failure: &failure,
                worker,
                own: tools,
            };
            task.body(Part { rows: &everyone });
            for part in givers.chunks(OUTPUT_ROWS) {
                let part = Part { rows: part };
                for step in &self.plan.head {
                    task.step(step, part);
                    task.flush();
                    worker.barrier();
                }
                for (i, row) in part.rows.iter().enumerate() {
                    if i % worker.count != worker.index {
                        continue;
                    }
                    match task.emit(i, part) {
                        Ok(emission) => lock(&emissions).push((*row, emission)),
                        Err(e) => *lock(&failure) = Some(e),
                    }
                }
                task.flush();
                worker.barrier();
            }
        });
        if let Some(e) = lock(&failure).take() {
            return Err(e);
        }
        let mut emissions = std::mem::take(&mut *lock(&emissions));
        emissions.sort_by_key(|(row, _)| *row);
        Ok(emissions.into_iter().map(|(row, e)| (self.rows[row].sequence, e)).collect())
    }
}

pub(super) fn lock<T: ?Sized>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One thread's work on a block.
pub(super) struct Task<'a, 'b, 'c> {
    pub(super) block: &'a Block<'a>,
    pub(super) views: &'a [View<'a>],
    i32: SharedMut<'a, i32>,
    i16: SharedMut<'a, i16>,
    i64: SharedMut<'a, i64>,
    pub(super) tap: &'a Taps<'b, 'c>,
    pub(super) recorder: Option<&'a dyn Recorder>,
    failure: &'a Mutex<Option<EngineError>>,
    pub(super) worker: &'a Worker<'a>,
    pub(super) own: &'a mut Tools,
}

impl<'a> Task<'a, '_, '_> {
    /// All steps over all positions.
    fn body(&mut self, all: Part<'_>) {
        if let Some(strips) = self.strips(all) {
            return self.own_body(&strips, all);
        }
        for step in &self.block.plan.body {
            self.step(step, all);
            self.flush();
            self.worker.barrier();
        }
    }

    fn step(&mut self, step: &Step, part: Part<'_>) {
        match step {
            Step::Rows(nodes) => {
                for i in self.worker.share(part.rows.len(), 1) {
                    for node in nodes {
                        self.row(*node, i, part);
                    }
                }
            }
            Step::Linear(nodes) => nodes.iter().for_each(|node| self.linear(*node, part, None)),
            Step::Attend(a) if self.tap.is_some() || self.records_attention(*a) => {
                // Later rows see more positions: of a few neighbours each thread has its share.
                for strip in (0..part.rows.len()).step_by(STRIP_ROWS) {
                    let rows = STRIP_ROWS.min(part.rows.len() - strip);
                    for i in self.worker.share(rows, 1) {
                        self.attend_and_tap(*a, strip + i, part);
                    }
                }
            }
            Step::Attend(a) => {
                let attention = &self.block.plan.attentions[*a];
                let group = attention.heads / attention.kv_heads;
                // Query heads that share a key head read it once together; with few rows it matters more that all
                // threads have work.
                let together = if part.rows.len() < 4 * self.worker.count { 1 } else { group };
                let items = attention.heads / together;
                // Later rows see more positions: dealt out one by one they even out.
                for item in (self.worker.index..part.rows.len() * items).step_by(self.worker.count) {
                    let first = item % items * together;
                    self.attend(*a, item / items, part, first..first + together);
                }
            }
            Step::Whole(node) => {
                for i in self.worker.share(part.rows.len(), 1) {
                    self.whole(*node, i, part);
                    self.tap_row(*node, i, part);
                }
            }
        }
    }

    /// Index of a row within a buffer of positions or of outputs.
    pub(super) fn place(&self, buffer: usize, i: usize, part: Part<'_>) -> usize {
        if self.block.plan.buffers[buffer].all { part.rows[i] } else { i }
    }

    /// Where a node's row is.
    fn locate<T: Element>(&self, node: NodeId, i: usize, part: Part<'_>) -> (SharedMut<'a, T>, Range<usize>) {
        let slot = &self.block.plan.slots[node.index()];
        if let Home::Buffer(b) = slot.home
            && let Some(buffer) = T::buffer(&self.views[b])
        {
            let start = self.place(b, i, part) * slot.width;
            return (buffer, start..start + slot.width);
        }
        let scratch = T::scratch(self);
        match (slot.home, slot.scratch) {
            (Home::Scratch(at), _) | (_, Some(at)) => (scratch, at..at + slot.width),
            _ => (scratch, 0..0),
        }
    }

    // Within a step a row is worked on by one thread; its node's kernel writes it once, and everything else reads it
    // after that: a part that is being written is never read.

    /// A node's row, to read.
    pub(super) fn read<T: Element>(&self, node: NodeId, i: usize, part: Part<'_>) -> &'a [T] {
        let (all, range) = self.locate(node, i, part);
        // SAFETY: see above.
        unsafe { all.slice(range) }
    }

    /// A node's row, to write.
    pub(super) fn write<T: Element>(&self, node: NodeId, i: usize, part: Part<'_>) -> &'a mut [T] {
        let (all, range) = self.locate(node, i, part);
        // SAFETY: see above.
        unsafe { all.slice_mut(range) }
    }

    /// A product: this thread's channels of all rows, or all channels of blocks of rows that it owns.
    pub(super) fn linear(&mut self, node: NodeId, part: Part<'_>, own: Option<&[Range<usize>]>) {
        let n = &self.block.constants.model.program().nodes[node.index()];
        let (Op::Linear { shift }, Loaded::Linear(weights)) =
            (n.op, &self.block.constants.nodes[node.index()])
        else {
            return;
        };
        let slots = &self.block.plan.slots;
        let (Home::Buffer(x), Home::Buffer(y)) = (slots[n.inputs[0].index()].home, slots[node.index()].home)
        else {
            return;
        };
        let (View::Packed(packed, groups, width), View::I32(out)) = (&self.views[x], &self.views[y]) else {
            return;
        };
        let packed = packed.shape(part.rows.len() * groups, *width);
        let rows: Vec<usize> = match own {
            Some(strips) => strips.iter().cloned().flat_map(|blocks| packed.rows_of(blocks)).collect(),
            None => (0..part.rows.len()).collect(),
        };
        let mut shifts = std::mem::take(&mut self.own.shifts);
        shifts.resize(packed.rows(), 0);
        for i in rows.iter().copied() {
            let exponents = self.read::<i32>(n.inputs[1], i, part);
            shifts[i * groups..][..*groups].iter_mut().zip(exponents).for_each(|(s, e)| *s = shift - e);
        }
        let out = Output { values: *out, stride: slots[node.index()].width / groups };
        let provided = self.block.products.filter(|products| products.digits(node) > 0);
        match (provided, own) {
            (Some(products), _) => {
                let all = 0..packed.rows();
                let strips: Vec<Range<usize>> =
                    own.unwrap_or_default().iter().map(|x| packed.rows_of(x.clone())).collect();
                let n = weights.panels().n;
                let share = match own {
                    Some(_) => Share { rows: &strips, channels: 0..n },
                    None => Share { rows: std::slice::from_ref(&all), channels: self.channels(n) },
                };
                // SAFETY: as below.
                if let Err(error) = unsafe { self.multiply(products, node, &packed, &shifts, out, &share) } {
                    *lock(self.failure) = Some(error);
                }
            }
            // SAFETY: this thread alone packs, reads and writes these rows.
            (None, Some(strips)) => unsafe { linear_blocks(weights, &packed, &shifts, out, strips) },
            // SAFETY: the barrier before this step made the input visible, the one after it the output; workers
            // share the channels.
            (None, None) => unsafe { linear(self.worker, weights, &packed, &shifts, out) },
        }
        self.own.shifts = shifts;
        if self.tap.is_none() && !self.recorder.is_some_and(|r| r.wants(node)) {
            return;
        }
        let shown = if own.is_some() {
            rows
        } else {
            self.worker.barrier();
            self.worker.share(part.rows.len(), 1).collect()
        };
        shown.into_iter().for_each(|i| self.tap_row(node, i, part));
    }

    /// Query heads of row `i` that share a key head.
    pub(super) fn attend(&mut self, attention: usize, i: usize, part: Part<'_>, heads: Range<usize>) {
        let a = &self.block.plan.attentions[attention];
        let at = self.block.rows[part.rows[i]];
        let cache =
            &self.block.sequences[&at.sequence.0].caches[attention][heads.start * a.kv_heads / a.heads];
        let dims = heads.start * a.head_dim..heads.end * a.head_dim;
        let Loaded::Exp(exp) = &self.block.constants.nodes[a.weight.index()] else { return };
        let q = &self.read::<i16>(a.q, i, part)[dims.clone()];
        let qe = &self.read::<i32>(a.qe, i, part)[heads];
        let out = self.head_output(a.mix, i, part, dims);
        let visible = a.span.visible(at.position as usize, at.length);
        let law = Law { multiplier: a.multiplier, shift: a.shift, exp, mix_shift: a.mix_shift };
        let query = Query { q, exponents: qe, visible };
        // SAFETY: keys and values of the visible positions were written before the last barrier.
        unsafe { attention::attend(self.block.isa, cache, &query, &law, &mut self.own.attention, out) };
    }

    /// The part of a row of attention that some heads write.
    fn head_output(&self, mix: NodeId, i: usize, part: Part<'_>, dims: Range<usize>) -> &'a mut [i32] {
        let (all, range) = self.locate(mix, i, part);
        // SAFETY: this thread alone writes these heads of this row.
        unsafe { all.slice_mut(range.start + dims.start..range.start + dims.end) }
    }

    /// A node that reads its input at all positions of the sequence, which are neighbours in the block.
    pub(super) fn whole(&mut self, node: NodeId, i: usize, part: Part<'_>) {
        let n = &self.block.constants.model.program().nodes[node.index()];
        let (own, at) = (part.rows[i], &self.block.rows[part.rows[i]]);
        let first = own - at.position as usize;
        let (op, input) = (n.op, n.inputs[0]);
        match (op, &self.block.constants.nodes[node.index()]) {
            (Op::Gather { fill, .. }, Loaded::Map(map)) if self.holds_mantissas(node) => {
                let x = self.rows_of::<i16>(input, first, at.length);
                self.gather(node, i, part, map, (x, fill as i16));
                self.pack(node, i, part);
            }
            (Op::Gather { fill, .. }, Loaded::Map(map)) => {
                let x = self.rows_of::<i32>(input, first, at.length);
                self.gather(node, i, part, map, (x, fill));
            }
            _ => {
                let out = self.write::<i32>(node, i, part);
                let mut totals = vec![0_i64; out.len()];
                for x in self.rows_of::<i32>(input, first, at.length).chunks_exact(out.len()) {
                    totals.iter_mut().zip(x).for_each(|(t, x)| *t += i64::from(*x));
                }
                let n = at.length as i64;
                for (y, total) in out.iter_mut().zip(totals) {
                    *y = crate::numerics::sat32((total + n / 2).div_euclid(n));
                }
            }
        }
    }

    /// Rows `first..first + count` of the block of a node that has one at every position.
    fn rows_of<T: Element>(&self, node: NodeId, first: usize, count: usize) -> &'a [T] {
        let (all, range) = self.locate::<T>(node, 0, Part { rows: &[first] });
        // SAFETY: they were written before the last barrier, and are in one buffer.
        unsafe { all.slice(range.start..range.start + count * range.len()) }
    }

    /// Writes a row of what a map says of `x`, or `fill`.
    pub(super) fn gather<T: Element + Copy + 'a>(
        &self,
        node: NodeId,
        i: usize,
        part: Part<'_>,
        map: &[i32],
        (x, fill): (&[T], T),
    ) {
        for (y, entry) in self.write::<T>(node, i, part).iter_mut().zip(map) {
            // -1 and what lies beyond the sequence are nowhere.
            *y = usize::try_from(*entry).ok().and_then(|at| x.get(at)).copied().unwrap_or(fill);
        }
    }
}

pub(super) const LOST: OutOfDomain = OutOfDomain("native");

/// An element of rows.
pub(super) trait Element: Sized {
    fn buffer<'a>(view: &View<'a>) -> Option<SharedMut<'a, Self>>;
    fn scratch<'a>(task: &Task<'a, '_, '_>) -> SharedMut<'a, Self>;
}

macro_rules! element {
    ($($t:ident $variant:ident),*) => {$(
        impl Element for $t {
            fn buffer<'a>(view: &View<'a>) -> Option<SharedMut<'a, Self>> {
                match view {
                    View::$variant(v) => Some(*v),
                    _ => None,
                }
            }
            fn scratch<'a>(task: &Task<'a, '_, '_>) -> SharedMut<'a, Self> {
                task.$t
            }
        }
    )*};
}
element!(i32 I32, i16 I16, i64 I64);
