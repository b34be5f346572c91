//! What the posting half tells the rest: whether receipts may be given, until when they may promise, and what became of
//! what they promised.

use crate::clock;
use crate::engine::Price;
use crate::ledger::Hash;

/// docs/rollup.md, 12, last paragraphs.
pub trait Posting: Send + Sync {
    /// The latest second at which an item that is numbered now will be posted; or why no receipt may be given now.
    fn deadline(&self, now: u64) -> Result<u64, String>;
    /// Are batches posted to L1 at all.
    fn posts(&self) -> bool;
    /// The time by which L1 will judge what is made now.
    fn now(&self) -> u64 {
        clock::now()
    }
    /// Seconds that a batch's time may lie behind its receipts' deadlines: a request must be valid until then.
    fn slack(&self) -> u64 {
        0
    }
    /// A model's price in force, if prices come from L1.
    fn price(&self, _model: &Hash) -> Option<Price> {
        None
    }
    /// The highest prices that a model can have by the time that what is promised now is posted, if prices come from L1.
    fn dearest(&self, _model: &Hash) -> Option<Price> {
        None
    }
    /// What became of a number of this epoch.
    fn place(&self, _number: u64) -> Place {
        Place::Waiting
    }
    /// What is known of a request that was made on L1.
    fn l1_request(&self, _request: &Hash) -> Option<L1Request> {
        None
    }
    /// What operators watch, if there is anything.
    fn report(&self) -> Option<Report> {
        None
    }
}

/// How posting goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The last block of L1 that was read.
    pub block: u64,
    /// Seconds since L1's node last answered; `None` if it never did.
    pub silent: Option<u64>,
    /// Our batches that are not final yet.
    pub pending: usize,
    /// Those of them with open games.
    pub challenged: usize,
    /// Our batches that were rejected, or lost their place, ever.
    pub lost: usize,
    /// Entries of the inbox that no batch has taken.
    pub backlog: u64,
    /// Seconds for which posting has failed; 0 if it does not.
    pub failing: u64,
    /// Is there a wrong assertion on L1 that has to be refuted first.
    pub wrong: bool,
    /// What the proposer has for gas and stakes, in wei; `None` before it was asked.
    pub balance: Option<f64>,
}

/// Where an item is on its way to finality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not posted.
    Waiting,
    /// In an assertion that can be challenged.
    Posted(Hash),
    /// In an assertion with open games.
    Challenged(Hash),
    /// In a confirmed assertion.
    Final(Hash),
    /// What it was in was rejected, or void: it will be posted again, under another number.
    Rejected(Hash),
    /// The ledger did not take it when it was to be posted again: it costs nothing.
    LeftOut,
}

/// A request that was made on L1.
#[derive(Clone, Debug)]
pub struct L1Request {
    /// The entry's index.
    pub entry: u64,
    /// Which model.
    pub model: Hash,
    /// Where it is.
    pub place: Place,
    /// Length and packed output, once it is executed.
    pub output: Option<(u32, Vec<u8>)>,
}

/// Nothing is posted. Receipts are made as always, and no bond stands behind them.
#[derive(Clone, Copy, Debug)]
pub struct NotPosting {
    /// Seconds that a receipt allows.
    pub promise: u64,
}

impl Posting for NotPosting {
    fn deadline(&self, now: u64) -> Result<u64, String> {
        Ok(now.saturating_add(self.promise))
    }

    fn posts(&self) -> bool {
        false
    }
}
