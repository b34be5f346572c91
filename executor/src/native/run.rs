//! One block of positions through all steps of a plan.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::attention::{self, Law, Query};
use super::engine::{Buffer, OUTPUT_ROWS, Sequence};
use super::isa::Isa;
use super::loaded::{Angles, Constants, Loaded};
use super::plan::{Home, Plan, Step};
use super::{Output, PackedBuffer, SharedMut, Team, Worker, linear, sample};
use crate::engine::{Emission, EngineError, SequenceId, Tap};
use crate::numerics::OutOfDomain;
use crate::program::NodeId;
use crate::program::op::Op;

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

/// Rows that one thread works on.
pub(super) struct Scratch {
    i32: Vec<i32>,
    i16: Vec<i16>,
    i64: Vec<i64>,
    shifts: Vec<i32>,
    pub(super) transform: Vec<i64>,
    attention: attention::Scratch,
    pub(super) sample: sample::Scratch,
}

impl Scratch {
    pub(super) fn new(plan: &Plan) -> Self {
        let [a, b, c] = plan.scratch;
        Self {
            i32: vec![0; a],
            i16: vec![0; b],
            i64: vec![0; c],
            shifts: Vec::new(),
            transform: Vec::new(),
            attention: attention::Scratch::default(),
            sample: sample::Scratch::default(),
        }
    }
}

/// A block of positions.
pub(super) struct Block<'a> {
    pub(super) plan: &'a Plan,
    pub(super) constants: &'a Constants,
    pub(super) isa: Isa,
    pub(super) angles: &'a [Angles],
    pub(super) sequences: &'a BTreeMap<usize, Sequence>,
    pub(super) rows: &'a [Row],
}

/// A buffer as the threads share it.
pub(super) enum View<'a> {
    I32(SharedMut<'a, i32>),
    I16(SharedMut<'a, i16>),
    I64(SharedMut<'a, i64>),
    Packed(&'a PackedBuffer, usize),
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
                Buffer::Packed(p) => View::Packed(p, shape.width),
            })
            .collect();
        let tap: Taps<'_, '_> = tap.as_deref_mut().map(Mutex::new);
        let emissions = Mutex::new(Vec::new());
        let failure = Mutex::new(None);
        team.run(|worker| {
            let Ok(mut own) = scratch[worker.index].lock() else { return };
            let mut task = Task { block: self, views: &views, tap: &tap, worker, own: &mut own };
            let all = Part { rows: &everyone };
            for step in &self.plan.body {
                task.step(step, all);
                worker.barrier();
            }
            for part in givers.chunks(OUTPUT_ROWS) {
                let part = Part { rows: part };
                for step in &self.plan.head {
                    task.step(step, part);
                    worker.barrier();
                }
                for (i, row) in part.rows.iter().enumerate() {
                    if i % worker.count != worker.index {
                        continue;
                    }
                    match task.emit(i, *row) {
                        Ok(emission) => lock(&emissions).push((*row, emission)),
                        Err(e) => *lock(&failure) = Some(e),
                    }
                }
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
    pub(super) tap: &'a Taps<'b, 'c>,
    worker: &'a Worker<'a>,
    pub(super) own: &'a mut Scratch,
}

impl Task<'_, '_, '_> {
    fn step(&mut self, step: &Step, part: Part<'_>) {
        match step {
            Step::Rows(nodes) => {
                for i in self.worker.share(part.rows.len(), 1) {
                    for node in nodes {
                        self.row(*node, i, part);
                    }
                }
            }
            Step::Linear(nodes) => nodes.iter().for_each(|node| self.linear(*node, part)),
            Step::Attend(a) if self.tap.is_some() => {
                for i in self.worker.share(part.rows.len(), 1) {
                    self.attend_and_tap(*a, i, part);
                }
            }
            Step::Attend(a) => {
                let kv_heads = self.block.plan.attentions[*a].kv_heads;
                // Later rows see more positions: dealt out one by one they even out.
                for item in (self.worker.index..part.rows.len() * kv_heads).step_by(self.worker.count) {
                    self.attend(*a, item / kv_heads, item % kv_heads);
                }
            }
            Step::Pool(node) => {
                for i in self.worker.share(part.rows.len(), 1) {
                    self.pool(*node, i, part);
                    self.tap_row(*node, i, part);
                }
            }
        }
    }

    /// Index of a row within a buffer of positions or of outputs.
    pub(super) fn place(&self, buffer: usize, i: usize, part: Part<'_>) -> usize {
        if self.block.plan.buffers[buffer].all { part.rows[i] } else { i }
    }

    // The readers and writers below hand out parts of buffers and of this thread's scratch. Within a step each row
    // is worked on by one thread, a node's row is written once, by its own kernel, and read only after it: parts that
    // are written are never read at the same time.

    pub(super) fn i32(&self, node: NodeId, i: usize, part: Part<'_>) -> &'static [i32] {
        // SAFETY: see above.
        unsafe { extend(&*self.i32_mut(node, i, part)) }
    }

    pub(super) fn i32_mut(&self, node: NodeId, i: usize, part: Part<'_>) -> &'static mut [i32] {
        let slot = &self.block.plan.slots[node.index()];
        let width = slot.width;
        // SAFETY: see above; the parts live as long as the step.
        unsafe {
            match slot.home {
                Home::Buffer(b) => match &self.views[b] {
                    View::I32(v) => {
                        let start = self.place(b, i, part) * width;
                        extend_mut(v.slice_mut(start..start + width))
                    }
                    _ => &mut [],
                },
                Home::Scratch(at) => scratch_part(&self.own.i32, at, width),
                _ => slot.scratch.map_or(&mut [], |at| scratch_part(&self.own.i32, at, width)),
            }
        }
    }

    pub(super) fn i16_mut(&self, node: NodeId, i: usize, part: Part<'_>) -> &'static mut [i16] {
        let slot = &self.block.plan.slots[node.index()];
        let width = slot.width;
        // SAFETY: see above.
        unsafe {
            match slot.home {
                Home::Buffer(b) => match &self.views[b] {
                    View::I16(v) => {
                        let start = self.place(b, i, part) * width;
                        extend_mut(v.slice_mut(start..start + width))
                    }
                    _ => slot.scratch.map_or(&mut [], |at| scratch_part(&self.own.i16, at, width)),
                },
                Home::Scratch(at) => scratch_part(&self.own.i16, at, width),
                _ => slot.scratch.map_or(&mut [], |at| scratch_part(&self.own.i16, at, width)),
            }
        }
    }

    pub(super) fn i64_mut(&self, node: NodeId, i: usize, part: Part<'_>) -> &'static mut [i64] {
        let slot = &self.block.plan.slots[node.index()];
        let width = slot.width;
        // SAFETY: see above.
        unsafe {
            match slot.home {
                Home::Buffer(b) => match &self.views[b] {
                    View::I64(v) => {
                        let start = self.place(b, i, part) * width;
                        extend_mut(v.slice_mut(start..start + width))
                    }
                    _ => &mut [],
                },
                Home::Scratch(at) => scratch_part(&self.own.i64, at, width),
                _ => &mut [],
            }
        }
    }

    fn linear(&mut self, node: NodeId, part: Part<'_>) {
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
        let (View::Packed(packed, width), View::I32(out)) = (&self.views[x], &self.views[y]) else { return };
        let mut shifts = std::mem::take(&mut self.own.shifts);
        shifts.clear();
        shifts.extend((0..part.rows.len()).map(|i| shift - self.i32(n.inputs[1], i, part)[0]));
        let stride = slots[node.index()].width;
        let packed = packed.shape(part.rows.len(), *width);
        // SAFETY: the barrier before this step made the input visible, the one after it the output; workers share
        // the channels.
        unsafe { linear(self.worker, weights, &packed, &shifts, Output { values: *out, stride }) };
        self.own.shifts = shifts;
        if self.tap.is_some() {
            self.worker.barrier();
            for i in self.worker.share(part.rows.len(), 1) {
                self.tap_row(node, i, part);
            }
        }
    }

    /// One key head of row `i`.
    fn attend(&mut self, attention: usize, i: usize, kv_head: usize) {
        let a = &self.block.plan.attentions[attention];
        let at = self.block.rows[i];
        let head = &self.block.sequences[&at.sequence.0].caches[attention][kv_head];
        let group = a.heads / a.kv_heads;
        let wide = group * a.head_dim;
        let Loaded::Exp(exp) = &self.block.constants.nodes[a.weight.index()] else { return };
        let row = Part { rows: &[i] };
        let q = &self.i16_mut(a.q, 0, row)[kv_head * wide..][..wide];
        let qe = &self.i32(a.qe, 0, row)[kv_head * group..][..group];
        let out = self.head_output(a.mix, i, kv_head * wide, wide);
        let visible = a.span.visible(at.position as usize, at.length);
        let law = Law { multiplier: a.multiplier, shift: a.shift, exp, mix_shift: a.mix_shift };
        let query = Query { q, exponents: qe, visible };
        // SAFETY: keys and values of the visible positions were written before the last barrier.
        unsafe { attention::attend(self.block.isa, head, &query, &law, &mut self.own.attention, out) };
    }

    /// All heads of row `i`, and the nodes inside of the attention to who listens.
    fn attend_and_tap(&mut self, attention: usize, i: usize, part: Part<'_>) {
        let a = &self.block.plan.attentions[attention];
        let at = self.block.rows[part.rows[i]];
        let group = a.heads / a.kv_heads;
        let mut seen: [(NodeId, Vec<i64>); 5] =
            [a.score, a.top, a.weight, a.total, a.vtop].map(|n| (n, Vec::new()));
        for kv_head in 0..a.kv_heads {
            self.attend(attention, part.rows[i], kv_head);
            let own = &self.own.attention;
            let [score, top, weight, total, vtop] = &mut seen;
            score.1.extend((0..group).flat_map(|h| own.scores(h)).map(|x| i64::from(*x)));
            top.1.extend(own.tops[..group].iter().map(|x| i64::from(*x)));
            weight.1.extend((0..group).flat_map(|h| own.weights(h)).map(|x| i64::from(*x)));
            total.1.extend(&own.totals[..group]);
            vtop.1.push(own.vtop.into());
        }
        self.tap_row(a.mix, i, part);
        let Some(tap) = self.tap else { return };
        let mut tap = lock(tap);
        for (node, values) in seen {
            if tap.wants(node) {
                tap.row(at.sequence, node, at.position, &values);
            }
        }
    }

    fn head_output(&self, mix: NodeId, row: usize, from: usize, width: usize) -> &'static mut [i32] {
        let slot = &self.block.plan.slots[mix.index()];
        match slot.home {
            Home::Buffer(b) => match &self.views[b] {
                // SAFETY: this thread alone writes this head of this row.
                View::I32(v) => unsafe {
                    let start = row * slot.width + from;
                    extend_mut(v.slice_mut(start..start + width))
                },
                _ => &mut [],
            },
            _ => &mut [],
        }
    }

    fn pool(&self, node: NodeId, i: usize, part: Part<'_>) {
        let program = self.block.constants.model.program();
        let input = program.nodes[node.index()].inputs[0];
        let last = part.rows[i];
        let sequence = self.block.rows[last].sequence;
        let first =
            (0..=last).rev().take_while(|r| self.block.rows[*r].sequence == sequence).last().unwrap_or(last);
        let out = self.i32_mut(node, i, part);
        let mut totals = vec![0_i64; out.len()];
        for r in first..=last {
            let x = self.i32(input, 0, Part { rows: &[r] });
            totals.iter_mut().zip(x).for_each(|(t, x)| *t += i64::from(*x));
        }
        let n = (last - first + 1) as i64;
        for (y, total) in out.iter_mut().zip(totals) {
            *y = crate::numerics::sat32((total + n / 2).div_euclid(n));
        }
    }

    /// Shows a row that has just been computed to who listens.
    pub(super) fn tap_row(&self, node: NodeId, i: usize, part: Part<'_>) {
        let Some(tap) = self.tap else { return };
        let mut tap = lock(tap);
        if !tap.wants(node) {
            return;
        }
        let at = &self.block.rows[part.rows[i]];
        let program = self.block.constants.model.program();
        let slot = &self.block.plan.slots[node.index()];
        let values: Vec<i64> = match (&program.nodes[node.index()].op, slot.kind) {
            (Op::Quantise { .. }, _) => self.i16_mut(node, i, part).iter().map(|x| i64::from(*x)).collect(),
            (_, super::plan::Kind::I64) => self.i64_mut(node, i, part).to_vec(),
            _ => self.i32(node, i, part).iter().map(|x| i64::from(*x)).collect(),
        };
        tap.row(at.sequence, node, at.position, &values);
    }
}

pub(super) const LOST: OutOfDomain = OutOfDomain("native");

/// A part of a thread's own scratch.
///
/// # Safety
/// As said at `Task::i32`: no other reference to the part is in use.
#[expect(clippy::mut_from_ref, reason = "parts of one's own scratch, see Safety")]
unsafe fn scratch_part<T>(all: &[T], at: usize, width: usize) -> &'static mut [T] {
    let part = &all[at..at + width];
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(part.as_ptr().cast_mut(), width) }
}

/// # Safety
/// The result is not used after the step.
pub(super) unsafe fn extend<T>(x: &[T]) -> &'static [T] {
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts(x.as_ptr(), x.len()) }
}

/// # Safety
/// The result is not used after the step.
unsafe fn extend_mut<T>(x: &mut [T]) -> &'static mut [T] {
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr(), x.len()) }
}
