//! Random states and steps, most at the edge of what is valid: both say the same root, or that there is none. The states need not be
//! reachable: a tree of 2^32 accounts is its siblings.

use bisection::Hash;
use bisection::ledger::inbox::{L1Request, Transfer};
use bisection::ledger::request::{Delegation, Sampling, Withdrawal};
use bisection::ledger::shape::{self, ModelProof};
use bisection::ledger::{
    Account, Body, Inference, ItemHeader, Signature, State, StepLeaf, Window, climb, witness,
};
use bisection::proof::path_len;
use bisection::{proof, tagged, tree};

use crate::dice::rounds;
use crate::keys::Keys;
use crate::stage::Stage;
use crate::world::{Dice, TIME, pack, rules};

const KEY: u8 = 7;
const DELEGATE: u8 = 107;

fn recover(digest: Hash, signature: &Signature) -> Option<[u8; 20]> {
    Keys::Real.recover(digest, signature)
}

/// A state, a step and its witness.
struct Case {
    pre: Hash,
    body: Body,
    time: u64,
    witness: Vec<u8>,
}

struct Maker {
    dice: Dice,
    account: Account,
    count: u32,
    fees: u128,
    time: u64,
    delegation: Delegation,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let index = ((dice.near(5) as u32) >> dice.roll(31)).min(u32::MAX - 1);
        let after = match dice.roll(4) {
            0 => 0,
            1 => u32::MAX - index,
            _ => dice.roll(9) as u32,
        };
        let count = index.saturating_add(1).saturating_add(after);
        let delegation = Delegation {
            account: if dice.one_in(12) { index ^ 1 } else { index },
            nonce: 3,
            delegate: if dice.one_in(12) { [0; 20] } else { Keys::Real.address(DELEGATE) },
            cap: dice.near(1 << 60),
            expiry: TIME + dice.roll(3),
            model: *dice.pick(&[Hash::default(), Hash([5; 32]), Hash([6; 32])]),
            max_price_in: dice.near(1 << 40) as u64,
            max_price_out: dice.near(1 << 40) as u64,
        };
        let digest = delegation.digest(&rules().domain);
        let account = Account {
            index,
            owner: if dice.one_in(12) { [0; 20] } else { Keys::Real.address(KEY) },
            balance: dice.near(1 << 70),
            window: Window { next: dice.near(300) as u64, used: [dice.near(1), dice.near(1)] },
            delegation_nonce: dice.near(3) as u64,
            delegation: *dice.pick(&[digest, digest, digest, Hash::default(), Hash([1; 32])]),
            spent: dice.near(1 << 59),
        };
        let fees = if dice.one_in(3) { dice.near(0) } else { dice.roll(1 << 62).into() };
        let time = TIME + dice.roll(3);
        Self { dice, account, count, fees, time, delegation }
    }

    fn nonce(&mut self) -> u64 {
        let next = self.account.window.next;
        match self.dice.roll(6) {
            0 => next.wrapping_sub(254 + self.dice.roll(5)),
            1 => next.wrapping_add((1 << 32) - 2 + self.dice.roll(4)),
            2 => next.wrapping_sub(1 + self.dice.roll(258)),
            3 => self.dice.near(next.into()) as u64,
            _ => next.wrapping_add(self.dice.roll(258)),
        }
    }

    /// The named account; rarely another.
    fn index(&mut self) -> u32 {
        if self.dice.one_in(20) { self.dice.near(self.count.into()) as u32 } else { self.account.index }
    }

    fn sign(&mut self, key: u8, digest: Hash) -> Signature {
        let mut signature = match self.dice.roll(24) {
            0 => Keys::Real.sign(key ^ 1, digest),
            1 => Keys::Real.sign(key, Hash([2; 32])),
            2 => [0; 64],
            3 => self.dice.bytes(),
            _ => Keys::Real.sign(key, digest),
        };
        match self.dice.roll(24) {
            0 => signature[32] ^= 0x80,
            1 => {
                let other = high(&signature);
                signature[32..].copy_from_slice(&other);
            }
            2 => signature[..32].fill(if self.dice.one_in(2) { 0 } else { 0xff }),
            _ => {}
        }
        signature
    }

    fn transfer(&mut self, amount: u128) -> Transfer {
        let (index, owner) = (self.index(), self.account.owner);
        let owner = if self.dice.one_in(10) { [3; 20] } else { owner };
        Transfer { time: self.time, account: index, owner, amount: self.dice.near(amount) }
    }

    fn body(&mut self) -> Body {
        let (a, domain) = (self.account, rules().domain);
        match self.dice.roll(9) {
            0 => Body::Deposit(self.transfer(u128::MAX - a.balance)),
            1 => {
                // The next account.
                let account = if self.dice.one_in(4) { self.index() } else { self.count };
                Body::Deposit(Transfer { account, ..self.transfer(1 << 60) })
            }
            2 => {
                let entry = self.transfer(a.balance);
                let due = entry.amount.min(a.balance);
                Body::Forced { entry, paid: if self.dice.one_in(4) { self.dice.near(due) } else { due } }
            }
            3 => self.l1_request(),
            4 => {
                let order = Withdrawal {
                    account: self.index(),
                    nonce: self.nonce(),
                    amount: self.dice.near(a.balance),
                    to: self.dice.bytes(),
                    valid_until: self.time + self.dice.roll(4) - 1,
                };
                let request = order.digest(&domain);
                Body::Withdrawal { order, signature: self.sign(KEY, request), request }
            }
            5 => {
                let nonce = self.dice.near(a.delegation_nonce.into()) as u64;
                let order = Delegation { account: self.index(), nonce, ..self.delegation };
                let request = order.digest(&domain);
                Body::Delegation { order, signature: self.sign(KEY, request), request }
            }
            _ => self.inference(),
        }
    }

    fn l1_request(&mut self) -> Body {
        let dice = &mut self.dice;
        let max_tokens = dice.near(50) as u32;
        let item = if dice.one_in(3) { Hash::default() } else { Hash(dice.bytes()) };
        let entry = L1Request {
            time: 1,
            sender: [1; 20],
            model: Hash([5; 32]),
            prompt: Hash([4; 32]),
            prompt_length: dice.near(70) as u32,
            max_tokens,
            sampling: Sampling::GREEDY,
            seed: Hash::default(),
            price_in: dice.near(1 << 30) as u64,
            price_out: dice.near(1 << 30) as u64,
            callback_gas: 0,
        };
        let output_length = dice.near(max_tokens.into()) as u32;
        Body::Request { entry, request: Hash([8; 32]), item, output_length }
    }

    fn inference(&mut self) -> Body {
        let delegated = self.dice.one_in(2);
        let flags = self.dice.roll(4) as u8 | if delegated { Inference::DELEGATED } else { 0 };
        let d = self.delegation;
        let (price_in, price_out) = if delegated && !self.dice.one_in(3) {
            (d.max_price_in >> self.dice.roll(30), d.max_price_out >> self.dice.roll(30))
        } else {
            (self.dice.near(1 << 20) as u64, self.dice.near(1 << 20) as u64)
        };
        let edge = |dice: &mut Dice, x: u128| if dice.one_in(3) { dice.near(x) as u32 } else { x as u32 };
        let (prompt_length, max_tokens) = (edge(&mut self.dice, 7), edge(&mut self.dice, 9));
        let limit =
            u128::from(price_in) * u128::from(prompt_length) + u128::from(price_out) * u128::from(max_tokens);
        // The state that such a request is at the edge of.
        if self.dice.one_in(3) {
            self.account.balance = self.dice.near(limit);
        }
        if delegated && self.dice.one_in(3) {
            self.account.spent = self.dice.near(d.cap.wrapping_sub(limit));
        }
        let request = Hash(self.dice.bytes());
        let signer = if delegated { DELEGATE } else { KEY };
        let call = Inference {
            flags,
            model: 0,
            account: self.index(),
            nonce: self.nonce(),
            prompt_length,
            output_length: edge(&mut self.dice, u128::from(max_tokens / 2)),
            max_tokens,
            max_fee: if self.dice.one_in(3) { self.dice.near(limit) } else { u128::MAX },
            valid_until: self.time + self.dice.roll(4) - 1,
            signature: self.sign(signer, request),
        };
        let model = *self.dice.pick(&[d.model, d.model, Hash([5; 32])]);
        Body::Inference { call, request, item: Hash([2; 32]), model, price_in, price_out }
    }

    fn case(mut self) -> Case {
        let body = self.body();
        let appends = matches!(body, Body::Deposit(e) if e.account == self.count);
        let shown = if appends && !self.dice.one_in(10) {
            Account { index: self.count, ..Account::default() }
        } else {
            self.account
        };
        let index = if appends { self.count } else { self.account.index };
        let leaves = u64::from(self.count) + u64::from(appends);
        let siblings = (0..path_len(leaves, index.into())).map(|_| Hash(self.dice.bytes()));
        let siblings: Vec<Hash> = siblings.collect();
        let leaf = if appends { tree::pad() } else { shown.leaf() };
        let accounts_root = climb(leaf, index, leaves, &mut siblings.iter().copied()).unwrap();
        let state = State { accounts_root, accounts: self.count, fees: self.fees };
        let mut witness = accounts_root.0.to_vec();
        witness.extend(self.count.to_be_bytes());
        witness.extend(self.fees.to_be_bytes());
        if body.account().is_some() {
            witness.extend(&shown.encode()[4..]);
            siblings.iter().for_each(|sibling| witness.extend(sibling.0));
        }
        if body.delegated() {
            witness.extend(fields(&self.delegation));
        }
        if self.dice.one_in(12) {
            witness = self.dice.broken(&witness);
        }
        Case { pre: state.root(), body, time: self.time, witness }
    }
}

/// The other s of a signature.
fn high(signature: &Signature) -> [u8; 32] {
    let order = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
        0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41u8,
    ];
    let mut out = [0; 32];
    let mut borrow = 0;
    for i in (0..32).rev() {
        let s = if i == 0 { signature[32] & 0x7f } else { signature[32 + i] };
        let x = i16::from(order[i]) - i16::from(s) - borrow;
        (out[i], borrow) = (x.rem_euclid(256) as u8, i16::from(x < 0));
    }
    out
}

/// A delegation as a witness shows it.
fn fields(d: &Delegation) -> Vec<u8> {
    let mut out = d.account.to_be_bytes().to_vec();
    out.extend(d.nonce.to_be_bytes());
    out.extend(d.delegate);
    out.extend(d.cap.to_be_bytes());
    out.extend(d.expiry.to_be_bytes());
    out.extend(d.model.0);
    out.extend(d.max_price_in.to_be_bytes());
    out.extend(d.max_price_out.to_be_bytes());
    out
}

fn stage() -> Stage {
    Stage::new(rules(), &[])
}

#[test]
fn a_step_has_the_same_root_or_none() {
    let mut stage = stage();
    let (mut valid, mut invalid) = (0, 0);
    rounds(4_000, |seed| {
        let Case { pre, body, time, witness } = Maker::new(seed).case();
        let ours = witness::execute(&stage.rules, pre, &body, time, &witness, &recover);
        let theirs = stage.execute(pre, &body.encode(), time, &witness);
        match (&ours, &theirs) {
            (Ok(root), Ok(other)) => assert_eq!(root, other, "{body:?}"),
            (Err(_), Err(_)) => {}
            _ => panic!("{ours:?} {theirs:?} {body:?}"),
        }
        *if ours.is_ok() { &mut valid } else { &mut invalid } += 1;
        if let Ok(post) = ours {
            let leaf = StepLeaf { pre, post, body };
            assert_eq!(stage.prove(&leaf, time, &witness), Ok(()));
            assert!(stage.prove(&StepLeaf { post: pre, ..leaf }, time, &witness).is_err() || pre == post);
        }
    });
    eprintln!("valid: {valid}; invalid: {invalid}");
    assert!(valid > 300 && invalid > 300 || std::env::var_os("REFUTE_PARITY_SEED").is_some());
}

#[test]
fn bytes_of_a_step_are_read_the_same() {
    let mut stage = stage();
    rounds(1_000, |seed| {
        let Case { pre, body, time, witness } = Maker::new(seed).case();
        let mut dice = Dice(!seed);
        let bytes = dice.broken(&body.encode());
        let body = Body::decode(&bytes);
        let ours = body.map(|body| {
            assert_eq!(body.encode(), bytes, "a step has one encoding");
            witness::execute(&stage.rules, pre, &body, time, &witness, &recover).ok()
        });
        let theirs = stage.execute(pre, &bytes, time, &witness);
        assert_eq!(ours.flatten(), theirs.ok(), "{bytes:?}");
    });
}

/// A question of tokens: an output of a few chunks whose last tokens stop or do not.
fn question(dice: &mut Dice) -> (Body, u32, Vec<u8>) {
    let bits = 1 + dice.roll(32) as u8;
    let most = u32::MAX >> (32 - u32::from(bits));
    let vocabulary = (most - (dice.roll(3) as u32).min(most)).max(1);
    let output_length = if dice.one_in(3) { 1 + dice.roll(1_200) as u32 } else { 1 + dice.roll(5) as u32 };
    let prompt_length = 1 + dice.roll(3) as u32;
    let max_tokens = dice.near(output_length.into()) as u32;
    let context = dice.near(u128::from(output_length + prompt_length)) as u32;
    let any = u64::from(most) + 1;
    let tokens: Vec<u32> = (0..output_length).map(|_| dice.roll(any) as u32).collect();
    let stops: Vec<u32> = match dice.roll(3) {
        0 => vec![],
        1 => vec![tokens[tokens.len() - 1], 5],
        _ => (0..1 + dice.roll(4)).map(|_| dice.roll(any) as u32).collect(),
    };
    let mut interface = vocabulary.to_be_bytes().to_vec();
    interface.extend(context.to_be_bytes());
    interface.extend([0; 73]);
    interface.extend((stops.len() as u32).to_be_bytes());
    stops.iter().for_each(|stop| interface.extend(stop.to_be_bytes()));
    let model = ModelProof {
        nodes: 1,
        constants: 2,
        nodes_root: Hash([1; 32]),
        constants_root: Hash([2; 32]),
        interface,
    };
    let packed = pack(&tokens, bits);
    let header = ItemHeader {
        model: model.id(),
        vector: dice.one_in(15),
        token_bits: bits,
        prompt_length,
        output_length,
        sampling: Sampling::GREEDY,
        seed: Hash::default(),
        prompt_root: Hash([3; 32]),
        output_root: tree::tensor_root(&packed),
    };
    let item = if dice.one_in(15) { Hash::default() } else { header.hash() };
    let last = output_length - 1;
    let index = *dice.pick(&[0, last, last, last.saturating_sub(1), output_length, u32::MAX]);
    let index = if dice.one_in(2) { dice.roll(output_length.into()) as u32 } else { index };
    let body = body_of(dice, item, output_length, max_tokens, header.model);
    if item == Hash::default() {
        return (body, index, Vec::new());
    }
    let mut witness = header.encode();
    if !header.vector && index < output_length {
        witness.extend(model_header(&model));
        witness.extend(&model.interface);
        let (first, per) = (u64::from(index) * u64::from(bits), 4_096);
        let (lo, hi) = (first / per, (first + u64::from(bits) - 1) / per + 1);
        let chunks = packed.chunks(512).skip(lo as usize).take((hi - lo) as usize);
        chunks.for_each(|chunk| witness.extend(chunk));
        let hashes = tree::chunk_hashes(0, packed.chunks(512));
        proof::range(hashes, lo, hi).unwrap().iter().for_each(|sibling| witness.extend(sibling.0));
    }
    (body, index, witness)
}

fn model_header(model: &ModelProof) -> Vec<u8> {
    let mut out = model.nodes.to_be_bytes().to_vec();
    out.extend(model.constants.to_be_bytes());
    out.extend(model.nodes_root.0);
    out.extend(model.constants_root.0);
    out.extend(tagged(b"rf.iface", &[&model.interface]).0);
    out
}

fn body_of(dice: &mut Dice, item: Hash, output_length: u32, max_tokens: u32, model: Hash) -> Body {
    let body = Maker::new(dice.roll(u64::MAX));
    match dice.roll(5) {
        0 => Maker { ..body }.body(),
        1 | 2 => {
            let mut maker = body;
            let Body::Request { entry, request, .. } = maker.l1_request() else { unreachable!() };
            Body::Request { entry: L1Request { max_tokens, ..entry }, request, item, output_length }
        }
        _ => {
            let mut maker = body;
            let Body::Inference { call, request, price_in, price_out, .. } = maker.inference() else {
                unreachable!()
            };
            let call = Inference { max_tokens, output_length, ..call };
            Body::Inference { call, request, item, model, price_in, price_out }
        }
    }
}

#[test]
fn a_token_is_proven_by_both_or_by_none() {
    let mut stage = stage();
    let (mut proven, mut not) = (0, 0);
    rounds(3_000, |seed| {
        let mut dice = Dice(seed);
        let (body, index, mut witness) = question(&mut dice);
        if dice.one_in(6) {
            witness = dice.broken(&witness);
        }
        let ours = shape::check(&body, index, &witness);
        let theirs = stage.shape(&body.encode(), index, &witness);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?} {body:?} {index}");
        *if ours.is_ok() { &mut proven } else { &mut not } += 1;
    });
    eprintln!("proven: {proven}; not: {not}");
    assert!(proven > 300 && not > 300 || std::env::var_os("REFUTE_PARITY_SEED").is_some());
}
