//! One batch, made wrong in one way after the other.

use bisection::Hash;
use bisection::ledger::request::Sampling;
use bisection::ledger::{Batch, Context, Inference, Parent, Step};
use serde_json::{Value, json};

use super::{hex, parent_of};
use crate::keys::Keys;
use crate::vectors::named;
use crate::world::{TIME, World, models};

/// The first step of a batch that is of a kind.
fn find(batch: &Batch, is: impl Fn(&Step) -> bool) -> usize {
    batch.steps.iter().position(|posted| is(&posted.step)).expect("the batch has one")
}

pub(super) fn refused() -> Value {
    let is_letters = |step: &Step| matches!(step, Step::Inference { call, .. } if models()[usize::from(call.model)].model.token_bits == 10);
    let is_vector = |step: &Step| matches!(step, Step::Inference { call, .. } if models()[usize::from(call.model)].model.vector);
    let is_l1 = |step: &Step| matches!(step, Step::Request { output_length, .. } if *output_length > 0);
    let seeded = |step: &Step| matches!(step, Step::Inference { call, .. } if call.flags & 3 == 3);
    let greedy = |step: &Step| matches!(step, Step::Inference { call, .. } if call.flags & 3 == 0);
    let has_all = |batch: &Batch| {
        let has = |is: &dyn Fn(&Step) -> bool| batch.steps.iter().any(|posted| is(&posted.step));
        has(&is_letters) && has(&is_vector) && has(&is_l1) && has(&seeded) && has(&greedy)
    };
    let (world, parent, batch) = (1..)
        .find_map(|seed| {
            let mut world = World::new(Keys::Real, 100 + seed);
            world.batch(4, 0);
            let parent = world.parent;
            let batch = world.batch(4, 6).batch;
            has_all(&batch).then_some((world, parent, batch))
        })
        .unwrap();
    let mut out = Vec::new();
    let mut add = |what: &str, parent: Parent, data: Vec<u8>| {
        let context = Context { parent, ..world.context() };
        let (error, step) = named(&context.decode(&data).expect_err(what));
        out.push(json!({ "name": what, "parent": parent_of(&parent), "data": hex(data), "error": error, "step": step }));
    };
    let bytes = batch.encode();
    add("cut in the head", parent, bytes[..70].to_vec());
    add("cut in the last step", parent, bytes[..bytes.len() - 1].to_vec());
    add("a byte more", parent, [&bytes[..], &[0]].concat());
    add("another version", parent, [&[2], &bytes[1..]].concat());
    add("a cursor before the parent's", Parent { cursor: batch.head.cursor + 1, ..parent }, bytes.clone());
    add("another parent in the inbox", Parent { inbox: Hash([1; 32]), ..parent }, bytes.clone());
    let mut change = |what: &str, change: &dyn Fn(&mut Batch)| {
        let mut changed = batch.clone();
        change(&mut changed);
        add(what, parent, changed.encode());
    };
    change("no steps", &|b| (b.steps, b.head.cursor) = (Vec::new(), parent.cursor));
    change("a table that does not ascend", &|b| b.head.table.swap(1, 2));
    change("a model twice", &|b| b.head.table[2] = b.head.table[1]);
    change("a model that nobody announced", &|b| b.head.table[2].model = Hash([0xff; 32]));
    change("a price that is not in force", &|b| b.head.table[0].version = 1);
    change("an entry that the inbox does not have", &|b| {
        let i = find(b, |step| matches!(step, Step::Deposit(_)));
        if let Step::Deposit(entry) = &mut b.steps[i].step {
            entry.amount += 1;
        }
    });
    change("one entry fewer", &|b| b.head.cursor -= 1);
    change("one entry more", &|b| b.head.cursor += 1);
    change("a model that the table does not have", &|b| call(b, greedy, |c| c.model = 3));
    change("an entry's model at another place", &|b| {
        l1(b, is_l1, |step| {
            if let Step::Request { model, .. } = step {
                *model = (*model + 1) % 3;
            }
        })
    });
    change("a request that is dropped young", &|b| {
        l1(b, is_l1, |step| {
            if let Step::Request { entry, output_length, output, .. } = step {
                (entry.time, *output_length, *output) = (TIME, 0, Vec::new());
            }
        })
    });
    change("an output that no entry asked for", &|b| {
        l1(b, is_l1, |step| {
            if let Step::Request { entry, .. } = step {
                entry.prompt_length = 0;
            }
        })
    });
    change("flag 8", &|b| call(b, greedy, |c| c.flags |= 8));
    change("a seed without sampling", &|b| call(b, greedy, |c| c.flags |= 2));
    change("a vector that is sampled", &|b| call(b, is_vector, |c| c.flags |= 1));
    change("a temperature of 655", &|b| drawn(b, seeded, |s, _| s.temperature = 655));
    change("a temperature above 100", &|b| drawn(b, seeded, |s, _| s.temperature = 6_553_601));
    change("a top-p of 0", &|b| drawn(b, seeded, |s, _| s.top_p = 0));
    change("a min-p above 1", &|b| drawn(b, seeded, |s, _| s.min_p = 65_537));
    change("a seed of 0", &|b| drawn(b, seeded, |_, seed| *seed = Hash::default()));
    change("no prompt", &|b| call(b, is_letters, |c| c.prompt_length = 0));
    change("no output", &|b| call(b, is_letters, |c| c.output_length = 0));
    change("an output longer than asked for", &|b| {
        call(b, is_letters, |c| c.max_tokens = c.output_length - 1)
    });
    change("more than the context", &|b| call(b, is_letters, |c| c.prompt_length = 65 - c.output_length));
    change("a vector of so many tokens", &|b| call(b, is_vector, |c| c.max_tokens = 1));
    change("a token that does not exist", &|b| {
        bytes_of(b, is_letters, |prompt, _| {
            prompt[0] = 0xff;
            prompt[1] |= 0xc0;
        })
    });
    change("loose bits in a prompt", &|b| {
        bytes_of(
            b,
            |step| is_letters(step) && loose(step).0,
            |prompt, _| {
                *prompt.last_mut().unwrap() |= 1;
            },
        )
    });
    change("loose bits in an output", &|b| {
        bytes_of(
            b,
            |step| is_letters(step) && loose(step).1,
            |_, output| {
                *output.last_mut().unwrap() |= 1;
            },
        )
    });
    Value::Array(out)
}

/// Have prompt and output unused bits, at 10 bits a token.
fn loose(step: &Step) -> (bool, bool) {
    match step {
        Step::Inference { call, .. } => (call.prompt_length % 4 != 0, call.output_length % 4 != 0),
        _ => (false, false),
    }
}

fn call(batch: &mut Batch, is: impl Fn(&Step) -> bool, change: impl FnOnce(&mut Inference)) {
    let i = find(batch, is);
    if let Step::Inference { call, .. } = &mut batch.steps[i].step {
        change(call);
    }
}

fn l1(batch: &mut Batch, is: impl Fn(&Step) -> bool, change: impl FnOnce(&mut Step)) {
    let i = find(batch, is);
    change(&mut batch.steps[i].step);
}

fn drawn(batch: &mut Batch, is: impl Fn(&Step) -> bool, change: impl FnOnce(&mut Sampling, &mut Hash)) {
    let i = find(batch, is);
    if let Step::Inference { sampling, seed, .. } = &mut batch.steps[i].step {
        change(sampling, seed);
    }
}

fn bytes_of(batch: &mut Batch, is: impl Fn(&Step) -> bool, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) {
    let i = find(batch, is);
    if let Step::Inference { prompt, output, .. } = &mut batch.steps[i].step {
        change(prompt, output);
    }
}
