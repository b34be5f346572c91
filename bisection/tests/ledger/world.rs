//! A rollup in a few hundred lines: an inbox that makes what the contract would, account holders, and random batches of them.

use std::collections::BTreeMap;

use bisection::ledger::inbox::{Entry, L1Request, Transfer, accumulate};
use bisection::ledger::request::{Delegation, Domain, Request, Sampling, Withdrawal};
use bisection::ledger::shape::ModelProof;
use bisection::ledger::{
    Account, Built, Choice, Context, Draft, Ledger, Model, Opening, Parent, Price, Registry, Rules, Step,
};
use bisection::tree::tensor_root;
use bisection::{Hash, keccak256};

use crate::keys::Keys;

/// splitmix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

pub(crate) const TIME: u64 = 1_800_000_000;

pub(crate) fn rules() -> Rules {
    Rules {
        domain: Domain::new(31_337, [0x1b; 20]),
        entry_fee: 500_000_000_000_000,
        expire: 1_209_600,
        slack: 900,
        force_delay: 21_600,
        forced_entries: 8,
    }
}

/// A model whose id commits to its interface.
pub(crate) struct Offered {
    pub(crate) id: Hash,
    pub(crate) model: Model,
    pub(crate) proof: ModelProof,
}

fn offered(name: &str, vector: bool, vocabulary: u32, context: u32, stops: &[u32]) -> Offered {
    let mut interface = vocabulary.to_be_bytes().to_vec();
    interface.extend(context.to_be_bytes());
    interface.push(u8::from(vector));
    interface.extend([0, 0, 0, 7, 0, 0, 0, 9]);
    interface.extend(keccak256(name.as_bytes()).0);
    interface.extend([0; 32]);
    interface.extend((stops.len() as u32).to_be_bytes());
    stops.iter().for_each(|stop| interface.extend(stop.to_be_bytes()));
    let (nodes_root, constants_root) = (keccak256(b"nodes"), keccak256(b"constants"));
    let proof = ModelProof { nodes: 10, constants: 3, nodes_root, constants_root, interface };
    let token_bits = (32 - (vocabulary - 1).leading_zeros()).max(1) as u8;
    Offered { id: proof.id(), model: Model { vector, token_bits, context, vocabulary }, proof }
}

/// Three models in the order of their ids: 17 bits a token, which straddle chunks, and all of them are tokens; 10 bits, not all
/// of them; a vector.
pub(crate) fn models() -> Vec<Offered> {
    let mut all = vec![
        offered("words", false, 1 << 17, 9_000, &[2, 40_000]),
        offered("letters", false, 1_000, 64, &[0, 999]),
        offered("vector", true, 300, 512, &[]),
    ];
    all.sort_by_key(|model| model.id);
    all
}

pub(crate) fn pack(tokens: &[u32], bits: u8) -> Vec<u8> {
    let stream: Vec<u8> =
        tokens.iter().flat_map(|t| (0..bits).rev().map(move |b| (t >> b & 1) as u8)).collect();
    stream.chunks(8).map(|c| c.iter().fold(0, |byte, bit| byte << 1 | bit) << (8 - c.len())).collect()
}

/// What was paid in and out, to be compared with the state.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) paid_in: u128,
    pub(crate) paid_out: u128,
}

pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) registry: Registry,
    pub(crate) models: Vec<Offered>,
    pub(crate) keys: Keys,
    pub(crate) dice: Dice,
    pub(crate) ledger: Ledger,
    pub(crate) parent: Parent,
    pub(crate) time: u64,
    pub(crate) number: u64,
    pub(crate) tally: Tally,
    pub(crate) entries: Vec<Entry>,
    /// Key of each account's owner.
    owners: Vec<u8>,
    /// Key of each account's delegate, and what it was given.
    delegates: BTreeMap<u32, (u8, Delegation)>,
    nonces: BTreeMap<u32, u64>,
}

impl World {
    pub(crate) fn new(keys: Keys, seed: u64) -> Self {
        let (rules, models) = (rules(), models());
        let mut registry = Registry::new();
        for (i, offered) in (1u64..).zip(&models) {
            registry.announce(offered.id, offered.model);
            registry.schedule(&offered.id, Price { from: 1_000, price_in: i, price_out: 10 * i }).unwrap();
            let later = Price { from: TIME + 50_000, price_in: 2 * i, price_out: 30 * i };
            registry.schedule(&offered.id, later).unwrap();
        }
        let ledger = Ledger::genesis(rules);
        let parent = Parent { root: ledger.root(), ..Parent::default() };
        Self {
            rules,
            registry,
            models,
            keys,
            dice: Dice(seed),
            ledger,
            parent,
            time: TIME,
            number: 0,
            tally: Tally::default(),
            entries: Vec::new(),
            owners: Vec::new(),
            delegates: BTreeMap::new(),
            nonces: BTreeMap::new(),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { rules: &self.rules, registry: &self.registry, parent: self.parent }
    }

    /// All models with the versions in force.
    pub(crate) fn table(&self, time: u64) -> Vec<Choice> {
        let version = |id: &Hash| self.registry.price_at(id, time).unwrap().0;
        self.models.iter().map(|m| Choice { model: m.id, version: version(&m.id) }).collect()
    }

    pub(crate) fn opening(&self) -> Opening {
        Opening { time: self.time, epoch: 3, first_number: self.number, table: self.table(self.time) }
    }

    /// A random batch on the last one, which the world goes on from.
    pub(crate) fn batch(&mut self, entries: u64, items: u64) -> Built {
        self.time += self.dice.roll(20_000);
        let (registry, keys) = (self.registry.clone(), self.keys);
        let mut draft = Draft::new(&registry, self.parent, self.ledger.clone(), self.opening()).unwrap();
        let recover = |digest: Hash, signature: &_| keys.recover(digest, signature);
        for _ in 0..entries {
            let step = self.entry(&draft);
            draft.push(step, &recover).expect("what the inbox made is valid");
        }
        let (mut taken, mut tries) = (0, 0);
        while taken < items && tries < 20 * items && !draft.ledger().accounts().is_empty() {
            tries += 1;
            let (before, len) = (draft.ledger().root(), draft.steps().len());
            let step = self.item(draft.ledger());
            match draft.push(step.clone(), &recover) {
                Ok(root) => {
                    assert_ne!(root, before, "every signed item changes its account");
                    self.note(&step);
                    taken += 1;
                }
                Err(_) => assert_eq!((draft.ledger().root(), draft.steps().len()), (before, len)),
            }
        }
        let built = draft.finish().unwrap();
        self.ledger = built.replay.ledger().clone();
        let head = &built.batch.head;
        self.parent =
            Parent { root: built.replay.derived().state_root, cursor: head.cursor, inbox: head.inbox_hash };
        self.number += built.batch.signed() as u64;
        built
    }

    /// The next entry of the inbox, and what a proposer makes of it.
    fn entry(&mut self, draft: &Draft) -> Step {
        let time = self.time - self.dice.roll(2 * self.rules.expire);
        let accounts = draft.ledger().accounts();
        let step = match self.dice.roll(5) {
            3 if !accounts.is_empty() => {
                let account = self.dice.roll(accounts.len().into()) as u32;
                let owner = accounts.get(account).unwrap().owner;
                let amount = u128::from(self.dice.roll(3)) * u128::from(self.dice.roll(1 << 60));
                self.tally.paid_in += self.rules.entry_fee;
                let step = draft.forced(Transfer { time, account, owner, amount });
                if let Step::Forced { paid, .. } = step {
                    self.tally.paid_out += paid;
                }
                step
            }
            4 => self.l1_request(time),
            roll => {
                let account = if roll == 0 && !accounts.is_empty() {
                    self.dice.roll(accounts.len().into()) as u32
                } else {
                    self.owners.push(self.owners.len() as u8);
                    accounts.len()
                };
                let owner = self.keys.address(self.owners[account as usize]);
                let amount = u128::from(1 + self.dice.roll(1 << 60));
                self.tally.paid_in += amount;
                Step::Deposit(Transfer { time, account, owner, amount })
            }
        };
        self.entries.extend(step.entry());
        step
    }

    fn l1_request(&mut self, time: u64) -> Step {
        let model = self.dice.roll(self.models.len() as u64) as usize;
        let (id, m) = (self.models[model].id, self.models[model].model);
        let (sampling, seed) = self.sampling(m.vector);
        let (prompt_length, prompt, max_tokens) = self.prompt(&m);
        let entry = L1Request {
            time,
            sender: [0x5e; 20],
            model: id,
            prompt: tensor_root(&prompt),
            prompt_length,
            max_tokens,
            sampling,
            seed,
            price_in: 7,
            price_out: 70,
            callback_gas: self.dice.roll(100_000) as u32,
        };
        let cost = |output: u32| 7 * u128::from(prompt_length) + 70 * u128::from(output.min(max_tokens));
        self.tally.paid_in += self.rules.entry_fee + cost(max_tokens);
        let (output_length, output) = if time + self.rules.expire <= self.time && self.dice.one_in(2) {
            self.tally.paid_out += self.rules.entry_fee + cost(max_tokens);
            (0, Vec::new())
        } else {
            let (length, output) = self.output(&m, prompt_length, max_tokens);
            self.tally.paid_out += cost(max_tokens) - cost(length);
            (length, output)
        };
        Step::Request { entry, model: model as u8, output_length, output }
    }

    /// A signed item, most often a valid one.
    fn item(&mut self, ledger: &Ledger) -> Step {
        let account = self.dice.roll(ledger.accounts().len().into()) as u32;
        let leaf = *ledger.accounts().get(account).unwrap();
        match self.dice.roll(8) {
            0 => self.withdrawal(&leaf),
            1 => self.delegation(&leaf),
            _ => self.inference(&leaf),
        }
    }

    fn withdrawal(&mut self, leaf: &Account) -> Step {
        let order = Withdrawal {
            account: leaf.index,
            nonce: self.nonce(leaf),
            amount: u128::from(self.dice.roll(3)) * (leaf.balance / (1 + u128::from(self.dice.roll(4)))),
            to: [0x70; 20],
            valid_until: self.valid_until(),
        };
        let signature = self.owner_signs(leaf, order.digest(&self.rules.domain));
        Step::Withdrawal { order, signature }
    }

    fn delegation(&mut self, leaf: &Account) -> Step {
        let key = 100 + self.dice.roll(100) as u8;
        let one_model = self.models[self.dice.roll(3) as usize].id;
        let order = Delegation {
            account: leaf.index,
            nonce: leaf.delegation_nonce + self.dice.roll(4),
            delegate: if self.dice.one_in(5) { [0; 20] } else { self.keys.address(key) },
            cap: u128::from(self.dice.roll(1 << 50)),
            expiry: TIME + self.dice.roll(100_000),
            model: if self.dice.one_in(3) { one_model } else { Hash::default() },
            max_price_in: self.dice.roll(20),
            max_price_out: self.dice.roll(200),
        };
        self.delegates.insert(leaf.index, (key, order));
        let signature = self.owner_signs(leaf, order.digest(&self.rules.domain));
        Step::Delegation { order, signature }
    }

    fn inference(&mut self, leaf: &Account) -> Step {
        let model = self.dice.roll(self.models.len() as u64) as usize;
        let (id, m) = (self.models[model].id, self.models[model].model);
        let (sampling, seed) = self.sampling(m.vector);
        let (prompt_length, prompt, max_tokens) = self.prompt(&m);
        let request = Request {
            account: leaf.index,
            nonce: self.nonce(leaf),
            model: id,
            prompt: tensor_root(&prompt),
            prompt_length,
            max_tokens,
            sampling,
            seed,
            max_fee: if self.dice.one_in(20) { 5 } else { u128::MAX >> self.dice.roll(60) },
            valid_until: self.valid_until(),
        };
        let digest = request.digest(&self.rules.domain);
        let delegated = self.dice.one_in(2);
        let delegate = self.delegates.get(&leaf.index).map(|(key, _)| *key).filter(|_| delegated);
        let signature = match delegate {
            Some(key) => self.keys.sign(key, digest),
            None => self.owner_signs(leaf, digest),
        };
        let (output_length, output) = self.output(&m, prompt_length, max_tokens);
        let delegated = delegate.is_some();
        Step::inference(&request, model as u8, delegated, signature, prompt, output_length, output)
    }

    fn owner_signs(&mut self, leaf: &Account, digest: Hash) -> [u8; 64] {
        let key = if self.dice.one_in(20) { 99 } else { self.owners[leaf.index as usize] };
        self.keys.sign(key, digest)
    }

    fn nonce(&mut self, leaf: &Account) -> u64 {
        let next = self.nonces.entry(leaf.index).or_insert(0);
        *next += 1;
        match self.dice.roll(8) {
            0 => self.dice.roll(leaf.window.next + 3),
            1 => leaf.window.next + self.dice.roll(1 << 33),
            _ => leaf.window.next + self.dice.roll(3),
        }
    }

    fn valid_until(&mut self) -> u64 {
        if self.dice.one_in(20) { self.time - 1 } else { self.time + self.dice.roll(1_000) }
    }

    fn sampling(&mut self, vector: bool) -> (Sampling, Hash) {
        if vector || self.dice.one_in(2) {
            return (Sampling::GREEDY, Hash::default());
        }
        let sampling = Sampling {
            temperature: 656 + self.dice.roll(200_000) as u32,
            top_k: self.dice.roll(50) as u32,
            top_p: 1 + self.dice.roll(65_536) as u32,
            min_p: self.dice.roll(65_537) as u32,
        };
        let seed =
            if self.dice.one_in(2) { keccak256(&self.dice.roll(99).to_be_bytes()) } else { Hash::default() };
        (sampling, seed)
    }

    /// Length, packed tokens, most tokens of the output.
    fn prompt(&mut self, model: &Model) -> (u32, Vec<u8>, u32) {
        let longest = if self.dice.one_in(6) { model.context.min(700) - 1 } else { 20 };
        let length = 1 + self.dice.roll(longest.into()) as u32;
        let tokens: Vec<u32> = (0..length).map(|_| self.dice.roll(model.vocabulary.into()) as u32).collect();
        let most = if model.context > 1_000 && self.dice.one_in(8) { 600 } else { 60 };
        let max_tokens = if model.vector { 0 } else { 1 + self.dice.roll(most) as u32 };
        (length, pack(&tokens, model.token_bits), max_tokens)
    }

    /// Length and bytes.
    fn output(&mut self, model: &Model, prompt_length: u32, max_tokens: u32) -> (u32, Vec<u8>) {
        if model.vector {
            return (5, (0..20).map(|_| self.dice.roll(256) as u8).collect());
        }
        let longest = max_tokens.min(model.context - prompt_length.min(model.context - 1));
        let length = 1 + self.dice.roll(longest.into()) as u32;
        let any = 1u64 << model.token_bits;
        let tokens: Vec<u32> = (0..length).map(|_| self.dice.roll(any) as u32).collect();
        (length, pack(&tokens, model.token_bits))
    }

    fn note(&mut self, step: &Step) {
        if let Step::Withdrawal { order, .. } = step {
            self.tally.paid_out += order.amount;
        }
    }

    /// The inbox's accumulator after all entries.
    pub(crate) fn inbox(&self) -> Hash {
        let entries = (0u64..).zip(&self.entries);
        entries.fold(Hash::default(), |acc, (i, entry)| accumulate(acc, entry.hash(i)))
    }
}
