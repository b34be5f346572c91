//! Right batches, with everything derived of them and a witness of each step.

use bisection::ledger::inbox::accumulate;
use bisection::ledger::{Batch, Parent, Replay, Step};
use serde_json::{Value, json};

use super::{hex, parent_of, recover};
use crate::keys::Keys;
use crate::world::World;

pub(super) fn batches() -> Value {
    // The first worlds in which everything happens.
    let worlds = (1..).map(|seed| {
        let mut world = World::new(Keys::Real, seed);
        [(5, 2), (0, 7), (3, 6)].map(|(entries, items)| Made::next(&mut world, entries, items))
    });
    let worlds: Vec<Made> = worlds.filter(|made| everything(made)).take(2).flatten().collect();
    worlds.iter().map(Made::batch).collect()
}

/// Do batches together have requests of L1, served and dropped, a forced withdrawal that pays, and each signed item.
fn everything(made: &[Made]) -> bool {
    let has =
        |is: &dyn Fn(&Step) -> bool| made.iter().any(|m| m.batch.steps.iter().any(|posted| is(&posted.step)));
    has(&|step| matches!(step, Step::Request { output_length, .. } if *output_length > 0))
        && has(&|step| matches!(step, Step::Request { output_length: 0, .. }))
        && has(&|step| matches!(step, Step::Forced { paid, .. } if *paid > 0))
        && has(&|step| matches!(step, Step::Withdrawal { .. }))
        && has(&|step| matches!(step, Step::Delegation { .. }))
        && has(&|step| matches!(step, Step::Inference { call, .. } if call.delegated()))
        && has(&|step| matches!(step, Step::Inference { call, .. } if call.max_tokens == 0))
        && has(&|step| matches!(step, Step::Inference { call, .. } if call.flags & 3 == 3))
        && has(&|step| matches!(step, Step::Inference { call, .. } if call.flags & 3 == 1))
}

/// A batch with all that is derived of it.
struct Made {
    parent: Parent,
    batch: Batch,
    replay: Replay,
    entries: Vec<Value>,
}

impl Made {
    fn next(world: &mut World, entries: u64, items: u64) -> Self {
        let parent = world.parent;
        let built = world.batch(entries, items);
        let mut acc = parent.inbox;
        let mut list = Vec::new();
        for (i, entry) in (0u64..).zip(&world.entries).skip(parent.cursor as usize) {
            acc = accumulate(acc, entry.hash(i));
            list.push(json!({ "index": i, "data": hex(entry.encode()), "hash": hex(entry.hash(i).0), "accumulator": hex(acc.0) }));
        }
        Self { parent, batch: built.batch, replay: built.replay, entries: list }
    }

    fn batch(&self) -> Value {
        let d = self.replay.derived();
        let mut replay = self.replay.clone();
        let mut steps = Vec::new();
        for (i, step) in (0..d.steps.len() as u32).zip(&d.steps).rev() {
            let path: Vec<Value> = d.path(i).unwrap().iter().map(|hash| hex(hash.0)).collect();
            steps.push(json!({
                "pre": hex(step.leaf.pre.0),
                "post": hex(step.leaf.post.0),
                "body": hex(step.leaf.body.encode()),
                "leaf": hex(step.leaf.hash(i).0),
                "path": path,
                "request": hex(step.leaf.body.request().unwrap_or_default().0),
                "item": hex(step.leaf.body.item().unwrap_or_default().0),
                "header": step.header.map_or(hex([]), |header| hex(header.encode())),
                "witness": hex(replay.witness(i, &recover).unwrap()),
            }));
        }
        steps.reverse();
        json!({
            "parent": parent_of(&self.parent),
            "entries": self.entries,
            "data": hex(self.batch.encode()),
            "time": d.time,
            "cursor": d.cursor,
            "epoch": d.epoch,
            "firstNumber": d.first_number,
            "items": d.items,
            "batchHash": hex(d.batch_hash.0),
            "itemsRoot": hex(d.items_root.0),
            "stepsRoot": hex(d.steps_root.0),
            "stateRoot": hex(d.state_root.0),
            "steps": steps,
        })
    }
}
