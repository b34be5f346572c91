//! Every section of bisection/vectors/ledger.json, asked of the contracts.

use alloy::primitives::{Address, Bytes, U256, Uint};
use alloy::sol_types::{SolInterface, SolValue};
use bindings::assertions::Assertions::{self, Derived};
use bindings::batches::Batches::BatchesErrors;
use bindings::ledger_verifier::LedgerVerifier::LedgerVerifierErrors;
use bindings::model_registry::ModelRegistry::ModelRegistryErrors;
use bindings::receipts::Receipts::{self, Receipt};
use bindings::shape_verifier::ShapeVerifier::ShapeVerifierErrors;
use bisection::ledger::inbox::Transfer;
use bisection::ledger::request::{Domain, Withdrawal};
use bisection::ledger::shape::ModelProof;
use bisection::ledger::{Account, Body, Parent, Price, Rules, State, StepLeaf, Window, climb};
use bisection::{Hash, keccak256, proof, tagged, tree};
use serde_json::Value;

use crate::evm::DEPLOYER;
use crate::keys::Keys;
use crate::stage::{Queue, Stage};

fn file() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../bisection/vectors/ledger.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
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
    let list = file[section].as_array().unwrap();
    assert!(!list.is_empty(), "{section}");
    list
}

fn model(m: &Value) -> (ModelProof, Vec<Price>) {
    let proof = ModelProof {
        nodes: u32_of(&m["nodes"]),
        constants: u32_of(&m["constants"]),
        nodes_root: hash(&m["nodesRoot"]),
        constants_root: hash(&m["constantsRoot"]),
        interface: bytes(&m["interface"]),
    };
    let price = |p: &Value| Price {
        from: u64_of(&p["from"]),
        price_in: u64_of(&p["priceIn"]),
        price_out: u64_of(&p["priceOut"]),
    };
    (proof, list(m, "prices").iter().map(price).collect())
}

fn stage(file: &Value) -> Stage {
    let r = &file["rules"];
    let rules = Rules {
        domain: Domain::new(u64_of(&r["chainId"]), address(&r["inbox"])),
        entry_fee: number(&r["entryFee"]),
        expire: u64_of(&r["expire"]),
        slack: u64_of(&r["slack"]),
        force_delay: u64_of(&r["forceDelay"]),
        forced_entries: u64_of(&r["forcedEntries"]),
    };
    let models = list(file, "models");
    let mut stage = Stage::new(rules, &models.iter().map(model).collect::<Vec<_>>());
    for m in models {
        let terms = stage.model(hash(&m["id"]));
        let due = ["kind", "tokenBits", "context", "vocabulary"].map(|field| u32_of(&m[field]));
        assert_eq!(terms, (due[0] as u8, due[1] as u8, due[2], due[3]));
    }
    stage
}

/// The name of a contract's error.
fn name<E: SolInterface + std::fmt::Debug>(error: &Bytes) -> Option<String> {
    let text = format!("{:?}", E::abi_decode(error).ok()?);
    text.split(|c: char| !c.is_alphanumeric()).next().map(str::to_string)
}

fn posting_error(error: &Bytes) -> String {
    let name = name::<BatchesErrors>(error).or_else(|| name::<ModelRegistryErrors>(error));
    name.unwrap_or_else(|| panic!("unknown: {error}"))
}

#[test]
fn ids() {
    let file = file();
    let ids = &file["ids"];
    let stage = stage(&file);
    let (inbox, mut evm) = (stage.inbox, stage.evm);
    // Games and vault, of which an append asks how high the stake is: a word of zeros, whatever the question.
    let code = [0x63, 0x60, 0x20, 0x5f, 0xf3, 0x5f, 0x52, 0x60, 4, 0x60, 28, 0xf3];
    let zeros = evm.deploy(&Bytes::copy_from_slice(&code), &[]);
    let at = Address::from(address(&ids["assertions"]));
    let proposer = Address::from(address(&ids["proposer"]));
    let defender = Address::from(address(&ids["defender"]));
    let arguments = (zeros, zeros, inbox, zeros, vec![DEPLOYER], proposer).abi_encode_params();
    evm.deploy_at(at, &Assertions::BYTECODE, &arguments);
    let tip = evm.ask(at, &Assertions::tipCall {}).unwrap();
    assert_eq!((tip.assertion.0, tip.stateRoot.0), (hash(&ids["genesis"]).0, hash(&ids["genesisState"]).0));
    evm.now = u64_of(&ids["postedAt"]);
    let derived = Derived {
        batchHash: hash(&ids["batchHash"]).0.into(),
        itemsRoot: Default::default(),
        stepsRoot: Default::default(),
        stateRoot: Default::default(),
        time: Uint::ZERO,
        cursor: 0,
        epoch: 0,
        firstNumber: 0,
        items: 0,
        steps: 0,
        entries: 0,
    };
    let id = evm.send(at, &Assertions::appendCall { parent: tip.assertion, proposer, defender, derived });
    assert_eq!(id.0, hash(&ids["assertion"]).0);
}

/// A state of one account, and the witness of it.
fn alone(account: &Account) -> (State, Vec<u8>) {
    let accounts_root = climb(account.leaf(), 0, 1, &mut [].into_iter()).unwrap();
    let state = State { accounts_root, accounts: 1, fees: 0 };
    (state, witness(&state, account, &[]))
}

fn witness(state: &State, account: &Account, siblings: &[Hash]) -> Vec<u8> {
    let mut out = state.accounts_root.0.to_vec();
    out.extend(state.accounts.to_be_bytes());
    out.extend(state.fees.to_be_bytes());
    out.extend(&account.encode()[4..]);
    siblings.iter().for_each(|sibling| out.extend(sibling.0));
    out
}

/// A withdrawal of nothing whose request hash is said.
fn signed(nonce: u64, request: Hash, signature: [u8; 64]) -> Body {
    let order = Withdrawal { account: 0, nonce, amount: 0, to: [0; 20], valid_until: u64::MAX };
    Body::Withdrawal { order, signature, request }
}

#[test]
fn signatures_are_of_the_digests() {
    let file = file();
    let mut stage = stage(&file);
    for case in list(&file, "signed") {
        let (digest, signer) = (hash(&case["digest"]), address(&case["signer"]));
        assert_eq!(stage.rules.domain.digest(hash(&case["structHash"])), digest);
        if case["type"] == "Receipt" {
            assert_eq!(receipt_digest(&mut stage, case), digest);
        }
        let signature: [u8; 64] = bytes(&case["signature"]).try_into().unwrap();
        let account = Account::new(0, signer, 5);
        let (state, shown) = alone(&account);
        let body = signed(0, digest, signature);
        let window = Window { next: 1, used: [0, 1] };
        let (after, _) = alone(&Account { window, ..account });
        assert_eq!(stage.execute(state.root(), &body.encode(), 0, &shown), Ok(after.root()));
        for other in [
            signed(0, keccak256(&digest.0), signature),
            signed(0, digest, {
                let mut s = signature;
                s[32] ^= 0x80;
                s
            }),
        ] {
            let error = stage.execute(state.root(), &other.encode(), 0, &shown).unwrap_err();
            assert_eq!(name::<LedgerVerifierErrors>(&error).unwrap(), "NotSigned");
        }
    }
}

/// By the contract that judges receipts. (What accounts sign is hashed where batches are parsed: see `batches`.)
fn receipt_digest(stage: &mut Stage, case: &Value) -> Hash {
    let at = |field: &str| Address::from(address(&case[field]));
    let receipt = Receipt {
        proposer: at("proposer"),
        epoch: u32_of(&case["epoch"]),
        number: u64_of(&case["number"]),
        request: hash(&case["request"]).0.into(),
        output: hash(&case["output"]).0.into(),
        deadline: u64_of(&case["deadline"]),
        payee: at("payee"),
    };
    let arguments = (Address::ZERO, stage.inbox, Address::ZERO, 1u128, 1u64).abi_encode_params();
    let receipts = stage.evm.deploy(&Receipts::BYTECODE, &arguments);
    Hash(stage.evm.ask(receipts, &Receipts::digestOfCall { receipt }).unwrap().0)
}

#[test]
fn nonces() {
    let file = file();
    let mut stage = stage(&file);
    let digest = keccak256(b"any");
    let window = |next: &Value, used: &Value| {
        let used = bytes(used);
        let half = |from: usize| u128::from_be_bytes(used[from..from + 16].try_into().unwrap());
        Window { next: u64_of(next), used: [half(0), half(16)] }
    };
    for case in list(&file, "nonces") {
        let before = Account {
            window: window(&case["next"], &case["used"]),
            ..Account::new(0, Keys::Real.address(1), 5)
        };
        let (state, shown) = alone(&before);
        let body = signed(u64_of(&case["nonce"]), digest, Keys::Real.sign(1, digest));
        match stage.execute(state.root(), &body.encode(), 0, &shown) {
            Ok(root) => {
                assert!(case["valid"].as_bool().unwrap(), "{case}");
                let window = window(&case["nextAfter"], &case["usedAfter"]);
                assert_eq!(root, alone(&Account { window, ..before }).0.root(), "{case}");
            }
            Err(error) => {
                assert!(!case["valid"].as_bool().unwrap(), "{case}");
                assert_eq!(name::<LedgerVerifierErrors>(&error).unwrap(), "BadNonce");
            }
        }
    }
}

#[test]
fn accounts() {
    let file = file();
    let mut stage = stage(&file);
    for case in list(&file, "accounts") {
        let fields = bytes(&case["account"]);
        assert_eq!(tagged(b"rf.acct_", &[&fields]), hash(&case["leaf"]));
        let (index, count) = (u32_of(&case["index"]), u32_of(&case["count"]));
        let siblings: Vec<Hash> = case["siblings"].as_array().unwrap().iter().map(hash).collect();
        let state = State { accounts_root: hash(&case["root"]), accounts: count, fees: 0 };
        let owner = fields[4..24].try_into().unwrap();
        let (body, shown, after) = if case["appends"].as_bool().unwrap() {
            let body = Body::Deposit(Transfer { time: 1, account: index, owner, amount: 9 });
            let leaf = Account::new(index, owner, 9).leaf();
            let path = &mut siblings.iter().copied();
            let accounts_root = climb(leaf, index, u64::from(count) + 1, path).unwrap();
            let after = State { accounts_root, accounts: count + 1, fees: 0 };
            (body, witness(&state, &Account::default(), &siblings), after)
        } else {
            // A forced withdrawal of nothing changes the fees alone.
            let entry = Transfer { time: 1, account: index, owner, amount: 0 };
            let mut shown = witness(&state, &Account::default(), &siblings);
            shown[52..184].copy_from_slice(&fields[4..]);
            (Body::Forced { entry, paid: 0 }, shown, State { fees: stage.rules.entry_fee, ..state })
        };
        assert_eq!(stage.execute(state.root(), &body.encode(), 1, &shown), Ok(after.root()), "{case}");
    }
}

fn parent(case: &Value) -> Parent {
    let p = &case["parent"];
    Parent { root: hash(&p["root"]), cursor: u64_of(&p["cursor"]), inbox: hash(&p["inbox"]) }
}

#[test]
fn batches() {
    let file = file();
    let mut stage = stage(&file);
    for case in list(&file, "batches") {
        let accumulators = case["entries"].as_array().unwrap().iter();
        let accumulators: Vec<(u64, Hash)> =
            accumulators.map(|entry| (u64_of(&entry["index"]) + 1, hash(&entry["accumulator"]))).collect();
        let cursor = u64_of(&case["cursor"]);
        stage.set(&parent(case), &Queue { count: cursor, accumulators, left: (cursor, 0) });
        let time = u64_of(&case["time"]);
        let d = stage.derive(time, &bytes(&case["data"])).unwrap();
        let hashes = [d.batchHash, d.itemsRoot, d.stepsRoot, d.stateRoot].map(|found| Hash(found.0));
        assert_eq!(
            hashes,
            ["batchHash", "itemsRoot", "stepsRoot", "stateRoot"].map(|field| hash(&case[field]))
        );
        let numbers = [d.time.to(), d.cursor, d.epoch.into(), d.firstNumber, d.items.into()];
        assert_eq!(
            numbers,
            ["time", "cursor", "epoch", "firstNumber", "items"].map(|field| u64_of(&case[field]))
        );
        let steps = list(case, "steps");
        assert_eq!(usize::from(d.steps), steps.len());
        for (i, step) in (0u64..).zip(steps) {
            let body = Body::decode(&bytes(&step["body"])).unwrap();
            let leaf = StepLeaf { pre: hash(&step["pre"]), post: hash(&step["post"]), body };
            assert_eq!(leaf.hash(i as u32), hash(&step["leaf"]));
            let path = step["path"].as_array().unwrap().iter().map(hash).collect::<Vec<_>>();
            let root = proof::path_root(d.steps.into(), i, hash(&step["leaf"]), &mut path.into_iter());
            assert_eq!(root, Ok(Hash(d.stepsRoot.0)));
            let shown = bytes(&step["witness"]);
            assert_eq!(stage.prove(&leaf, time, &shown), Ok(()));
            let error = stage.prove(&StepLeaf { post: tree::pad(), ..leaf }, time, &shown).unwrap_err();
            assert_eq!(name::<LedgerVerifierErrors>(&error).unwrap(), "NotProven");
        }
    }
}

/// The twin's error as the contracts name it. A model may be wrong in the head or in a step.
fn as_posted(error: &str, step: bool) -> &str {
    match error {
        "Version" => "BadVersion",
        "Cursor" => "BadCursor",
        "StepCount" => "BadStepCount",
        "Table" => "BadTable",
        "Model" if step => "WrongModel",
        "Model" => "UnknownModel",
        "Price" => "NotInForce",
        "Entries" => "WrongEntries",
        "Leftover" => "LeftoverBytes",
        "Short" => "ShortData",
        "Op" => "WrongOp",
        "Flags" => "BadFlags",
        "Sampling" | "Seed" => "BadSampling",
        "Length" => "BadLength",
        "Young" => "TooYoung",
        "Token" => "BadToken",
        same => same,
    }
}

#[test]
fn refused() {
    let file = file();
    let mut stage = stage(&file);
    for case in list(&file, "refused") {
        let (data, parent) = (bytes(&case["data"]), parent(case));
        // The inbox is as the head says, so that this is not what is wrong.
        let field =
            |from: usize| data.get(from..from + 8).map_or(0, |x| u64::from_be_bytes(x.try_into().unwrap()));
        let (time, cursor) = (field(1), field(21));
        let accumulators = data.get(29..61).map(|acc| (cursor, Hash(acc.try_into().unwrap())));
        let accumulators = accumulators.into_iter().collect();
        stage.set(&parent, &Queue { count: cursor.max(parent.cursor), accumulators, left: (cursor, 0) });
        let step = case["step"].as_u64();
        let error = stage.derive(time, &data).expect_err(case["name"].as_str().unwrap());
        let due = as_posted(case["error"].as_str().unwrap(), step.is_some());
        // Another length makes other bytes of what follows: the contract has read the prompt when it looks at lengths.
        let found = posting_error(&error);
        let same =
            found == due || due == "BadLength" && ["LooseBits", "BadToken", "ShortData"].contains(&&*found);
        assert!(same, "{found} {due} {}", case["name"]);
        if let Some(step) = step {
            assert_eq!(U256::from_be_slice(&error[4..36]), U256::from(step), "{}", case["name"]);
        }
    }
}

/// The twin's error as the verifier names it.
fn as_executed(error: &str) -> &str {
    match error {
        "Root" => "NotProven",
        "Owner" => "WrongOwner",
        "Paid" => "WrongPaid",
        "Nonce" => "BadNonce",
        "MaxFee" => "FeeTooHigh",
        "Balance" => "Overspent",
        "Signer" => "NotSigned",
        same => same,
    }
}

#[test]
fn invalid() {
    let file = file();
    let mut stage = stage(&file);
    for case in list(&file, "invalid") {
        let body = Body::decode(&bytes(&case["body"])).unwrap();
        let leaf = StepLeaf { pre: hash(&case["pre"]), post: hash(&case["post"]), body };
        let found = stage.prove(&leaf, u64_of(&case["time"]), &bytes(&case["witness"]));
        let error = found.err().map(|error| name::<LedgerVerifierErrors>(&error).unwrap());
        assert_eq!(error.as_deref(), case["error"].as_str().map(as_executed), "{}", case["name"]);
    }
}

#[test]
fn shapes() {
    let file = file();
    let mut stage = stage(&file);
    for case in list(&file, "shapes") {
        let found = stage.shape(&bytes(&case["body"]), u32_of(&case["index"]), &bytes(&case["witness"]));
        let error = found.err().map(|error| name::<ShapeVerifierErrors>(&error).unwrap());
        let due = case["error"].as_str().map(|error| if error == "NoToken" { "NoSuchToken" } else { error });
        assert_eq!(error.as_deref(), due, "{}", case["name"]);
    }
}
