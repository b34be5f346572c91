//! The checks of a head that depend on L1 at the moment of posting. docs/rollup.md, 7 and 8.1.

use super::Rules;
use super::batch::Batch;
use super::refused::Refused;
use super::rules::Parent;
use crate::hash::Hash;

/// What L1 says when a batch is posted. Times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The block's time.
    pub now: u64,
    /// The proposer's next number in the batch's epoch.
    pub next_number: u64,
    /// Entries of the inbox.
    pub count: u64,
    /// Its accumulator at the batch's cursor.
    pub inbox_hash: Hash,
    /// Time of the first entry that the batch leaves, if it leaves one.
    pub left: Option<u64>,
}

impl Posting {
    /// Would a batch that decodes be taken.
    ///
    /// # Errors
    /// Its time, cursor, inbox hash or number is not right, or it leaves an entry that is overdue.
    pub fn check(&self, rules: &Rules, parent: &Parent, batch: &Batch) -> Result<(), Refused> {
        let head = &batch.head;
        let to = self.now.saturating_add(rules.slack);
        if !(self.now..=to).contains(&head.time) {
            return Err(Refused::Time { from: self.now, to });
        }
        if !(parent.cursor..=self.count).contains(&head.cursor) {
            return Err(Refused::Cursor { from: parent.cursor, to: self.count });
        }
        if head.inbox_hash != self.inbox_hash {
            return Err(Refused::Inbox { due: self.inbox_hash });
        }
        if head.first_number != self.next_number {
            return Err(Refused::Number { due: self.next_number });
        }
        let overdue =
            |time: u64| u128::from(time).saturating_add(rules.force_delay.into()) <= u128::from(head.time);
        let entries = head.cursor.saturating_sub(parent.cursor);
        if self.left.is_some_and(overdue) && (entries < rules.forced_entries || batch.signed() != 0) {
            return Err(Refused::Overdue { entry: head.cursor });
        }
        Ok(())
    }
}
