//! From rows, which come from several threads in any order, to whole chunks.
//!
//! A thread's rows of a node follow each other, so most chunks are cut from its own buffer. What lies at the ends of
//! such a run, shared with another thread or another block of positions, is put together chunk by chunk.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bisection::tree::CHUNK;

use super::Tensor;
use crate::engine::{Recorder, Values};
use crate::program::{ElementType, Layout, NodeId};

/// Takes whole chunks.
pub(super) trait Chunks: Sync {
    /// Are the node's chunks wanted.
    fn wants(&self, node: usize) -> bool;
    /// Consecutive chunks from `first` on, of `length` bytes each.
    fn take(&self, node: usize, first: u64, length: usize, bytes: &[u8]);
}

/// Bytes that a thread holds of a run before it cuts chunks: the caches still have them then.
const HELD: usize = 64 << 10;

/// Rows of one node that follow each other.
#[derive(Default)]
struct Run {
    /// Flat byte of the first held byte, and where the next row begins.
    start: u64,
    bytes: Vec<u8>,
}

/// What a thread holds: for each node its run, and which nodes have one.
#[derive(Default)]
struct Held {
    runs: Vec<Run>,
    used: Vec<usize>,
}

/// A chunk, or a block of columns, of which parts have come.
struct Partial {
    bytes: Vec<u8>,
    filled: usize,
}

/// Cuts rows into chunks.
pub(super) struct Stream<'a> {
    tensors: &'a [Tensor],
    to: &'a dyn Chunks,
    threads: Vec<Mutex<Held>>,
    partial: Vec<Mutex<BTreeMap<u64, Partial>>>,
}

pub(super) fn lock<T: ?Sized>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Stream<'a> {
    pub(super) fn new(tensors: &'a [Tensor], threads: usize, to: &'a dyn Chunks) -> Self {
        let held = || Held { runs: tensors.iter().map(|_| Run::default()).collect(), used: Vec::new() };
        Self {
            tensors,
            to,
            threads: (0..threads).map(|_| Mutex::new(held())).collect(),
            partial: tensors.iter().map(|_| Mutex::default()).collect(),
        }
    }

    /// Hands the whole chunks of a run on; its ends too if it `ends` here.
    fn cut(&self, node: usize, run: &mut Run, ends: bool) {
        let chunk = CHUNK as u64;
        let before = run.start.checked_rem(chunk).unwrap_or(0) as usize;
        if before > 0 {
            let head = CHUNK.saturating_sub(before).min(run.bytes.len());
            self.piece(node, run.start, run.bytes.get(..head).unwrap_or(&[]));
            run.start = run.start.saturating_add(head as u64);
            run.bytes.drain(..head);
        }
        let whole = run.bytes.len() & !CHUNK.saturating_sub(1);
        if run.start.is_multiple_of(chunk) && whole > 0 {
            let first = run.start.checked_div(chunk).unwrap_or(0);
            self.to.take(node, first, CHUNK, run.bytes.get(..whole).unwrap_or(&[]));
            run.start = run.start.saturating_add(whole as u64);
            run.bytes.drain(..whole);
        }
        if ends && !run.bytes.is_empty() {
            self.piece(node, run.start, &run.bytes);
            run.bytes.clear();
        }
    }

    /// A part of a chunk of layout 0.
    fn piece(&self, node: usize, start: u64, bytes: &[u8]) {
        let chunk = start.checked_div(CHUNK as u64).unwrap_or(0);
        let offset = start.checked_rem(CHUNK as u64).unwrap_or(0) as usize;
        let Some(tensor) = self.tensors.get(node) else { return };
        let Some(length) = tensor.chunk_len(chunk) else { return };
        self.place(node, chunk, length as usize, length as usize, bytes.len(), |all| {
            let end = offset.saturating_add(bytes.len());
            if let Some(to) = all.get_mut(offset..end) {
                to.copy_from_slice(bytes);
            }
        });
    }

    /// The row of a node of layout 1: an element for each of a block's chunks.
    fn columns(&self, node: usize, tensor: &Tensor, position: u64, values: Values<'_>) {
        let (Some(i), width) = (position.checked_sub(tensor.first), tensor.row(0)) else { return };
        let block = i.checked_div(tensor.per()).unwrap_or(0);
        let slot = i.checked_rem(tensor.per()).unwrap_or(0) as usize;
        let first = block.saturating_mul(width);
        let Some(length) = tensor.chunk_len(first) else { return };
        let (length, size) = (length as usize, tensor.size() as usize);
        let mut row = Vec::new();
        write(tensor.shape.element, values, &mut row);
        let whole = length.saturating_mul(width as usize);
        self.place(node, first, whole, length, row.len(), |all| {
            let start = slot.saturating_mul(size);
            for (chunk, element) in all.chunks_exact_mut(length).zip(row.chunks_exact(size)) {
                if let Some(to) = chunk.get_mut(start..start.saturating_add(size)) {
                    to.copy_from_slice(element);
                }
            }
        });
    }

    /// Writes a part of `whole` bytes from chunk `first` on, and hands them on when all have come.
    fn place(
        &self,
        node: usize,
        first: u64,
        whole: usize,
        length: usize,
        added: usize,
        write: impl FnOnce(&mut [u8]),
    ) {
        let Some(open) = self.partial.get(node) else { return };
        let mut open = lock(open);
        let partial = open.entry(first).or_insert_with(|| Partial { bytes: vec![0; whole], filled: 0 });
        write(&mut partial.bytes);
        partial.filled = partial.filled.saturating_add(added);
        if partial.filled >= whole
            && let Some(done) = open.remove(&first)
        {
            drop(open);
            self.to.take(node, first, length, &done.bytes);
        }
    }
}

impl Recorder for Stream<'_> {
    fn wants(&self, node: NodeId) -> bool {
        self.to.wants(node.index())
    }

    fn row(&self, thread: usize, node: NodeId, position: u32, values: Values<'_>) {
        let node = node.index();
        let (Some(tensor), Some(held)) = (self.tensors.get(node), self.threads.get(thread)) else { return };
        let position = u64::from(position);
        if !tensor.has(position) {
            return;
        }
        if tensor.shape.layout == Layout::Columns {
            return self.columns(node, tensor, position, values);
        }
        let Some(start) = tensor.before(position).and_then(|e| e.checked_mul(tensor.size())) else { return };
        let mut held = lock(held);
        let Held { runs, used } = &mut *held;
        let Some(run) = runs.get_mut(node) else { return };
        if run.start.saturating_add(run.bytes.len() as u64) != start {
            self.cut(node, run, true);
        }
        if run.bytes.is_empty() {
            run.start = start;
            used.push(node);
        }
        write(tensor.shape.element, values, &mut run.bytes);
        if run.bytes.len() >= HELD {
            self.cut(node, run, false);
        }
    }

    fn flush(&self, thread: usize) {
        let Some(held) = self.threads.get(thread) else { return };
        let mut held = lock(held);
        let Held { runs, used } = &mut *held;
        for node in used.drain(..) {
            if let Some(run) = runs.get_mut(node) {
                self.cut(node, run, true);
            }
        }
    }
}

/// Appends the stored bytes of a row.
fn write(element: ElementType, values: Values<'_>, out: &mut Vec<u8>) {
    macro_rules! narrow {
        ($row:expr, $t:ty) => {
            out.extend($row.iter().flat_map(|x| (*x as $t).to_le_bytes()))
        };
    }
    match (element, values) {
        (ElementType::I8, Values::I16(v)) => narrow!(v, i8),
        (ElementType::I8, Values::I32(v)) => narrow!(v, i8),
        (ElementType::I16 | ElementType::U16, Values::I16(v)) => narrow!(v, i16),
        (ElementType::I16 | ElementType::U16, Values::I32(v)) => narrow!(v, i16),
        (ElementType::I32, Values::I16(v)) => narrow!(v, i32),
        (ElementType::I32, Values::I32(v)) => narrow!(v, i32),
        (ElementType::I64, Values::I16(v)) => narrow!(v, i64),
        (ElementType::I64, Values::I32(v)) => narrow!(v, i64),
        (ElementType::I64, Values::I64(v)) => narrow!(v, i64),
        (element, Values::I64(v)) => element.write(v, out),
    }
}
