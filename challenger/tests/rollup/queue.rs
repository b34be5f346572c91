//! The real inbox, called by random users: what it enters is what the twin encodes, and a batch of it is taken and executed by both.

use alloy::primitives::{Address, B256, Log, U256};
use alloy::sol_types::SolEvent;
use bindings::inbox::Inbox::{self, Sampling as Sent};
use bindings::model_registry::ModelRegistry;
use bisection::ledger::inbox::{Entry, L1Request, Transfer, accumulate};
use bisection::ledger::request::Sampling;
use bisection::ledger::{Body, Draft, Ledger, Opening, Parent, Step};
use bisection::{Hash, keccak256, tree};

use crate::dice::rounds;
use crate::keys::Keys;
use crate::stage::{Stage, same};
use crate::world::{TIME, World, pack};

struct Users {
    world: World,
    stage: Stage,
    owners: Vec<Address>,
    /// Each entry, and the bytes of its output if it is a request.
    entries: Vec<Entry>,
    acc: Hash,
}

impl Users {
    fn new(seed: u64) -> Self {
        let (world, mut stage) = crate::batches::world(seed);
        stage.evm.now = TIME - 200_000;
        for model in &world.models {
            stage.evm.send(
                stage.registry,
                &ModelRegistry::listCall { model: B256::from(model.id.0), listed: true },
            );
        }
        stage.evm.now = TIME - 100_000;
        Self { world, stage, owners: Vec::new(), entries: Vec::new(), acc: Hash::default() }
    }

    fn call(&mut self) {
        self.stage.evm.now += self.world.dice.roll(40);
        match self.world.dice.roll(4) {
            0 | 1 => self.deposit(),
            2 if !self.owners.is_empty() => self.force(),
            _ => self.request(),
        }
    }

    fn entered(&mut self, entry: Entry, log: Option<Log>) {
        let event = Inbox::Entered::decode_log(&log.expect("an entry is logged")).unwrap();
        let index = self.entries.len() as u64;
        assert_eq!((event.index, event.entry.to_vec()), (index, entry.encode()));
        self.acc = accumulate(self.acc, entry.hash(index));
        self.entries.push(entry);
        let inbox = self.stage.inbox;
        let found = self.stage.evm.ask(inbox, &Inbox::accumulatorCall { index: index + 1 }).unwrap();
        assert_eq!(found.0, self.acc.0);
        assert_eq!(self.stage.evm.ask(inbox, &Inbox::timeOfCall { index }).unwrap(), entry.time());
        assert_eq!(self.stage.evm.ask(inbox, &Inbox::countCall {}).unwrap(), index + 1);
    }

    fn deposit(&mut self) {
        let owner = Address::from(self.world.keys.address(self.world.dice.roll(6) as u8));
        let amount = 1 + u128::from(self.world.dice.roll(1 << 62));
        let (time, inbox) = (self.stage.evm.now, self.stage.inbox);
        let call = Inbox::depositCall { owner };
        let paid = self.stage.evm.pay(Address::repeat_byte(0x77), inbox, &call, U256::from(amount));
        let (account, log) = paid.unwrap();
        let place = self.owners.iter().position(|other| *other == owner).unwrap_or(self.owners.len());
        assert_eq!(account as usize, place, "accounts are dense, in the order of first deposits");
        if place == self.owners.len() {
            self.owners.push(owner);
        }
        self.entered(Entry::Deposit(Transfer { time, account, owner: owner.into(), amount }), log);
    }

    fn force(&mut self) {
        let account = self.world.dice.roll(self.owners.len() as u64) as u32;
        let (owner, amount) = (self.owners[account as usize], self.world.dice.near(1 << 61));
        let (time, inbox) = (self.stage.evm.now, self.stage.inbox);
        let call = Inbox::forceWithdrawalCall { account, amount };
        let fee = U256::from(self.stage.rules.entry_fee);
        assert!(self.stage.evm.pay(Address::repeat_byte(0x77), inbox, &call, fee).is_err());
        let (_, log) = self.stage.evm.pay(owner, inbox, &call, fee).unwrap();
        self.entered(Entry::Forced(Transfer { time, account, owner: owner.into(), amount }), log);
    }

    fn request(&mut self) {
        let dice = &mut self.world.dice;
        let m = &self.world.models[dice.roll(3) as usize];
        let (id, model) = (m.id, m.model);
        let (time, inbox) = (self.stage.evm.now, self.stage.inbox);
        let price = self.world.registry.price_at(&id, time).unwrap().1;
        let prompt_length = 1 + dice.roll(60) as u32;
        let tokens: Vec<u32> =
            (0..prompt_length).map(|_| dice.roll(model.vocabulary.into()) as u32).collect();
        let prompt = pack(&tokens, model.token_bits);
        let max_tokens = if model.vector { 0 } else { 1 + dice.roll(30) as u32 };
        let sampled = !model.vector && dice.one_in(2);
        let (sampling, seed) = if sampled {
            let sampling = Sampling { temperature: 656, top_k: dice.roll(9) as u32, top_p: 1, min_p: 65_536 };
            (sampling, Hash(dice.bytes()))
        } else {
            (Sampling::GREEDY, Hash::default())
        };
        let sent = Sent {
            temperature: sampling.temperature,
            topK: sampling.top_k,
            topP: sampling.top_p,
            minP: sampling.min_p,
            seed: seed.0.into(),
        };
        let call = Inbox::requestCall {
            model: id.0.into(),
            prompt: prompt.clone().into(),
            promptLength: prompt_length,
            maxTokens: max_tokens,
            sampling: sent,
            callbackGas: 0,
        };
        let due = self.stage.rules.entry_fee
            + u128::from(price.price_in) * u128::from(prompt_length)
            + u128::from(price.price_out) * u128::from(max_tokens);
        let sender = Address::repeat_byte(0x5e);
        assert!(self.stage.evm.pay(sender, inbox, &call, U256::from(due - 1)).is_err());
        let (index, log) = self.stage.evm.pay(sender, inbox, &call, U256::from(due)).unwrap();
        assert_eq!(index, self.entries.len() as u64);
        let entry = L1Request {
            time,
            sender: sender.into(),
            model: id,
            prompt: tree::tensor_root(&prompt),
            prompt_length,
            max_tokens,
            sampling,
            seed,
            price_in: price.price_in,
            price_out: price.price_out,
            callback_gas: 0,
        };
        self.entered(Entry::Request(entry), log);
    }

    /// All entries in a batch on the genesis.
    fn batch(&mut self) {
        let now = self.stage.evm.now;
        let ledger = Ledger::genesis(self.world.rules);
        let parent = Parent { root: ledger.root(), ..Parent::default() };
        let opening =
            Opening { time: now + 900, epoch: 0, first_number: 0, table: self.world.table(now + 900) };
        let registry = self.world.registry.clone();
        let mut draft = Draft::new(&registry, parent, ledger, opening).unwrap();
        for entry in self.entries.clone() {
            let step = match entry {
                Entry::Deposit(entry) => Step::Deposit(entry),
                Entry::Forced(entry) => draft.forced(entry),
                Entry::Request(entry) => {
                    let m = self.world.models.iter().find(|m| m.id == entry.model).unwrap();
                    let bits = if m.model.vector { 32 } else { m.model.token_bits };
                    let output = pack(&[1], bits);
                    let model = draft.model(&entry.model).unwrap();
                    Step::Request { entry, model, output_length: 1, output }
                }
            };
            draft.push(step, &|digest, signature| Keys::Real.recover(digest, signature)).unwrap();
        }
        let built = draft.finish().unwrap();
        let genesis = self.stage.genesis();
        let theirs = self.stage.derive_on(genesis, now, &built.bytes).unwrap();
        let derived = built.replay.derived().clone();
        assert!(same(&derived, &theirs), "{derived:?} {theirs:?}");
        let mut replay = built.replay;
        for (i, step) in (0u32..).zip(&derived.steps) {
            let recover = |digest: Hash, signature: &[u8; 64]| Keys::Real.recover(digest, signature);
            let witness = replay.witness(i, &recover).unwrap();
            assert_eq!(self.stage.prove(&step.leaf, derived.time, &witness), Ok(()));
            if let Body::Forced { entry, paid } = &step.leaf.body {
                assert!(*paid <= entry.amount);
            }
        }
    }
}

#[test]
fn what_the_inbox_makes_is_taken_by_both() {
    rounds(8, |seed| {
        let mut users = Users::new(seed ^ u64::from(keccak256(b"queue").0[0]));
        let calls = 1 + users.world.dice.roll(40);
        (0..calls).for_each(|_| users.call());
        users.batch();
    });
}
