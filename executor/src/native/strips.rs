//! Long blocks of positions: each thread takes strips of rows through the steps on its own.
//!
//! Only attention and pooling read other rows, so threads meet before these and nowhere else, and what a step leaves
//! is still near when the next one reads it. Short blocks, and those that a recorder follows step by step, go together
//! through every step instead (`run`), where products share channels.

use std::ops::Range;

use super::packed::{blocks, first_row};
use super::plan::Step;
use super::run::{Part, Task};

/// Blocks of packed rows of a strip, at most: what a step leaves of 66 rows fits a second-level cache.
const STRIP: usize = 11;

/// Blocks for each thread, at least: with fewer the threads' shares are too uneven.
const SHARE: usize = 16;

impl Task<'_, '_, '_> {
    /// This thread's strips, as blocks of packed rows, if the block is long enough.
    pub(super) fn strips(&self, all: Part<'_>) -> Option<Vec<Range<usize>>> {
        let (blocks, count) = (blocks(all.rows.len()), self.worker.count);
        (self.recorder.is_none() && blocks >= SHARE * count).then(|| deal(blocks, count, self.worker.index))
    }

    /// All steps over all positions, by the thread's own rows.
    pub(super) fn own_body(&mut self, strips: &[Range<usize>], all: Part<'_>) {
        let meets = |step: &Step| matches!(step, Step::Attend(_) | Step::Pool(_));
        for phase in self.block.plan.body.chunk_by(|_, next| !meets(next)) {
            for strip in strips {
                phase.iter().for_each(|step| self.own_step(step, all, strip.clone()));
            }
            self.worker.barrier();
        }
    }

    fn own_step(&mut self, step: &Step, all: Part<'_>, strip: Range<usize>) {
        let rows = first_row(all.rows.len(), strip.start)..first_row(all.rows.len(), strip.end);
        match step {
            Step::Rows(nodes) => {
                for i in rows {
                    nodes.iter().for_each(|node| self.row(*node, i, all));
                }
            }
            Step::Linear(nodes) => {
                nodes.iter().for_each(|node| self.linear(*node, all, Some(strip.clone())));
            }
            Step::Attend(a) if self.tap.is_some() => rows.for_each(|i| self.attend_and_tap(*a, i, all)),
            Step::Attend(a) => {
                let attention = &self.block.plan.attentions[*a];
                let group = attention.heads / attention.kv_heads;
                // A head's keys and values stay near while all rows pass by.
                for first in (0..attention.heads).step_by(group) {
                    rows.clone().for_each(|i| self.attend(*a, i, all, first..first + group));
                }
            }
            Step::Pool(node) => {
                for i in rows {
                    self.pool(*node, i, all);
                    self.tap_row(*node, i, all);
                }
            }
        }
    }
}

/// The strips of a thread. Later rows see more positions: strips are dealt back and forth, so that who has an earlier
/// one has a later one too.
fn deal(blocks: usize, threads: usize, thread: usize) -> Vec<Range<usize>> {
    let strips = 2 * threads * blocks.div_ceil(2 * threads * STRIP);
    let cut = |i: usize| blocks * i / strips;
    let owner =
        |i: usize| if (i / threads).is_multiple_of(2) { i % threads } else { threads - 1 - i % threads };
    (0..strips).filter(|i| owner(*i) == thread).map(|i| cut(i)..cut(i + 1)).collect()
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
                let strips = dealt[0].len();
                assert!(most.is_some_and(|most| most <= blocks / threads + strips), "{blocks} for {threads}");
                assert!(dealt.iter().flatten().all(|strip| (1..=STRIP).contains(&strip.len())));
            }
        }
    }
}
