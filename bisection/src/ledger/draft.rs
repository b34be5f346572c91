//! Making a batch step by step.

use super::Recover;
use super::batch::{Batch, Choice, Head, Posted, Step};
use super::body::StepLeaf;
use super::decode::{MAX_STEPS, Reading};
use super::derive::{Derived, DerivedStep, body};
use super::inbox::{self, Transfer};
use super::live::{Ledger, Undo};
use super::models::{Line, Registry};
use super::refused::{Fault, Refused};
use super::replay::{Elsewhere, Replay};
use super::rules::Parent;
use super::step::Invalid;
use super::wire::Reader;
use crate::hash::Hash;

/// What a proposer chooses before the first step.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Opening {
    /// The batch's time, in seconds: all that is timed is judged by it.
    pub time: u64,
    /// The proposer's epoch.
    pub epoch: u32,
    /// The proposer's next number in it.
    pub first_number: u64,
    /// Models, ids ascending, with the versions in force at `time`. Not all need be used.
    pub table: Vec<Choice>,
}

/// Why a batch cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// The table is not one.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The ledger is not in the parent's state.
    #[error(transparent)]
    Elsewhere(#[from] Elsewhere),
}

/// Why a step is not part of a batch. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The batch has as many steps as it may have.
    #[error("the batch is full")]
    Full,
    /// Posting would revert.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no state after it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A batch in the making, and the ledger after its steps.
#[derive(Clone, Debug)]
pub struct Draft {
    parent: Parent,
    lines: Vec<Line>,
    ledger: Ledger,
    batch: Batch,
    steps: Vec<DerivedStep>,
    taken: Vec<Undo>,
    /// Accumulators before each entry.
    accs: Vec<Hash>,
}

/// A batch to post.
#[derive(Clone, Debug)]
pub struct Built {
    /// The batch.
    pub batch: Batch,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What posting derives of it, and the ledger at its end.
    pub replay: Replay,
}

impl Draft {
    /// A batch without steps, on a ledger in the state of its parent.
    ///
    /// # Errors
    /// The table is not one, or the ledger is elsewhere.
    pub fn new(
        registry: &Registry,
        parent: Parent,
        ledger: Ledger,
        opening: Opening,
    ) -> Result<Self, NotOpened> {
        let at = ledger.root();
        if at != parent.root {
            return Err(Elsewhere { parent: parent.root, ledger: at }.into());
        }
        if opening.table.len() > usize::from(u8::MAX) {
            return Err(Refused::Table { index: 255 }.into());
        }
        let lines = registry.lines(&opening.table, opening.time)?;
        let head = Head {
            time: opening.time,
            epoch: opening.epoch,
            first_number: opening.first_number,
            cursor: parent.cursor,
            inbox_hash: parent.inbox,
            table: opening.table,
        };
        let batch = Batch { head, steps: Vec::new() };
        Ok(Self { parent, lines, ledger, batch, steps: Vec::new(), taken: Vec::new(), accs: Vec::new() })
    }

    /// The ledger after the steps so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The steps so far, each with the root after it.
    pub fn steps(&self) -> &[Posted] {
        &self.batch.steps
    }

    /// Index of a model in the table.
    pub fn model(&self, id: &Hash) -> Option<u8> {
        self.lines.iter().position(|line| line.id == *id).and_then(|i| u8::try_from(i).ok())
    }

    /// The step that takes a forced withdrawal: what it pays follows from the balance.
    pub fn forced(&self, entry: Transfer) -> Step {
        let balance = self.ledger.accounts().get(entry.account).map_or(0, |account| account.balance);
        Step::Forced { entry, paid: entry.amount.min(balance) }
    }

    /// Takes the next step; the root after it. Entries come in the inbox's order, and before all signed items.
    ///
    /// # Errors
    /// It is not one.
    pub fn push(&mut self, step: Step, recover: &Recover<'_>) -> Result<Hash, NotTaken> {
        if self.steps.len() as u64 >= MAX_STEPS {
            return Err(NotTaken::Full);
        }
        let entry = self.batch.head.cursor;
        self.readable(&step)?;
        let (body, header) = body(&self.ledger.rules().domain, &self.lines, entry, &step)?;
        let pre = self.batch.steps.last().map_or(self.parent.root, |posted| posted.root);
        let undo = self.ledger.apply(&body, self.batch.head.time, recover)?;
        let root = self.ledger.root();
        if let Some(taken) = step.entry() {
            let acc = inbox::accumulate(self.batch.head.inbox_hash, taken.hash(entry));
            self.accs.push(std::mem::replace(&mut self.batch.head.inbox_hash, acc));
            self.batch.head.cursor = entry.saturating_add(1);
        }
        self.taken.push(undo);
        self.steps.push(DerivedStep { leaf: StepLeaf { pre, post: root, body }, header });
        self.batch.steps.push(Posted { root, step });
        Ok(root)
    }

    /// Takes the last step back.
    pub fn pop(&mut self) -> Option<Step> {
        let Posted { step, .. } = self.batch.steps.pop()?;
        self.steps.pop();
        if let Some(undo) = self.taken.pop() {
            self.ledger.undo(undo);
        }
        if step.entry().is_some() {
            self.batch.head.cursor = self.batch.head.cursor.saturating_sub(1);
            self.batch.head.inbox_hash = self.accs.pop().unwrap_or_default();
        }
        Some(step)
    }

    /// Takes all steps back: the ledger in the state of the parent, to begin another batch with another time, with entries that
    /// came later, or on another parent.
    pub fn discard(mut self) -> Ledger {
        while self.pop().is_some() {}
        self.ledger
    }

    /// The batch.
    ///
    /// # Errors
    /// It has no step.
    pub fn finish(self) -> Result<Built, Refused> {
        if self.steps.is_empty() {
            return Err(Refused::StepCount(0));
        }
        let derived = Derived::assemble(&self.batch, self.parent.root, self.steps);
        let bytes = self.batch.encode();
        Ok(Built { batch: self.batch, bytes, replay: Replay::done(self.ledger, derived, self.taken) })
    }

    /// Is a step what its encoding decodes to, in its place.
    fn readable(&self, step: &Step) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        step.encode(&mut bytes);
        let from = &mut Reader::new(&bytes);
        let reading =
            Reading { lines: &self.lines, time: self.batch.head.time, expire: self.ledger.rules().expire };
        let signed = self.batch.steps.last().is_some_and(|posted| posted.step.entry().is_none());
        let read = reading.step(from, !signed && step.entry().is_some())?;
        if from.left() == 0 && read == *step { Ok(()) } else { Err(Fault::Unencodable) }
    }
}
