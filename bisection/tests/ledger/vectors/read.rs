//! Reading the file back: nothing but what it says is used.

use bisection::ledger::inbox::accumulate;
use bisection::ledger::request::Domain;
use bisection::ledger::shape::{self, Unproven};
use bisection::ledger::{
    Body, Context, Model, Parent, Price, Registry, Rules, StepLeaf, Window, assertion_id, climb, genesis_id,
    request, witness,
};
use bisection::{Hash, tagged, tree};
use serde_json::Value;

use super::{name, named};
use crate::keys::Keys;

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    Keys::Real.recover(digest, signature)
}

fn bytes(x: &Value) -> Vec<u8> {
    let digits = x.as_str().unwrap().strip_prefix("0x").unwrap();
    let pair = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn hash(x: &Value) -> Hash {
    x.as_str().unwrap().parse().unwrap()
}

fn number(x: &Value) -> u128 {
    x.as_u64().map(u128::from).unwrap_or_else(|| x.as_str().unwrap().parse().unwrap())
}

fn u64_of(x: &Value) -> u64 {
    number(x).try_into().unwrap()
}

fn u32_of(x: &Value) -> u32 {
    number(x).try_into().unwrap()
}

fn address(x: &Value) -> [u8; 20] {
    bytes(x).try_into().unwrap()
}

fn list<'a>(file: &'a Value, section: &str) -> &'a [Value] {
    file[section].as_array().unwrap()
}

pub(super) fn check(file: &Value) {
    let r = &file["rules"];
    let rules = Rules {
        domain: Domain::new(u64_of(&r["chainId"]), address(&r["inbox"])),
        entry_fee: number(&r["entryFee"]),
        expire: u64_of(&r["expire"]),
        slack: u64_of(&r["slack"]),
        force_delay: u64_of(&r["forceDelay"]),
        forced_entries: u64_of(&r["forcedEntries"]),
    };
    assert_eq!(rules.domain.separator(), hash(&r["separator"]));
    let registry = registry(list(file, "models"));
    ids(&file["ids"]);
    list(file, "signed").iter().for_each(|case| signed(&rules, case));
    list(file, "nonces").iter().for_each(nonce);
    list(file, "accounts").iter().for_each(account);
    list(file, "batches").iter().for_each(|case| batch(&rules, &registry, case));
    list(file, "refused").iter().for_each(|case| refused(&rules, &registry, case));
    list(file, "invalid").iter().for_each(|case| step(&rules, case));
    list(file, "shapes").iter().for_each(token);
    let cases = ["signed", "nonces", "accounts", "batches", "refused", "invalid", "shapes"];
    assert!(cases.iter().all(|section| list(file, section).len() >= 6));
}

fn registry(models: &[Value]) -> Registry {
    let mut registry = Registry::new();
    for m in models {
        let id = hash(&m["id"]);
        let proof = shape::ModelProof {
            nodes: u32_of(&m["nodes"]),
            constants: u32_of(&m["constants"]),
            nodes_root: hash(&m["nodesRoot"]),
            constants_root: hash(&m["constantsRoot"]),
            interface: bytes(&m["interface"]),
        };
        assert_eq!(proof.id(), id);
        let model = Model {
            vector: number(&m["kind"]) == 1,
            token_bits: number(&m["tokenBits"]) as u8,
            context: u32_of(&m["context"]),
            vocabulary: u32_of(&m["vocabulary"]),
        };
        registry.announce(id, model);
        for p in list(m, "prices") {
            let price = Price {
                from: u64_of(&p["from"]),
                price_in: u64_of(&p["priceIn"]),
                price_out: u64_of(&p["priceOut"]),
            };
            assert_eq!(registry.schedule(&id, price), Some(u32_of(&p["version"])));
        }
    }
    registry
}

fn ids(ids: &Value) {
    let genesis = genesis_id(31_337, address(&ids["assertions"]));
    assert_eq!(genesis, hash(&ids["genesis"]));
    let id = assertion_id(
        genesis,
        hash(&ids["batchHash"]),
        address(&ids["proposer"]),
        address(&ids["defender"]),
        u64_of(&ids["postedAt"]),
    );
    assert_eq!(id, hash(&ids["assertion"]));
    let state = tagged(b"rf.state", &[&tree::pad().0, &[0; 20]]);
    assert_eq!(state, hash(&ids["genesisState"]));
}

fn signed(rules: &Rules, case: &Value) {
    let digest = rules.domain.digest(hash(&case["structHash"]));
    assert_eq!(digest, hash(&case["digest"]));
    let signature = bytes(&case["signature"]).try_into().unwrap();
    assert_eq!(request::signer(digest, &signature, &recover), Some(address(&case["signer"])));
}

fn window(next: &Value, used: &Value) -> Window {
    let used = bytes(used);
    let half = |from: usize| u128::from_be_bytes(used[from..from + 16].try_into().unwrap());
    Window { next: u64_of(next), used: [half(0), half(16)] }
}

fn nonce(case: &Value) {
    let before = window(&case["next"], &case["used"]);
    let after = before.spend(u64_of(&case["nonce"]));
    assert_eq!(after.is_ok(), case["valid"].as_bool().unwrap());
    assert_eq!(after.unwrap_or(before), window(&case["nextAfter"], &case["usedAfter"]));
}

fn account(case: &Value) {
    let leaf = tagged(b"rf.acct_", &[&bytes(&case["account"])]);
    assert_eq!(leaf, hash(&case["leaf"]));
    let appends = case["appends"].as_bool().unwrap();
    let siblings: Vec<Hash> = list(case, "siblings").iter().map(hash).collect();
    let count = u64_of(&case["count"]) + u64::from(appends);
    let start = if appends { tree::pad() } else { leaf };
    let found = climb(start, u32_of(&case["index"]), count, &mut siblings.into_iter());
    assert_eq!(found, Ok(hash(&case["root"])));
}

fn parent(case: &Value) -> Parent {
    let p = &case["parent"];
    Parent { root: hash(&p["root"]), cursor: u64_of(&p["cursor"]), inbox: hash(&p["inbox"]) }
}

fn batch(rules: &Rules, registry: &Registry, case: &Value) {
    let parent = parent(case);
    let mut acc = parent.inbox;
    for entry in list(case, "entries") {
        let entry_hash =
            tagged(b"rf.entry", &[&u64_of(&entry["index"]).to_be_bytes(), &bytes(&entry["data"])]);
        assert_eq!(entry_hash, hash(&entry["hash"]));
        acc = accumulate(acc, entry_hash);
        assert_eq!(acc, hash(&entry["accumulator"]));
    }
    let context = Context { rules, registry, parent };
    let batch = context.decode(&bytes(&case["data"])).unwrap();
    assert_eq!(batch.head.inbox_hash, acc);
    let d = context.derive(&batch).unwrap();
    let hashes = [d.batch_hash, d.items_root, d.steps_root, d.state_root];
    assert_eq!(hashes, ["batchHash", "itemsRoot", "stepsRoot", "stateRoot"].map(|field| hash(&case[field])));
    let numbers = [d.time, d.cursor, d.epoch.into(), d.first_number, d.items.into()];
    assert_eq!(
        numbers,
        ["time", "cursor", "epoch", "firstNumber", "items"].map(|field| u64_of(&case[field]))
    );
    assert_eq!(list(case, "entries").len(), d.entries as usize);
    let steps = list(case, "steps");
    assert_eq!(steps.len(), d.steps.len());
    for ((i, step), ours) in (0u32..).zip(steps).zip(&d.steps) {
        let leaf = StepLeaf {
            pre: hash(&step["pre"]),
            post: hash(&step["post"]),
            body: Body::decode(&bytes(&step["body"])).unwrap(),
        };
        assert_eq!(leaf, ours.leaf);
        assert_eq!(leaf.hash(i), hash(&step["leaf"]));
        assert_eq!(d.path(i).unwrap(), list(step, "path").iter().map(hash).collect::<Vec<_>>());
        assert_eq!(leaf.body.request().unwrap_or_default(), hash(&step["request"]));
        assert_eq!(leaf.body.item().unwrap_or_default(), hash(&step["item"]));
        assert_eq!(ours.header.map_or(vec![], |header| header.encode()), bytes(&step["header"]));
        assert_eq!(witness::check(rules, &leaf, d.time, &bytes(&step["witness"]), &recover), Ok(()));
    }
}

fn refused(rules: &Rules, registry: &Registry, case: &Value) {
    let context = Context { rules, registry, parent: parent(case) };
    let (error, step) = named(&context.decode(&bytes(&case["data"])).unwrap_err());
    assert_eq!(error, case["error"].as_str().unwrap(), "{}", case["name"]);
    assert_eq!(step.map(u64::from), case["step"].as_u64());
}

fn step(rules: &Rules, case: &Value) {
    let leaf = StepLeaf {
        pre: hash(&case["pre"]),
        post: hash(&case["post"]),
        body: Body::decode(&bytes(&case["body"])).unwrap(),
    };
    let proven = witness::check(rules, &leaf, u64_of(&case["time"]), &bytes(&case["witness"]), &recover);
    let error = proven.err().map(|why| match why {
        Unproven::Invalid(why) => name(&why),
        why => name(&why),
    });
    assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["name"]);
}

fn token(case: &Value) {
    let body = Body::decode(&bytes(&case["body"])).unwrap();
    let proven = shape::check(&body, u32_of(&case["index"]), &bytes(&case["witness"]));
    assert_eq!(proven.err().map(|why| name(&why)).as_deref(), case["error"].as_str(), "{}", case["name"]);
}
