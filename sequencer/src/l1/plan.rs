//! What is posted next, and what accounts will have when all that was promised is posted.

use bisection::ledger::{Ledger, Parent, Registry};

use super::cheat::Cheat;
use super::make::{Made, Material, Taken, entry_bytes, item_bytes, make};
use super::state::{Position, State, second_epoch};
use crate::ledger::Hash;
use crate::store::{Db, Promised, StoreError};

use alloy::primitives::Address;

/// How much a batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) items: usize,
    pub(super) bytes: usize,
}

/// Why a batch cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a batch cannot be made: {0}")]
    Make(String),
}

/// The material of one batch, taken out of the state so that it can be used without its lock.
pub(super) struct Plan {
    pub(super) id: Hash,
    pub(super) parent: Parent,
    pub(super) registry: Registry,
    pub(super) ledger: Ledger,
    pub(super) position: Position,
    /// Up to which entry.
    cursor: u64,
    entries: Vec<Taken>,
    /// Before which receipt more entries come.
    pub(super) until: Option<u64>,
    /// Our next number in the epoch, and in the second one.
    numbers: (u64, u64),
    epoch: u32,
    time: u64,
    /// Where it began, and what the ledger did not take from there up to its position.
    origin: u64,
    skipped: Vec<u64>,
}

/// What came of making a batch.
pub(super) enum Outcome {
    Batch(Box<Planned>),
    /// The ledger takes nothing of what lies before this receipt.
    Nothing(u64),
}

/// A batch with what it holds.
pub(super) struct Planned {
    pub(super) made: Made,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) time: u64,
}

impl Plan {
    /// Of the batch after the last right assertion.
    pub(super) fn next(state: &State, proposer: Address, epoch: u32) -> Self {
        let (id, parent) = state.view.parent();
        let position = state.position(proposer);
        let number = |epoch| state.view.numbers.get(&(proposer, epoch)).copied().unwrap_or(0);
        let mut plan = Self {
            id,
            parent,
            registry: state.view.registry.clone(),
            ledger: state.view.ledger.clone(),
            position,
            cursor: position.cursor,
            entries: Vec::new(),
            until: None,
            numbers: (number(epoch), number(second_epoch(epoch))),
            epoch,
            time: state.batch_time(),
            origin: position.number,
            skipped: Vec::new(),
        };
        plan.read(state);
        plan
    }

    /// Reads which entries come first.
    fn read(&mut self, state: &State) {
        let (to, until) = state.segment(self.position);
        self.cursor = to;
        self.entries = state.entries(self.position.cursor, to);
        self.until = until;
    }

    /// Goes on behind items that the ledger does not take; `false` if there are none.
    pub(super) fn skip(&mut self, state: &State, to: u64) -> bool {
        let from = self.position.number;
        self.skipped.extend(from..to);
        self.position.number = to;
        self.read(state);
        to > from
    }

    /// Entries alone, up to a cursor, because they are overdue.
    pub(super) fn only_entries(&mut self, state: &State, to: u64) {
        (self.cursor, self.until) = (to, Some(self.position.number));
        self.entries = state.entries(self.position.cursor, to);
    }

    /// Makes the batch of receipts up to `sealed`, within limits.
    pub(super) async fn make(
        &self,
        db: &Db,
        sealed: u64,
        limits: Limits,
        cheat: Option<Cheat>,
    ) -> Result<Outcome, PlanError> {
        let from = self.position.number;
        // What is promised under numbers that are gone is posted under others; then the rest under its own.
        let (number, second) = self.numbers;
        let own = if number > from { number } else { u64::MAX };
        let to = sealed.min(self.until.unwrap_or(u64::MAX)).min(own);
        let to = to.min(from.saturating_add(limits.items as u64)).max(from);
        let mut items = db.promised(self.epoch, from, to).await?;
        let (mut bytes, mut fit) = (self.entries.iter().map(entry_bytes).sum::<usize>(), 0);
        for item in &items {
            bytes += item_bytes(item);
            if bytes > limits.bytes && (fit > 0 || !self.entries.is_empty()) {
                break;
            }
            fit += 1;
        }
        items.truncate(fit);
        let to = from + items.len() as u64;
        let again = number != from;
        let (epoch, first) = if again { (second_epoch(self.epoch), second) } else { (self.epoch, from) };
        let made = self.with(&items, epoch, first, cheat)?;
        let made = match made {
            // A number stands for one item: with a gap they have others.
            Some(made) if !made.left_out.is_empty() && !again => {
                self.with(&items, second_epoch(self.epoch), second, cheat)?
            }
            made => made,
        };
        let Some(mut made) = made else { return Ok(Outcome::Nothing(to)) };
        made.differs |= !self.skipped.is_empty();
        made.left_out.splice(..0, self.skipped.iter().copied());
        Ok(Outcome::Batch(Box::new(Planned { made, from: self.origin, to, time: self.time })))
    }

    fn with(
        &self,
        items: &[Promised],
        epoch: u32,
        first_number: u64,
        cheat: Option<Cheat>,
    ) -> Result<Option<Made>, PlanError> {
        let material = Material {
            registry: &self.registry,
            parent: self.parent,
            ledger: self.ledger.clone(),
            time: self.time,
            epoch,
            first_number,
            entries: &self.entries,
            items,
            cheat,
        };
        make(material).map_err(PlanError::Make)
    }
}

/// The ledger when everything is posted that has a number below `sealed`, and all entries among those numbers.
pub(super) async fn outlook(
    shared: &super::state::Shared,
    db: &Db,
    sealed: u64,
    limits: Limits,
) -> Result<(Ledger, u64), PlanError> {
    let mut plan = Plan::next(&shared.read(), shared.fixed.proposer, shared.fixed.epoch);
    loop {
        match plan.make(db, sealed, limits, None).await? {
            Outcome::Batch(planned) => {
                plan.position = Position { number: planned.to, cursor: planned.made.parent.cursor };
                (plan.parent, plan.ledger) = (planned.made.parent, planned.made.ledger);
                plan.read(&shared.read());
            }
            Outcome::Nothing(to) => {
                if !plan.skip(&shared.read(), to) {
                    return Ok((plan.ledger, plan.position.cursor));
                }
            }
        }
    }
}
