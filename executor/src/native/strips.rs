//! Long blocks of positions: each thread takes strips of rows through the steps on its own.
//!
//! Only attention, pooling and maps read other rows, so threads meet before these and nowhere else, and what a thread reads
//! is what it has written. Short blocks, and those that a recorder follows step by step, go together through every step
//! instead (`run`), where products share channels.

use std::ops::Range;

use super::packed::{blocks, first_row};
use super::plan::Step;
use super::run::{Part, Task};

/// Blocks of packed rows for each thread, at least: with fewer the threads' shares are too uneven.
const SHARE: usize = 16;

impl Task<'_, '_, '_> {
    /// This thread's strips, as blocks of packed rows, if the block is long enough.
    pub(super) fn strips(&self, all: Part<'_>) -> Option<Vec<Range<usize>>> {
        let (blocks, count) = (blocks(all.rows.len()), self.worker.count);
        // A row of several groups is several packed rows: threads would not own whole blocks of them.
        let grouped = self.block.plan.buffers.iter().any(|shape| shape.groups > 1 && shape.all);
        let alone = self.recorder.is_none() && !grouped;
        (alone && blocks >= SHARE * count).then(|| deal(blocks, count, self.worker.index))
    }

    /// All steps over all positions, by the thread's own rows.
    pub(super) fn own_body(&mut self, strips: &[Range<usize>], all: Part<'_>) {
        for (i, step) in self.block.plan.body.iter().enumerate() {
            if i > 0 && matches!(step, Step::Attend(_) | Step::Whole(_)) {
                self.worker.barrier();
            }
            self.own_step(step, all, strips);
        }
        self.worker.barrier();
    }

    fn own_step(&mut self, step: &Step, all: Part<'_>, strips: &[Range<usize>]) {
        let row = |block| first_row(all.rows.len(), block);
        let rows = strips.iter().flat_map(|strip| row(strip.start)..row(strip.end));
        match step {
            Step::Rows(nodes) => {
                for i in rows {
                    nodes.iter().for_each(|node| self.row(*node, i, all));
                }
            }
            Step::Linear(nodes) => nodes.iter().for_each(|node| self.linear(*node, all, Some(strips))),
            Step::Attend(a) if self.tap.is_some() => rows.for_each(|i| self.attend_and_tap(*a, i, all)),
            Step::Attend(a) => {
                let attention = &self.block.plan.attentions[*a];
                let group = attention.heads / attention.kv_heads;
                // A head's keys and values stay near while all rows pass by.
                for first in (0..attention.heads).step_by(group) {
                    rows.clone().for_each(|i| self.attend(*a, i, all, first..first + group));
                }
            }
            Step::Whole(node) => {
                for i in rows {
                    self.whole(*node, i, all);
                    self.tap_row(*node, i, all);
                }
            }
        }
    }
}

/// The two strips of a thread. Later rows see more positions: who has an earlier strip has a later one too.
fn deal(blocks: usize, threads: usize, thread: usize) -> Vec<Range<usize>> {
    let cut = |i: usize| blocks * i / (2 * threads);
    [thread, 2 * threads - 1 - thread].map(|i| cut(i)..cut(i + 1)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_cover_every_block_once_and_evenly() {
        for threads in 1..6 {
            for blocks in SHARE * threads..200 {
                let dealt: Vec<_> = (0..threads).map(|thread| deal(blocks, threads, thread)).collect();
                let mut all: Vec<usize> = dealt.iter().flatten().cloned().flatten().collect();
                all.sort_unstable();
                assert!(all.into_iter().eq(0..blocks));
                let most = dealt.iter().map(|d| d.iter().map(Range::len).sum::<usize>()).max();
                assert!(most.is_some_and(|most| most <= blocks / threads + 2), "{blocks} for {threads}");
            }
        }
    }
}
