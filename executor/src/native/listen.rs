//! What a tap or a recorder is shown of a run.

use super::plan::Kind;
use super::run::{Part, Task, lock};
use crate::engine::{SequenceId, Values};
use crate::program::NodeId;

impl Task<'_, '_, '_> {
    /// Does a recorder want a node of an attention.
    pub(super) fn records_attention(&self, attention: usize) -> bool {
        let a = &self.block.plan.attentions[attention];
        let nodes = [a.score, a.top, a.weight, a.total, a.vtop, a.mix];
        self.recorder.is_some_and(|r| nodes.iter().any(|node| r.wants(*node)))
    }

    /// All heads of row `i`, and the nodes inside of the attention to who listens.
    pub(super) fn attend_and_tap(&mut self, attention: usize, i: usize, part: Part<'_>) {
        let a = &self.block.plan.attentions[attention];
        let position = self.block.rows[part.rows[i]].position;
        let group = a.heads / a.kv_heads;
        let mut seen = std::mem::take(&mut self.own.seen);
        seen.clear();
        for kv_head in 0..a.kv_heads {
            self.attend(attention, i, part, kv_head * group..(kv_head + 1) * group);
            let own = &self.own.attention;
            for h in 0..group {
                seen.scores.extend_from_slice(own.scores(h));
                seen.weights.extend_from_slice(own.weights(h));
            }
            seen.tops.extend_from_slice(&own.tops[..group]);
            seen.totals.extend_from_slice(&own.totals[..group]);
            seen.vtops.push(own.vtop);
        }
        self.tap_row(a.mix, i, part);
        let at = (self.block.rows[part.rows[i]].sequence, position);
        self.show(a.score, at, Values::I32(&seen.scores));
        self.show(a.top, at, Values::I32(&seen.tops));
        self.show(a.weight, at, Values::I32(&seen.weights));
        self.show(a.total, at, Values::I64(&seen.totals));
        self.show(a.vtop, at, Values::I32(&seen.vtops));
        self.own.seen = seen;
    }

    /// Shows a row that has just been computed to who listens.
    pub(super) fn tap_row(&self, node: NodeId, i: usize, part: Part<'_>) {
        if self.tap.is_none() && self.recorder.is_none() {
            return;
        }
        let at = &self.block.rows[part.rows[i]];
        let values = match self.block.plan.slots[node.index()].kind {
            Kind::I16 | Kind::Packed => Values::I16(self.read(node, i, part)),
            Kind::I64 => Values::I64(self.read(node, i, part)),
            Kind::I32 => Values::I32(self.read(node, i, part)),
        };
        self.show(node, (at.sequence, at.position), values);
    }

    /// Shows a row to who listens.
    pub(super) fn show(&self, node: NodeId, (sequence, position): (SequenceId, u32), values: Values<'_>) {
        if let Some(recorder) = self.recorder.filter(|r| r.wants(node)) {
            recorder.row(self.worker.index, node, position, values);
        }
        let Some(tap) = self.tap else { return };
        let mut tap = lock(tap);
        if tap.wants(node) {
            let wide: Vec<i64> = match values {
                Values::I16(v) => v.iter().map(|x| i64::from(*x)).collect(),
                Values::I32(v) => v.iter().map(|x| i64::from(*x)).collect(),
                Values::I64(v) => v.to_vec(),
            };
            tap.row(sequence, node, position, &wide);
        }
    }

    pub(super) fn flush(&self) {
        if let Some(recorder) = self.recorder {
            recorder.flush(self.worker.index);
        }
    }
}

/// What the heads of one row of attention compute on their way.
#[derive(Default)]
pub(super) struct Seen {
    scores: Vec<i32>,
    weights: Vec<i32>,
    tops: Vec<i32>,
    totals: Vec<i64>,
    vtops: Vec<i32>,
}

impl Seen {
    fn clear(&mut self) {
        for rows in [&mut self.scores, &mut self.weights, &mut self.tops, &mut self.vtops] {
            rows.clear();
        }
        self.totals.clear();
    }
}
