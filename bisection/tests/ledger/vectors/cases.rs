//! What is in the file.

use bisection::ledger::inbox::{L1Request, Transfer, accumulate};
use bisection::ledger::request::{Delegation, Receipt, Request, Sampling, Withdrawal};
use bisection::ledger::shape::{self, Unproven};
use bisection::ledger::{
    Account, Accounts, Batch, Body, Context, DEPTH, Inference, Ledger, Parent, Posted, Replay, Step, Window,
    assertion_id, genesis_id, witness,
};
use bisection::{Hash, keccak256, tree};
use serde_json::{Value, json};

use super::{big, hex, name, named};
use crate::keys::Keys;
use crate::world::{TIME, World, models, pack, rules};

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Real.recover(digest, signature)
}

pub(super) fn all() -> Vec<(&'static str, Value)> {
    // The first worlds in which everything happens.
    let worlds = (1..).map(|seed| {
        let mut world = World::new(Keys::Real, seed);
        [(5, 2), (0, 7), (3, 6)].map(|(entries, items)| Made::next(&mut world, entries, items))
    });
    let worlds: Vec<Made> = worlds.filter(|made| everything(made)).take(2).flatten().collect();
    vec![
        ("rules", rules_of()),
        ("models", models_of()),
        ("ids", ids()),
        ("signed", signed()),
        ("nonces", nonces()),
        ("accounts", accounts()),
        ("batches", worlds.iter().map(Made::batch).collect()),
        ("refused", refused()),
        ("invalid", invalid()),
        ("shapes", shapes()),
    ]
}

fn rules_of() -> Value {
    let r = rules();
    json!({
        "chainId": r.domain.chain_id(),
        "inbox": hex(r.domain.inbox()),
        "separator": hex(r.domain.separator().0),
        "entryFee": big(r.entry_fee),
        "expire": r.expire,
        "slack": r.slack,
        "forceDelay": r.force_delay,
        "forcedEntries": r.forced_entries,
    })
}

fn models_of() -> Value {
    let world = World::new(Keys::Fake, 0);
    let one = |m: &crate::world::Offered| {
        let price = |time: u64| {
            let (version, price) = world.registry.price_at(&m.id, time).unwrap();
            json!({ "version": version, "from": price.from, "priceIn": price.price_in, "priceOut": price.price_out })
        };
        json!({
            "id": hex(m.id.0),
            "kind": u8::from(m.model.vector),
            "tokenBits": m.model.token_bits,
            "context": m.model.context,
            "vocabulary": m.model.vocabulary,
            "nodes": m.proof.nodes,
            "constants": m.proof.constants,
            "nodesRoot": hex(m.proof.nodes_root.0),
            "constantsRoot": hex(m.proof.constants_root.0),
            "interface": hex(&m.proof.interface),
            "prices": [price(TIME), price(u64::MAX)],
        })
    };
    world.models.iter().map(one).collect()
}

fn ids() -> Value {
    let parent = genesis_id(31_337, [0xa5; 20]);
    let (batch, proposer, defender) = (keccak256(b"batch"), [0x11; 20], [0x22; 20]);
    json!({
        "assertions": hex([0xa5; 20]),
        "genesis": hex(parent.0),
        "batchHash": hex(batch.0),
        "proposer": hex(proposer),
        "defender": hex(defender),
        "postedAt": TIME,
        "assertion": hex(assertion_id(parent, batch, proposer, defender, TIME).0),
        "genesisState": hex(Ledger::genesis(rules()).root().0),
    })
}

fn signed() -> Value {
    let domain = rules().domain;
    let with = |mut fields: Value, struct_hash: Hash, digest: Hash| {
        fields["structHash"] = hex(struct_hash.0);
        fields["digest"] = hex(digest.0);
        fields["signer"] = hex(Keys::Real.address(7));
        fields["signature"] = hex(Keys::Real.sign(7, digest));
        fields
    };
    let mut out = Vec::new();
    for high in [false, true] {
        let n = |low: u128| if high { u128::MAX - low } else { low };
        let sampling = Sampling {
            temperature: n(656) as u32,
            top_k: n(40) as u32,
            top_p: n(65_000) as u32,
            min_p: n(3) as u32,
        };
        let r = Request {
            account: n(1) as u32,
            nonce: n(2) as u64,
            model: keccak256(b"model"),
            prompt: keccak256(b"prompt"),
            prompt_length: n(3) as u32,
            max_tokens: n(4) as u32,
            sampling,
            seed: keccak256(b"seed"),
            max_fee: n(5),
            valid_until: n(6) as u64,
        };
        let fields = json!({
            "type": "Request", "account": r.account, "nonce": big(r.nonce), "model": hex(r.model.0), "prompt": hex(r.prompt.0),
            "promptLength": r.prompt_length, "maxTokens": r.max_tokens, "temperature": sampling.temperature,
            "topK": sampling.top_k, "topP": sampling.top_p, "minP": sampling.min_p, "seed": hex(r.seed.0),
            "maxFee": big(r.max_fee), "validUntil": big(r.valid_until),
        });
        out.push(with(fields, r.struct_hash(), r.digest(&domain)));
        let w = Withdrawal {
            account: n(1) as u32,
            nonce: n(2) as u64,
            amount: n(3),
            to: [n(4) as u8; 20],
            valid_until: n(5) as u64,
        };
        let fields = json!({
            "type": "Withdrawal", "account": w.account, "nonce": big(w.nonce), "amount": big(w.amount), "to": hex(w.to),
            "validUntil": big(w.valid_until),
        });
        out.push(with(fields, w.struct_hash(), w.digest(&domain)));
        let d = Delegation {
            account: n(1) as u32,
            nonce: n(2) as u64,
            delegate: [n(3) as u8; 20],
            cap: n(4),
            expiry: n(5) as u64,
            model: keccak256(b"model"),
            max_price_in: n(6) as u64,
            max_price_out: n(7) as u64,
        };
        let fields = json!({
            "type": "Delegation", "account": d.account, "nonce": big(d.nonce), "delegate": hex(d.delegate), "cap": big(d.cap),
            "expiry": big(d.expiry), "model": hex(d.model.0), "maxPriceIn": big(d.max_price_in),
            "maxPriceOut": big(d.max_price_out),
        });
        out.push(with(fields, d.struct_hash(), d.digest(&domain)));
        let r = Receipt {
            proposer: [n(1) as u8; 20],
            epoch: n(2) as u32,
            number: n(3) as u64,
            request: keccak256(b"request"),
            output: keccak256(b"output"),
            deadline: n(4) as u64,
            payee: [n(5) as u8; 20],
        };
        let fields = json!({
            "type": "Receipt", "proposer": hex(r.proposer), "epoch": r.epoch, "number": big(r.number),
            "request": hex(r.request.0), "output": hex(r.output.0), "deadline": big(r.deadline), "payee": hex(r.payee),
        });
        out.push(with(fields, r.struct_hash(), r.digest(&domain)));
    }
    Value::Array(out)
}

fn nonces() -> Value {
    let full = [u128::MAX; 2];
    let cases = [
        (0, [0, 0], 0),
        (0, [0, 0], 5),
        (1, [0, 1], 0),
        (1, [0, 1], 128),
        (1, [0, 1], 255),
        (1, [0, 1], 256),
        (1, [0, 1], (1 << 32) - 1),
        (1, [0, 1], 1 << 32),
        (1, [0, 1], (1 << 32) + 1),
        (300, [0, 1], 44),
        (300, [0, 1], 43),
        (300, [0, 1], 171),
        (300, [1 << 127, 1], 44),
        (300, full, 300),
        (300, full, 310),
        (300, full, 428),
        (300, full, 200),
        (u64::MAX - 1, [0, 1], u64::MAX - 1),
        (u64::MAX - 1, [0, 1], u64::MAX),
        (u64::MAX, [0, 1], u64::MAX - 2),
    ];
    let case = |(next, used, nonce)| {
        let window = Window { next, used };
        let after = window.spend(nonce);
        let shown = after.unwrap_or(window);
        json!({
            "next": big(next), "used": hex(window.used_bytes()), "nonce": big(nonce), "valid": after.is_ok(),
            "nextAfter": big(shown.next), "usedAfter": hex(shown.used_bytes()),
        })
    };
    cases.map(case).into_iter().collect()
}

fn accounts() -> Value {
    let account = |index: u32| Account {
        window: Window { next: 9, used: [u128::from(index), 5] },
        delegation_nonce: 3,
        delegation: keccak256(&[index as u8]),
        spent: 77,
        ..Account::new(index, [index as u8; 20], 1_000 + u128::from(index))
    };
    let case = |(count, index): (u32, u32)| {
        let accounts = Accounts::restore((0..count).map(account).collect(), []).unwrap();
        let siblings: Vec<Value> = accounts.path(index).unwrap().iter().map(|hash| hex(hash.0)).collect();
        json!({
            "count": count, "depth": DEPTH, "root": hex(accounts.root().0), "index": index, "appends": index == count,
            "account": hex(account(index).encode()), "leaf": hex(account(index).leaf().0), "siblings": siblings,
        })
    };
    let cases =
        [(0, 0), (1, 0), (1, 1), (2, 2), (3, 1), (3, 3), (5, 4), (7, 2), (7, 7), (8, 8), (33, 32), (33, 33)];
    cases.map(case).into_iter().collect()
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

fn parent_of(parent: &Parent) -> Value {
    json!({ "root": hex(parent.root.0), "cursor": parent.cursor, "inbox": hex(parent.inbox.0) })
}

/// The first step of a batch that is of a kind.
fn find(batch: &Batch, is: impl Fn(&Step) -> bool) -> usize {
    batch.steps.iter().position(|posted| is(&posted.step)).expect("the batch has one")
}

fn refused() -> Value {
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

/// Right steps of one batch, each made wrong in one way, with the witness of the state before.
fn invalid() -> Value {
    let mut out = Vec::new();
    let mut world = World::new(Keys::Real, 9);
    world.batch(6, 0);
    let ledger = world.ledger.clone();
    let domain = world.rules.domain;
    let (owner_of, count) = (|i: u32| ledger.accounts().get(i).unwrap(), ledger.accounts().len());
    let rich = (0..count).max_by_key(|i| owner_of(*i).balance).unwrap();
    let key = (0..200).find(|k| Keys::Real.address(*k) == owner_of(rich).owner).unwrap();
    let delegate = 150;
    let order = Delegation {
        account: rich,
        nonce: 4,
        delegate: Keys::Real.address(delegate),
        cap: 1_000,
        expiry: TIME + 10,
        model: world.models[0].id,
        max_price_in: 3,
        max_price_out: 30,
    };
    let sign = |key: u8, digest: Hash| Keys::Real.sign(key, digest);
    let delegation = |order: Delegation, key: u8| {
        let request = order.digest(&domain);
        Body::Delegation { order, signature: sign(key, request), request }
    };
    let mut delegated = ledger.clone();
    delegated.apply(&delegation(order, key), TIME, &recover).unwrap();
    let transfer =
        |account: u32, owner: [u8; 20], amount: u128| Transfer { time: TIME, account, owner, amount };
    let owner = owner_of(rich).owner;
    let withdrawal = |nonce: u64, amount: u128, valid_until: u64, key: u8| {
        let order = Withdrawal { account: rich, nonce, amount, to: [7; 20], valid_until };
        let request = order.digest(&domain);
        Body::Withdrawal { order, signature: sign(key, request), request }
    };
    let inference = |change: &dyn Fn(&mut Inference, &mut u64), key: u8, flags: u8| {
        let mut call = Inference {
            flags,
            model: 0,
            account: rich,
            nonce: 0,
            prompt_length: 10,
            output_length: 4,
            max_tokens: 20,
            max_fee: 1_000,
            valid_until: TIME,
            signature: [0; 64],
        };
        let mut price_in = 1;
        change(&mut call, &mut price_in);
        let request = keccak256(b"a request");
        call.signature = sign(key, request);
        Body::Inference {
            call,
            request,
            item: keccak256(b"item"),
            model: world.models[0].id,
            price_in,
            price_out: 10,
        }
    };
    let mut add = |what: &str, ledger: &Ledger, body: Body, post: Option<Hash>| {
        let pre = ledger.root();
        let witness = ledger.witness(&body).unwrap();
        let due = witness::execute(&world.rules, pre, &body, TIME, &witness, &recover);
        let post = post.or(due.ok()).unwrap_or(pre);
        let leaf = bisection::ledger::StepLeaf { pre, post, body };
        let proven = witness::check(&world.rules, &leaf, TIME, &witness, &recover);
        let error = match proven {
            Ok(()) => Value::Null,
            Err(Unproven::Invalid(why)) => json!(name(&why)),
            Err(why) => json!(name(&why)),
        };
        out.push(json!({
            "name": what, "time": TIME, "pre": hex(pre.0), "post": hex(post.0), "body": hex(body.encode()),
            "witness": hex(witness), "error": error,
        }));
    };
    let wrong = Some(Hash([0xee; 32]));
    add("deposit to an account", &ledger, Body::Deposit(transfer(rich, owner, 5)), None);
    add("deposit that opens an account", &ledger, Body::Deposit(transfer(count, [9; 20], 5)), None);
    add("deposit to another's account", &ledger, Body::Deposit(transfer(rich, [9; 20], 5)), None);
    add("deposit of more than there is", &ledger, Body::Deposit(transfer(rich, owner, u128::MAX)), None);
    add("deposit with a wrong root", &ledger, Body::Deposit(transfer(rich, owner, 5)), wrong);
    let forced = |amount: u128, paid: u128| Body::Forced { entry: transfer(rich, owner, amount), paid };
    add("forced withdrawal of a part", &ledger, forced(7, 7), None);
    add("forced withdrawal of all", &ledger, forced(u128::MAX, owner_of(rich).balance), None);
    add("forced withdrawal that pays less", &ledger, forced(7, 6), None);
    add("withdrawal", &ledger, withdrawal(0, 5, TIME, key), None);
    add("withdrawal of nothing", &ledger, withdrawal(1 << 31, 0, TIME, key), None);
    add("withdrawal too far ahead", &ledger, withdrawal(1 << 32, 0, TIME, key), None);
    add("withdrawal too late", &ledger, withdrawal(0, 5, TIME - 1, key), None);
    add(
        "withdrawal of more than the balance",
        &ledger,
        withdrawal(0, owner_of(rich).balance + 1, TIME, key),
        None,
    );
    add("withdrawal by a stranger", &ledger, withdrawal(0, 5, TIME, delegate), None);
    for (what, high) in [("the highest s", false), ("a high s", true)] {
        let order = Withdrawal { account: count, nonce: 0, amount: 5, to: [7; 20], valid_until: TIME };
        let request = order.digest(&domain);
        let (signature, owner) = at_the_middle(request, high);
        let mut other = ledger.clone();
        other.apply(&Body::Deposit(transfer(count, owner, 9)), TIME, &recover).unwrap();
        add(&format!("withdrawal with {what}"), &other, Body::Withdrawal { order, signature, request }, None);
    }
    add("delegation", &ledger, delegation(order, key), None);
    add("delegation by a stranger", &ledger, delegation(order, delegate), None);
    add("delegation with an old nonce", &delegated, delegation(order, key), None);
    add("delegation with nonce 0", &ledger, delegation(Delegation { nonce: 0, ..order }, key), None);
    let same: &dyn Fn(&mut Inference, &mut u64) = &|_, _| ();
    add("inference", &ledger, inference(same, key, 0), None);
    add("inference that says nothing changed", &ledger, inference(same, key, 0), Some(ledger.root()));
    add("inference by a stranger", &ledger, inference(same, delegate, 0), None);
    add("inference too late", &ledger, inference(&|c, _| c.valid_until = TIME - 1, key, 0), None);
    add("inference above its fee", &ledger, inference(&|c, _| c.max_fee = 209, key, 0), None);
    add("inference at its fee", &ledger, inference(&|c, _| c.max_fee = 210, key, 0), None);
    add(
        "inference above the balance",
        &ledger,
        inference(&|c, p| (c.prompt_length, c.max_fee, *p) = (u32::MAX, u128::MAX, u64::MAX), key, 0),
        None,
    );
    add("inference of a vector", &ledger, inference(&|c, _| c.max_tokens = 0, key, 0), None);
    let flag = Inference::DELEGATED;
    add("inference by the delegate", &delegated, inference(same, delegate, flag), None);
    add("inference by the owner as the delegate", &delegated, inference(same, key, flag), None);
    add("inference by the owner beside a delegate", &delegated, inference(same, key, 0), None);
    add(
        "inference beyond the delegation's price",
        &delegated,
        inference(&|_, p| *p = 4, delegate, flag),
        None,
    );
    add(
        "inference beyond the delegation's cap",
        &delegated,
        inference(&|c, _| (c.max_tokens, c.max_fee) = (100, 5_000), delegate, flag),
        None,
    );
    for (what, change) in [
        ("an expired delegation", Delegation { expiry: TIME - 1, ..order }),
        ("a delegation for another model", Delegation { model: Hash([1; 32]), ..order }),
        ("a delegation for any model", Delegation { model: Hash::default(), ..order }),
        ("a revoked delegation", Delegation { delegate: [0; 20], ..order }),
    ] {
        let mut other = ledger.clone();
        other.apply(&delegation(change, key), TIME, &recover).unwrap();
        add(&format!("inference under {what}"), &other, inference(same, delegate, flag), None);
        let mut nobody = inference(same, delegate, flag);
        if let Body::Inference { call, .. } = &mut nobody {
            call.signature = [0; 64];
            call.signature[63] = 1;
        }
        if change.delegate == [0; 20] {
            add(&format!("inference under {what}, signed by nobody"), &other, nobody, None);
        }
    }
    Value::Array(out)
}

/// A signature of a digest whose s is half of the curve's order, or one more and just as good for `ecrecover`; whose it is.
fn at_the_middle(digest: Hash, high: bool) -> ([u8; 64], [u8; 20]) {
    let half = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0".parse::<Hash>().unwrap();
    let mut low = Keys::Real.sign(3, digest);
    low[32..].copy_from_slice(&half.0);
    let owner = Keys::Real.recover(digest, &low).unwrap();
    let mut other = low;
    other[32] |= 0x80;
    other[63] += 1;
    (if high { other } else { low }, owner)
}

fn shapes() -> Value {
    let mut out = Vec::new();
    let mut world = World::new(Keys::Real, 21);
    let domain = world.rules.domain;
    world.batch(3, 0);
    let letters = world.models.iter().position(|m| m.model.token_bits == 10).unwrap();
    let words = world.models.iter().position(|m| m.model.token_bits == 17).unwrap();
    let vector = world.models.iter().position(|m| m.model.vector).unwrap();
    let posted = |model: usize, prompt_length: u32, max_tokens: u32, output: &[u32]| {
        let m = &world.models[model];
        let prompt = pack(&vec![1; prompt_length as usize], m.model.token_bits);
        let request = Request {
            account: 0,
            nonce: 0,
            model: m.id,
            prompt: tree::tensor_root(&prompt),
            prompt_length,
            max_tokens,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            max_fee: 1,
            valid_until: TIME,
        };
        let signature = Keys::Real.sign(0, request.digest(&domain));
        let bits = if m.model.vector { 32 } else { m.model.token_bits };
        let packed = pack(output, bits);
        Step::inference(&request, model as u8, false, signature, prompt, output.len() as u32, packed)
    };
    let mut add = |what: &str, step: Step, model: usize, index: u32| {
        let mut batch = Batch::default();
        batch.head.time = TIME;
        batch.head.table = world.table(TIME);
        batch.steps = vec![Posted { root: Hash::default(), step }];
        let step = world.context().derive(&batch).unwrap().steps[0];
        let witness = shape::make(&step, &batch.steps[0].step, &world.models[model].proof, index).unwrap();
        let error = shape::check(&step.leaf.body, index, &witness).err().map(|why| name(&why));
        out.push(json!({
            "name": what, "body": hex(step.leaf.body.encode()), "index": index, "witness": hex(witness), "error": error,
        }));
    };
    let tokens =
        |count: u32, last: u32| (0..count - 1).map(|i| 100 + i % 700).chain([last]).collect::<Vec<u32>>();
    let order = Withdrawal { account: 0, nonce: 0, amount: 0, to: [1; 20], valid_until: TIME };
    add("a withdrawal", Step::Withdrawal { order, signature: [1; 64] }, letters, 0);
    add("a vector", posted(vector, 3, 0, &[1, 2, 3]), vector, 1);
    add("beyond the output", posted(letters, 3, 9, &tokens(9, 5)), letters, 9);
    add("in the middle", posted(letters, 3, 9, &tokens(9, 5)), letters, 4);
    add("a stop in the middle", posted(letters, 3, 9, &[5, 999, 6, 7, 8]), letters, 1);
    add("the last of the longest", posted(letters, 3, 9, &tokens(9, 5)), letters, 8);
    add("the last of the context", posted(letters, 60, 9, &tokens(4, 5)), letters, 3);
    add("a stop at the end", posted(letters, 3, 9, &tokens(5, 0)), letters, 4);
    add("an end too early", posted(letters, 3, 9, &tokens(5, 5)), letters, 4);
    add("no such token", posted(letters, 3, 9, &[5, 1_000, 6]), letters, 1);
    add("no such token at the end", posted(letters, 3, 3, &[5, 6, 1_023]), letters, 2);
    let long = posted(words, 3, 600, &tokens(600, 40_000));
    add("in the first of three chunks", long.clone(), words, 239);
    add("in the first two of three chunks", long.clone(), words, 240);
    add("in the last two of three chunks", long.clone(), words, 481);
    add("in the last of three chunks", long, words, 599);
    let l1 = |output: &[u32]| {
        let m = &world.models[letters];
        let entry = L1Request {
            time: 5,
            sender: [1; 20],
            model: m.id,
            prompt: keccak256(b"prompt"),
            prompt_length: 60,
            max_tokens: 9,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            price_in: 1,
            price_out: 1,
            callback_gas: 0,
        };
        let output_length = output.len() as u32;
        Step::Request { entry, model: letters as u8, output_length, output: pack(output, m.model.token_bits) }
    };
    add("an L1 request, in the middle", l1(&tokens(4, 5)), letters, 1);
    add("an L1 request, the last of the context", l1(&tokens(4, 5)), letters, 3);
    add("an L1 request, an end too early", l1(&tokens(3, 5)), letters, 2);
    add("an L1 request that was dropped", l1(&[]), letters, 0);
    Value::Array(out)
}
