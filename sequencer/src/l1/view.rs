//! The rollup as L1 has it: inbox, models, the chain of assertions, and the ledger after it. A fold over blocks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use bindings::deployment::{Contracts, Deployment};
use bisection::ledger::{
    Context, Ledger, Model, Parent, Price, Registry, Rules, State, Undo, genesis_id, inbox,
};

use super::events::{Assertion, Event, events};
use crate::ledger::{Domain, Hash, curve};
use crate::store::{BlockRow, StoreError};

/// An entry of the inbox.
#[derive(Debug)]
pub(super) struct Entered {
    /// What it is.
    pub(super) entry: inbox::Entry,
    /// Packed prompt of a request.
    pub(super) prompt: Vec<u8>,
    /// Number of its block.
    pub(super) block: u64,
}

/// An assertion on the chain.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: Hash,
    pub(super) proposer: Address,
    pub(super) batch: Hash,
    pub(super) state_root: Hash,
    pub(super) cursor: u64,
    pub(super) posted_at: u64,
    pub(super) confirmed: bool,
    /// Open games.
    pub(super) games: BTreeSet<B256>,
    /// The state after it, if it is right.
    pub(super) state: Option<State>,
    pub(super) fees_paid: bool,
    pub(super) undo: Vec<Undo>,
}

/// An assertion that lost its place.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) id: Hash,
    pub(super) proposer: Address,
    pub(super) batch: Hash,
    /// Was it refuted itself. Else it was built on one that was.
    pub(super) rejected: bool,
    pub(super) reclaimed: bool,
}

/// What the registry was told: to tell it another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Model(Hash, Model),
    Price(Hash, Price),
}

/// Everything that a sequencer knows of L1.
#[derive(Clone, Debug)]
pub(super) struct View {
    at: Contracts,
    pub(super) rules: Rules,
    pub(super) registry: Registry,
    /// What the registry was told, in order.
    pub(super) listed: Vec<Listed>,
    /// The last block.
    pub(super) block: u64,
    /// Its time.
    pub(super) time: u64,
    pub(super) entries: Vec<Arc<Entered>>,
    /// The accumulator before each entry, and after the last.
    pub(super) accs: Vec<Hash>,
    /// By height; the first is the genesis.
    pub(super) nodes: Vec<Node>,
    pub(super) lost: Vec<Lost>,
    /// The next number of a proposer in an epoch.
    pub(super) numbers: BTreeMap<(Address, u32), u64>,
    /// After the nodes that are right.
    pub(super) ledger: Ledger,
    /// The first wrong node's height, and what is wrong.
    pub(super) wrong: Option<(usize, String)>,
    pub(super) games: HashMap<B256, Hash>,
}

/// The parameters that the rules read.
pub(super) fn rules(deployment: &Deployment) -> Rules {
    let p = &deployment.parameters.rollup;
    Rules {
        domain: Domain::new(deployment.chain_id, deployment.contracts.inbox.0.0),
        entry_fee: p.entry_fee,
        expire: p.expire,
        slack: p.slack,
        force_delay: p.force_delay,
        forced_entries: p.forced_entries.into(),
    }
}

impl View {
    /// Before the rollup's first block.
    pub(super) fn new(deployment: &Deployment) -> Self {
        let rules = rules(deployment);
        let ledger = Ledger::genesis(rules);
        let genesis = Node {
            id: genesis_id(deployment.chain_id, deployment.contracts.assertions.0.0),
            proposer: Address::ZERO,
            batch: Hash::default(),
            state_root: ledger.root(),
            cursor: 0,
            posted_at: 0,
            confirmed: true,
            games: BTreeSet::new(),
            state: Some(ledger.state()),
            fees_paid: true,
            undo: Vec::new(),
        };
        Self {
            at: deployment.contracts,
            rules,
            registry: Registry::new(),
            listed: Vec::new(),
            block: 0,
            time: 0,
            entries: Vec::new(),
            accs: vec![Hash::default()],
            nodes: vec![genesis],
            lost: Vec::new(),
            numbers: BTreeMap::new(),
            ledger,
            wrong: None,
            games: HashMap::new(),
        }
    }

    /// Takes the next block.
    pub(super) fn apply(&mut self, row: &BlockRow) -> Result<(), StoreError> {
        (self.block, self.time) = (row.number, row.time);
        for event in events(&self.at, row)? {
            self.take(event);
        }
        Ok(())
    }

    /// The nodes up to the first that is wrong.
    pub(super) fn right(&self) -> &[Node] {
        let to = self.wrong.as_ref().map_or(self.nodes.len(), |(height, _)| *height);
        self.nodes.get(..to).unwrap_or_default()
    }

    /// What the next batch is built on: the last right node.
    pub(super) fn parent(&self) -> (Hash, Parent) {
        let node = self.right().last();
        node.map_or_else(Default::default, |node| {
            let parent = Parent { root: node.state_root, cursor: node.cursor, inbox: self.acc(node.cursor) };
            (node.id, parent)
        })
    }

    /// The accumulator before an entry.
    pub(super) fn acc(&self, cursor: u64) -> Hash {
        self.accs.get(cursor as usize).copied().unwrap_or_default()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Entered { index, entry, prompt } => {
                self.enter(index, Entered { entry, prompt, block: self.block });
            }
            Event::Announced { model, is } => self.list(Listed::Model(model, is)),
            Event::Priced { model, price } => self.list(Listed::Price(model, price)),
            Event::Posted(assertion) => self.append(*assertion),
            Event::Confirmed(id) => {
                if let Some(node) = self.node_mut(&id) {
                    node.confirmed = true;
                    // It is never taken back.
                    node.undo = Vec::new();
                }
            }
            Event::Rejected(id) => self.cut(&id),
            Event::Asked { assertion, game } => {
                self.games.insert(game, assertion);
                if let Some(node) = self.node_mut(&assertion) {
                    node.games.insert(game);
                }
            }
            Event::Answered(game) => {
                let Some(assertion) = self.games.remove(&game) else { return };
                if let Some(node) = self.node_mut(&assertion) {
                    node.games.remove(&game);
                }
            }
            Event::Reclaimed(id) => {
                if let Some(lost) = self.lost.iter_mut().find(|lost| lost.id == id) {
                    lost.reclaimed = true;
                }
            }
            Event::FeesPaid(id) => {
                if let Some(node) = self.node_mut(&id) {
                    node.fees_paid = true;
                }
            }
        }
    }

    /// Another entry of the inbox.
    pub(super) fn enter(&mut self, index: u64, entered: Entered) {
        let acc = self.accs.last().copied().unwrap_or_default();
        self.accs.push(inbox::accumulate(acc, entered.entry.hash(index)));
        self.entries.push(Arc::new(entered));
    }

    /// Something new in the registry.
    pub(super) fn list(&mut self, what: Listed) {
        match &what {
            Listed::Model(model, is) => self.registry.announce(*model, *is),
            Listed::Price(model, price) => {
                self.registry.schedule(model, *price);
            }
        }
        self.listed.push(what);
    }

    fn node_mut(&mut self, id: &Hash) -> Option<&mut Node> {
        self.nodes.iter_mut().rev().find(|node| node.id == *id)
    }

    /// An assertion was posted on the head: is it right.
    fn append(&mut self, assertion: Assertion) {
        self.numbers.insert((assertion.proposer, assertion.epoch), assertion.next_number);
        let mut node = Node {
            id: assertion.id,
            proposer: assertion.proposer,
            batch: assertion.batch,
            state_root: assertion.state_root,
            cursor: assertion.cursor,
            posted_at: self.time,
            confirmed: false,
            games: BTreeSet::new(),
            state: None,
            fees_paid: false,
            undo: Vec::new(),
        };
        if self.wrong.is_none() {
            match self.execute(&assertion) {
                Ok(undo) => (node.undo, node.state) = (undo, Some(self.ledger.state())),
                Err(why) => {
                    tracing::warn!(assertion = %assertion.id, height = assertion.height, why, "an assertion is wrong");
                    self.wrong = Some((self.nodes.len(), why));
                }
            }
        }
        self.nodes.push(node);
    }

    /// Executes a batch on the ledger; nothing has changed if it is wrong.
    fn execute(&mut self, assertion: &Assertion) -> Result<Vec<Undo>, String> {
        let (id, parent) = self.parent();
        if id != assertion.parent {
            return Err(format!("it is built on {}, and the head is {id}", assertion.parent));
        }
        let context = Context { rules: &self.rules, registry: &self.registry, parent };
        let batch = context.decode(&assertion.data).map_err(|e| e.to_string())?;
        let derived = context.derive(&batch).map_err(|e| e.to_string())?;
        if derived.batch_hash != assertion.batch {
            return Err(format!("its data are of batch {}", derived.batch_hash));
        }
        let mut taken = Vec::with_capacity(derived.steps.len());
        for (i, step) in derived.steps.iter().enumerate() {
            let wrong = match self.ledger.apply(&step.leaf.body, derived.time, &curve) {
                Ok(undo) => {
                    taken.push(undo);
                    let due = self.ledger.root();
                    (due != step.leaf.post).then(|| format!("step {i}: the root is {due}"))
                }
                Err(why) => Some(format!("step {i}: {why}")),
            };
            if let Some(wrong) = wrong {
                self.undo(taken);
                return Err(wrong);
            }
        }
        Ok(taken)
    }

    fn undo(&mut self, taken: Vec<Undo>) {
        for undo in taken.into_iter().rev() {
            self.ledger.undo(undo);
        }
    }

    /// An assertion was refuted: it and what was built on it lose their places.
    fn cut(&mut self, id: &Hash) {
        let Some(height) = self.nodes.iter().position(|node| node.id == *id) else { return };
        while self.nodes.len() > height {
            let Some(node) = self.nodes.pop() else { break };
            self.undo(node.undo);
            let (rejected, reclaimed) = (node.id == *id, false);
            let lost = Lost { id: node.id, proposer: node.proposer, batch: node.batch, rejected, reclaimed };
            self.lost.push(lost);
        }
        if self.wrong.as_ref().is_some_and(|(wrong, _)| *wrong >= height) {
            self.wrong = None;
        }
    }
}
