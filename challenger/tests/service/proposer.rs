//! Somebody who posts: right batches, and wrong ones of every kind.

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Signature, U256};
use alloy::signers::SignerSync;
use alloy::sol_types::SolCall;
use bindings::assertions::Assertions;
use bindings::batches::Batches;
use bindings::inbox::Inbox::{self, Sampling as Sent};
use bindings::l1::Sender;
use bindings::step_game::StepGame;
use bisection::Hash;
use bisection::ledger::inbox::{L1Request, Transfer};
use bisection::ledger::request::{Domain, Request, Sampling as Asked};
use bisection::ledger::{
    Batch, Choice, Draft, Ledger, Model as Terms, Opening, Parent, Price, Registry, Rules, Step, token,
};
use bisection::tree::tensor_root;
use executor::kernels::Sampling;
use executor::program::Output;
use executor::trace::{Published, Subject, pack_tokens, token_bits};

use crate::support::{items, tiny};
use crate::world::{AGENT, DEFENDER, PRICES, PROPOSER, RIVAL, World};

/// Tokens of every prompt, and most of every output.
const PROMPT: usize = 6;
const MOST: u32 = 8;

/// What is wrong with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing.
    None,
    /// A token (or an element of the vector) of the inference.
    Output,
    /// The state root after the last step.
    Root,
    /// The output ends early.
    Early,
    /// A token of an answer to a request made on L1.
    Answer,
}

/// Its state.
pub(crate) struct Proposer<'a> {
    world: &'a World,
    sender: Sender,
    ledger: Option<Ledger>,
    registry: Registry,
    parent: Parent,
    nonce: u64,
    number: u64,
    /// Requests made on L1 that no batch has, with right answers.
    asked: Vec<(L1Request, Vec<u32>)>,
}

fn recover(digest: Hash, signature: &[u8; 64]) -> Option<[u8; 20]> {
    let signature = Signature::from_erc2098(signature);
    signature.recover_address_from_prehash(&B256::from(digest.0)).ok().map(|a| a.0.0)
}

/// A right output of the world's model for a prompt, of which there is one for each nonce.
pub(crate) fn question(world: &World, nonce: u64) -> (Vec<u32>, Published) {
    let vocabulary = world.model.program().interface.vocabulary as usize;
    let prompt = tiny::tokens(100 + nonce, PROMPT, vocabulary);
    let output = items::published(&world.model, &prompt, Sampling::GREEDY, MOST);
    (prompt, output)
}

impl<'a> Proposer<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let d = &world.deployment;
        let p = &d.parameters.rollup;
        let rules = Rules {
            domain: Domain::new(d.chain_id, d.contracts.inbox.0.0),
            entry_fee: p.entry_fee,
            expire: p.expire,
            slack: p.slack,
            force_delay: p.force_delay,
            forced_entries: p.forced_entries.into(),
        };
        let mut registry = Registry::new();
        let face = &world.model.program().interface;
        let terms = Terms {
            vector: matches!(face.output, Output::Vector { .. }),
            token_bits: token_bits(face.vocabulary),
            context: face.context,
            vocabulary: face.vocabulary,
        };
        registry.announce(world.model.id(), terms);
        registry.schedule(&world.model.id(), Price { from: 0, price_in: PRICES.0, price_out: PRICES.1 });
        let ledger = Ledger::genesis(rules);
        let parent = Parent { root: ledger.root(), cursor: 0, inbox: Hash::default() };
        let sender = world.sender(PROPOSER);
        Self { world, sender, ledger: Some(ledger), registry, parent, nonce: 0, number: 0, asked: Vec::new() }
    }

    /// Posts a batch with one inference, the first one with the deposit before it. Gives the assertion's id.
    pub(crate) async fn post(&mut self, lie: Lie) -> B256 {
        let (_, data) = self.make(lie).await;
        self.send(data).await
    }

    /// A batch as it would be posted now.
    pub(crate) async fn make(&mut self, lie: Lie) -> (Batch, Vec<u8>) {
        let world = self.world;
        let time = world.node.head().await.unwrap().time + 120;
        let table = vec![Choice { model: world.model.id(), version: 0 }];
        let opening = Opening { time, epoch: 0, first_number: self.number, table };
        let ledger = self.ledger.take().unwrap();
        let mut draft = Draft::new(&self.registry, self.parent, ledger, opening).unwrap();
        if self.parent.cursor == 0 {
            let owner = world.address(AGENT).0.0;
            let amount = 1_000_000_000_000_000_000;
            let entry = Transfer { time: world.deposited, account: 0, owner, amount };
            draft.push(Step::Deposit(entry), &recover).unwrap();
        }
        for (entry, mut tokens) in self.asked.drain(..) {
            if lie == Lie::Answer {
                tokens[0] = self.world.another(tokens[0]);
            }
            let bits = token_bits(world.model.program().interface.vocabulary);
            let (model, output_length) = (draft.model(&entry.model).unwrap(), tokens.len() as u32);
            let step = Step::Request { entry, model, output_length, output: pack_tokens(&tokens, bits) };
            draft.push(step, &recover).unwrap();
        }
        let step = self.inference(draft.ledger(), lie);
        draft.push(step, &recover).unwrap();
        let built = draft.finish().unwrap();
        let mut batch = built.batch;
        if lie == Lie::Root {
            batch.steps.last_mut().unwrap().root = Hash([0x77; 32]);
        }
        let bytes = batch.encode();
        let head = &batch.head;
        self.parent =
            Parent { root: batch.steps.last().unwrap().root, cursor: head.cursor, inbox: head.inbox_hash };
        self.ledger = Some(built.replay.into_ledger());
        self.number += 1;
        (batch, bytes)
    }

    fn inference(&mut self, ledger: &Ledger, lie: Lie) -> Step {
        let world = self.world;
        let (prompt, mut output) = question(world, self.nonce);
        let bits = token_bits(world.model.program().interface.vocabulary);
        let packed = pack_tokens(&prompt, bits);
        let vector = matches!(output, Published::Vector(_));
        match (&mut output, lie) {
            (Published::Tokens(tokens), Lie::Output) => {
                let token = tokens.len() / 2;
                tokens[token] = world.another(tokens[token]);
            }
            (Published::Tokens(tokens), Lie::Early) => tokens.truncate(tokens.len() / 2),
            (Published::Vector(vector), Lie::Output) => vector[3] ^= 1,
            _ => {}
        }
        let request = Request {
            account: 0,
            nonce: self.nonce,
            model: world.model.id(),
            prompt: tensor_root(&packed),
            prompt_length: prompt.len() as u32,
            max_tokens: if vector { 0 } else { MOST },
            sampling: Asked::GREEDY,
            seed: Hash::default(),
            max_fee: 1_000_000_000_000_000,
            valid_until: u64::MAX,
        };
        let digest = request.digest(&ledger.rules().domain);
        let signature = world.anvil.key(AGENT).sign_hash_sync(&B256::from(digest.0)).unwrap().as_erc2098();
        self.nonce += 1;
        let (length, bytes) = match output {
            Published::Tokens(tokens) => (tokens.len(), pack_tokens(&tokens, bits)),
            Published::Vector(v) => (v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        };
        Step::inference(&request, 0, false, signature, packed, length as u32, bytes)
    }

    /// Asks for an inference on L1; the next batch answers.
    pub(crate) async fn ask(&mut self) {
        let world = self.world;
        // Of a prompt that nothing else asks about.
        let (prompt, output) = question(world, 50 + self.nonce);
        let Published::Tokens(tokens) = output else { panic!("of a model that gives tokens") };
        let packed = pack_tokens(&prompt, token_bits(world.model.program().interface.vocabulary));
        let (sender, inbox) = (world.sender(RIVAL), world.deployment.contracts.inbox);
        let sampling = Asked::GREEDY;
        let call = Inbox::requestCall {
            model: B256::from(world.model.id().0),
            prompt: packed.clone().into(),
            promptLength: prompt.len() as u32,
            maxTokens: MOST,
            sampling: Sent {
                temperature: sampling.temperature,
                topK: sampling.top_k,
                topP: sampling.top_p,
                minP: sampling.min_p,
                seed: B256::ZERO,
            },
            callbackGas: 0,
        };
        let due = world.deployment.parameters.rollup.entry_fee
            + u128::from(PRICES.0) * prompt.len() as u128
            + u128::from(PRICES.1) * u128::from(MOST);
        let made = sender.send(inbox, call.abi_encode().into(), U256::from(due)).await.unwrap();
        let block = made.receipt.block_number.unwrap();
        let entry = L1Request {
            time: world.node.block(block.into()).await.unwrap().unwrap().time,
            sender: sender.account().0.0,
            model: world.model.id(),
            prompt: tensor_root(&packed),
            prompt_length: prompt.len() as u32,
            max_tokens: MOST,
            sampling,
            seed: Hash::default(),
            price_in: PRICES.0,
            price_out: PRICES.1,
            callback_gas: 0,
        };
        self.asked.push((entry, tokens));
    }

    /// Posts bytes on the head, with the stake.
    pub(crate) async fn send(&self, data: Vec<u8>) -> B256 {
        self.post_by(&self.sender, self.world.deployment.contracts.batches, &[], data).await
    }

    /// Somebody posts them, through a contract that wants one byte before the call.
    pub(crate) async fn send_through(&self, contract: Address, data: Vec<u8>) -> B256 {
        self.post_by(&self.world.sender(RIVAL), contract, &[0xff], data).await
    }

    async fn post_by(&self, sender: &Sender, to: Address, before: &[u8], data: Vec<u8>) -> B256 {
        let (world, at) = (self.world, self.world.deployment.contracts);
        let latest = BlockId::latest();
        let tip = world.node.call(at.assertions, &Assertions::tipCall {}, latest).await.unwrap();
        let stake: U256 = world.node.call(at.step_game, &StepGame::leastStakeCall {}, latest).await.unwrap();
        let defender = world.address(DEFENDER);
        let post = Batches::postCall { parent: tip.assertion, defender, data: data.into() };
        let call = [before, &post.abi_encode()].concat();
        sender.send(to, call.into(), stake).await.unwrap();
        world.node.call(at.assertions, &Assertions::tipCall {}, latest).await.unwrap().assertion
    }

    /// The item of a batch's inference, as it was posted.
    pub(crate) fn subject(&self, batch: &Batch, nonce: u64) -> Subject {
        let model = &self.world.model;
        let (prompt, _) = question(self.world, nonce);
        let output = batch.steps.last().unwrap().step.output().unwrap();
        let bits = token_bits(model.program().interface.vocabulary);
        let count = (output.len() * 8) as u32 / u32::from(bits);
        let tokens = (0..count).map(|i| token(output, bits, i).unwrap()).collect();
        Subject::new(model, Sampling::GREEDY, prompt, Published::Tokens(tokens))
    }
}
