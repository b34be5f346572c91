//! What the chain's events say, up to a block: a fold that is a function of the blocks alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, Log};
use alloy::sol_types::SolEventInterface;
use bindings::assertions::Assertions::{AssertionsEvents as Chain, Derived};
use bindings::batches::Batches::BatchesEvents as Source;
use bindings::deployment::Contracts;
use bindings::dispute_game::DisputeGame::DisputeGameEvents as Inference;
use bindings::inbox::Inbox::InboxEvents as Inbox;
use bindings::model_registry::ModelRegistry::ModelRegistryEvents as Models;
use bindings::step_game::StepGame::StepGameEvents as Steps;
use bisection::Hash;
use bisection::game::facts::Facts;
use bisection::ledger::shape::ModelProof;
use bisection::ledger::{Model, Price, Registry};

use crate::view::{hash, learn};

/// A log with where it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What was said.
    pub(super) log: Log,
    /// In which transaction.
    pub(super) transaction: B256,
    /// Number of the block.
    pub(super) block: u64,
    /// Its time in seconds.
    pub(super) time: u64,
}

/// An assertion as it was appended.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) id: B256,
    pub(super) parent: B256,
    pub(super) proposer: Address,
    pub(super) defender: Address,
    pub(super) derived: Derived,
    pub(super) transaction: B256,
    pub(super) block: u64,
    pub(super) time: u64,
    /// The data, if they were not a plain account's calldata.
    pub(super) data: Option<Bytes>,
}

/// Where an assertion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Rejected,
    /// An assertion below it was rejected.
    Void,
}

/// A game about an inference.
#[derive(Clone, Debug)]
pub(super) struct Game {
    pub(super) id: B256,
    pub(super) challenger: Address,
    pub(super) item: u32,
    pub(super) counter: u64,
    pub(super) over: bool,
}

/// A question about a step.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) key: B256,
    pub(super) challenger: Address,
    /// 1 Ledger, 2 Shape.
    pub(super) kind: u8,
    pub(super) step: u32,
    pub(super) index: u32,
    pub(super) asked: u64,
    pub(super) over: bool,
}

/// What is played about an assertion.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) posted: Arc<Posted>,
    pub(super) status: Status,
    pub(super) revoked: bool,
    pub(super) games: Vec<Game>,
    pub(super) questions: Vec<Question>,
    /// Shared with whoever plans a move: others may have put many of them there.
    pub(super) facts: Arc<Facts>,
}

/// All that is known after a block.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) registry: Registry,
    /// Header and interface of each announced model.
    pub(super) models: HashMap<Hash, ModelProof>,
    /// Packed prompts of requests made on L1, by the entry's index.
    pub(super) prompts: BTreeMap<u64, Bytes>,
    /// The chain of assertions, from the first above genesis.
    pub(super) chain: Vec<Arc<Posted>>,
    /// How many of them are confirmed.
    pub(super) confirmed: usize,
    /// Of assertions that are pending, or have games that are not paid.
    pub(super) tables: BTreeMap<B256, Table>,
}

impl View {
    /// Reads one event. Logs of other contracts change nothing.
    pub(super) fn apply(&mut self, at: &Contracts, entry: &Entry) {
        let from = entry.log.address;
        if from == at.registry {
            self.model(entry);
        } else if from == at.inbox {
            if let Ok(Inbox::Entered(e)) = Inbox::decode_log(&entry.log).map(|e| e.data)
                && !e.prompt.is_empty()
            {
                self.prompts.insert(e.index, e.prompt);
            }
        } else if from == at.batches {
            if let Ok(Source::BatchData(e)) = Source::decode_log(&entry.log).map(|e| e.data) {
                self.attach(e.assertion, e.data);
            }
        } else if from == at.assertions {
            self.link(entry);
        } else if from == at.dispute_game {
            self.inference(entry);
        } else if from == at.step_game {
            self.step(entry);
        }
    }

    fn model(&mut self, entry: &Entry) {
        match Models::decode_log(&entry.log).map(|e| e.data) {
            Ok(Models::ModelAnnounced(e)) => {
                let id = hash(e.model);
                let proof = ModelProof {
                    nodes: e.header.nodes,
                    constants: e.header.constants,
                    nodes_root: hash(e.header.nodesRoot),
                    constants_root: hash(e.header.constantsRoot),
                    interface: e.encoded.to_vec(),
                };
                let Some(model) = terms(&proof) else {
                    tracing::error!(model = %e.model, "an announced model has an interface that cannot be read");
                    return;
                };
                self.registry.announce(id, model);
                self.models.insert(id, proof);
            }
            Ok(Models::PriceScheduled(e)) => {
                let price = Price { from: e.from, price_in: e.priceIn, price_out: e.priceOut };
                self.registry.schedule(&hash(e.model), price);
            }
            _ => {}
        }
    }

    /// `Batches` says the data after the assertion is appended.
    fn attach(&mut self, assertion: B256, data: Bytes) {
        let Some(last) = self.chain.last_mut().filter(|last| last.id == assertion) else { return };
        let posted = Arc::new(Posted { data: Some(data), ..Posted::clone(last) });
        if let Some(table) = self.tables.get_mut(&assertion) {
            table.posted = Arc::clone(&posted);
        }
        *last = posted;
    }

    fn link(&mut self, entry: &Entry) {
        match Chain::decode_log(&entry.log).map(|e| e.data) {
            Ok(Chain::AssertionPosted(e)) => {
                // Whatever stood at this height lost its place before.
                let height = usize::try_from(e.height).unwrap_or(usize::MAX);
                self.chain.truncate(height.saturating_sub(1));
                let posted = Arc::new(Posted {
                    id: e.assertion,
                    parent: e.parent,
                    proposer: e.proposer,
                    defender: e.defender,
                    derived: e.derived,
                    transaction: entry.transaction,
                    block: entry.block,
                    time: entry.time,
                    data: None,
                });
                self.chain.push(Arc::clone(&posted));
                let table = Table {
                    posted,
                    status: Status::Pending,
                    revoked: false,
                    games: Vec::new(),
                    questions: Vec::new(),
                    facts: Arc::default(),
                };
                self.tables.insert(e.assertion, table);
            }
            Ok(Chain::AssertionConfirmed(e)) => {
                self.confirmed = self.confirmed.saturating_add(1);
                if let Some(table) = self.tables.remove(&e.assertion) {
                    self.prompts = self.prompts.split_off(&table.posted.derived.cursor);
                }
            }
            Ok(Chain::AssertionRejected(e)) => self.reject(e.assertion),
            Ok(Chain::DefenderRevoked(e)) => {
                if let Some(table) = self.tables.get_mut(&e.assertion) {
                    table.revoked = true;
                }
            }
            _ => {}
        }
    }

    /// A rejected assertion leaves the chain, and all that was built on it.
    fn reject(&mut self, assertion: B256) {
        let Some(at) = self.chain.iter().position(|posted| posted.id == assertion) else { return };
        for posted in self.chain.split_off(at) {
            let Some(table) = self.tables.get_mut(&posted.id) else { continue };
            table.status = if posted.id == assertion { Status::Rejected } else { Status::Void };
            table.facts = Arc::default();
        }
        self.forget();
    }

    /// Of what is settled, only games that are not paid are kept.
    fn forget(&mut self) {
        self.tables.retain(|_, table| {
            let open = table.games.iter().any(|g| !g.over) || table.questions.iter().any(|q| !q.over);
            table.status == Status::Pending || open
        });
    }

    fn inference(&mut self, entry: &Entry) {
        let Ok(event) = Inference::decode_log(&entry.log).map(|e| e.data) else { return };
        match event {
            Inference::Challenged(e) => {
                let Some(table) = self.tables.get_mut(&e.assertion) else { return };
                let (challenger, item, counter) = (e.challenger, e.item, e.counter);
                table.games.push(Game { id: e.id, challenger, item, counter, over: false });
            }
            Inference::ChallengerLost(e) => self.end_game(e.id),
            Inference::Rejected(e) => self.end_game(e.id),
            Inference::Claimed(e) => self.end_game(e.id),
            Inference::RootPosted(e) => self.learn(e.assertion, entry),
            Inference::Opened(e) => self.learn(e.assertion, entry),
            Inference::ChunkOpened(e) => self.learn(e.assertion, entry),
            Inference::ListPosted(e) => self.learn(e.assertion, entry),
            Inference::Proven(e) => self.learn(e.assertion, entry),
            Inference::OutputProven(e) => self.learn(e.assertion, entry),
            _ => {}
        }
    }

    fn learn(&mut self, assertion: B256, entry: &Entry) {
        let table = self.tables.get_mut(&assertion).filter(|table| table.status == Status::Pending);
        if let Some(table) = table {
            learn(Arc::make_mut(&mut table.facts), assertion, &entry.log, entry.time);
        }
    }

    fn end_game(&mut self, id: B256) {
        let mut games = self.tables.values_mut().flat_map(|table| &mut table.games);
        if let Some(game) = games.find(|game| game.id == id) {
            game.over = true;
        }
        self.forget();
    }

    fn step(&mut self, entry: &Entry) {
        let Ok(event) = Steps::decode_log(&entry.log).map(|e| e.data) else { return };
        match event {
            Steps::Challenged(e) => {
                let Some(table) = self.tables.get_mut(&e.assertion) else { return };
                table.questions.push(Question {
                    key: e.key,
                    challenger: e.challenger,
                    kind: e.kind,
                    step: e.step,
                    index: e.index,
                    asked: entry.time,
                    over: false,
                });
            }
            Steps::ChallengerLost(e) => self.end_question(e.key),
            Steps::Rejected(e) => self.end_question(e.key),
            Steps::Claimed(e) => self.end_question(e.key),
        }
    }

    fn end_question(&mut self, key: B256) {
        let mut questions = self.tables.values_mut().flat_map(|table| &mut table.questions);
        if let Some(question) = questions.find(|question| question.key == key) {
            question.over = true;
        }
        self.forget();
    }
}

/// What the rules need of a model, as its interface says it.
fn terms(proof: &ModelProof) -> Option<Model> {
    let face = proof.face()?;
    // After vocabulary and context: the kind of the output.
    let vector = *proof.interface.get(8)? != 0;
    let token_bits = executor::trace::token_bits(face.vocabulary);
    Some(Model { vector, token_bits, context: face.context, vocabulary: face.vocabulary })
}
