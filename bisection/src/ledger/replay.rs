//! Executing a batch again, to learn which step is wrong and to answer for those that are right.

use super::Recover;
use super::derive::{Derived, DerivedStep};
use super::live::{Ledger, Undo};
use super::step::Invalid;
use crate::hash::Hash;

/// The ledger is not in the state that the batch is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch is built on {parent}, the ledger is at {ledger}")]
pub struct Elsewhere {
    /// State root of the batch's parent.
    pub parent: Hash,
    /// State root of the ledger.
    pub ledger: Hash,
}

/// The first step of a batch that is wrong: it has no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {step}: {why}")]
pub struct WrongStep {
    /// Its index.
    pub step: u32,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// There is no state after it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another root follows.
    #[error("the root is {due}")]
    Root {
        /// The right one.
        due: Hash,
    },
    /// The batch has no such step.
    #[error("there is no such step")]
    None,
}

/// A batch and the ledger at some step of it, which moves both ways.
#[derive(Clone, Debug)]
pub struct Replay {
    ledger: Ledger,
    derived: Derived,
    /// One for each step taken.
    taken: Vec<Undo>,
}

impl Replay {
    /// At the beginning of a batch, the ledger being in the state of its parent.
    ///
    /// # Errors
    /// It is not.
    pub fn new(ledger: Ledger, derived: Derived) -> Result<Self, Elsewhere> {
        let at = ledger.root();
        match derived.steps.first() {
            Some(first) if first.leaf.pre != at => Err(Elsewhere { parent: first.leaf.pre, ledger: at }),
            _ => Ok(Self { ledger, derived, taken: Vec::new() }),
        }
    }

    /// At the end of a batch that was executed while it was made.
    pub(super) fn done(ledger: Ledger, derived: Derived, taken: Vec<Undo>) -> Self {
        Self { ledger, derived, taken }
    }

    /// What posting derives of the batch.
    pub fn derived(&self) -> &Derived {
        &self.derived
    }

    /// The ledger, after [`Replay::at`] steps.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Steps taken.
    pub fn at(&self) -> u32 {
        u32::try_from(self.taken.len()).unwrap_or(u32::MAX)
    }

    /// The ledger as it is now.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// The ledger in the state of the batch's parent.
    pub fn rewound(mut self) -> Ledger {
        while let Some(undo) = self.taken.pop() {
            self.ledger.undo(undo);
        }
        self.ledger
    }

    /// Goes to the end: the batch is right.
    ///
    /// # Errors
    /// The first wrong step; the ledger is left in the state before it.
    pub fn run(&mut self, recover: &Recover<'_>) -> Result<(), WrongStep> {
        self.seek(u32::try_from(self.derived.steps.len()).unwrap_or(u32::MAX), recover)
    }

    /// Goes forward or back to the state before a step, or to the end.
    ///
    /// # Errors
    /// A wrong step lies before it (the ledger is left in the state before that), or there is no such step.
    pub fn seek(&mut self, step: u32, recover: &Recover<'_>) -> Result<(), WrongStep> {
        while self.at() > step {
            let Some(undo) = self.taken.pop() else { break };
            self.ledger.undo(undo);
        }
        while self.at() < step {
            let at = self.at();
            let wrong = |why| WrongStep { step: at, why };
            let DerivedStep { leaf, .. } = self.derived.step(at).ok_or(wrong(Why::None))?;
            let undo = self.ledger.apply(&leaf.body, self.derived.time, recover);
            let undo = undo.map_err(|why| wrong(why.into()))?;
            let due = self.ledger.root();
            if due != leaf.post {
                self.ledger.undo(undo);
                return Err(wrong(Why::Root { due }));
            }
            self.taken.push(undo);
        }
        Ok(())
    }

    /// The Ledger witness of a step, which proves it if it is right. Goes there.
    ///
    /// # Errors
    /// A wrong step lies before it, or it is one that no state has a witness of.
    pub fn witness(&mut self, step: u32, recover: &Recover<'_>) -> Result<Vec<u8>, WrongStep> {
        self.seek(step, recover)?;
        let none = WrongStep { step, why: Why::None };
        let body = self.derived.step(step).ok_or(none)?.leaf.body;
        let witness = self.ledger.witness(&body);
        witness.ok_or_else(|| match self.ledger.check(&body, self.derived.time, recover) {
            Err(why) => WrongStep { step, why: why.into() },
            Ok(_) => none,
        })
    }
}
