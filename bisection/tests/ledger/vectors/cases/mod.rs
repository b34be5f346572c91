//! What is in the file.

mod batches;
mod invalid;
mod refused;
mod shapes;
mod signed;

use bisection::ledger::{Account, Accounts, DEPTH, Ledger, Parent, Window, assertion_id, genesis_id};
use bisection::{Hash, keccak256};
use serde_json::{Value, json};

use super::{big, hex};
use crate::keys::Keys;
use crate::world::{TIME, World, rules};

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Real.recover(digest, signature)
}

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("rules", rules_of()),
        ("models", models_of()),
        ("ids", ids()),
        ("signed", signed::signed()),
        ("nonces", nonces()),
        ("accounts", accounts()),
        ("batches", batches::batches()),
        ("refused", refused::refused()),
        ("invalid", invalid::invalid()),
        ("shapes", shapes::shapes()),
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

fn parent_of(parent: &Parent) -> Value {
    json!({ "root": hex(parent.root.0), "cursor": parent.cursor, "inbox": hex(parent.inbox.0) })
}
