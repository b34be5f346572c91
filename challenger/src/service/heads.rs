//! The view at the node's head, over reorganisations: nothing is stored, everything is read again from the chain.

use std::collections::VecDeque;

use alloy::primitives::Address;
use alloy::rpc::types::Log;
use bindings::deployment::Contracts;
use bindings::l1::{Block, Follower, L1, L1Error, Step};

use super::view::{Entry, View};

/// Blocks that are read one by one before others get a turn.
const BLOCKS: usize = 512;

/// Blocks whose logs are asked for at once, where no reorganisation is to be followed: at most, and at least for that.
const RANGE_MAX: u64 = 2048;
const RANGE_MIN: u64 = 8;

/// A view that goes forward and back.
pub(super) struct Heads {
    node: L1,
    at: Contracts,
    follower: Follower,
    /// After the oldest block that a reorganisation may take.
    base: View,
    tip: View,
    /// What happened between the two, block by block.
    journal: VecDeque<(Block, Vec<Entry>)>,
    depth: usize,
    /// Blocks that the node gives the logs of at once, as far as is known.
    range: u64,
}

/// What a look at the node found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// Is this the node's head.
    pub(super) done: bool,
    /// Blocks that are gone.
    pub(super) gone: usize,
}

impl Heads {
    /// Begins at a block; its events are read too.
    pub(super) async fn new(node: L1, at: Contracts, from: u64, depth: usize) -> Result<Self, L1Error> {
        let gone =
            || L1Error::Unreadable { method: "eth_getBlock", why: format!("there is no block {from}") };
        node.check_chain().await?;
        let first = node.block(from.into()).await?.ok_or_else(gone)?;
        let follower = Follower::new(node.clone(), [first], depth).ok_or_else(gone)?;
        let (base, tip) = (View::default(), View::default());
        let mut this =
            Self { node, at, follower, base, tip, journal: VecDeque::new(), depth, range: RANGE_MAX };
        let entries = this.entries(first).await?;
        this.forward(first, entries);
        Ok(this)
    }

    /// After the last block that was read.
    pub(super) fn view(&self) -> &View {
        &self.tip
    }

    /// The last block that was read.
    pub(super) fn block(&self) -> Block {
        self.follower.at()
    }

    /// Goes towards the node's head, some blocks at most. After an error nothing is lost or read twice.
    pub(super) async fn look(&mut self) -> Result<Looked, L1Error> {
        if let Some(last) = self.far_behind().await? {
            self.leap(last).await?;
            return Ok(Looked { done: false, gone: 0 });
        }
        let mut gone = 0;
        for _ in 0..BLOCKS {
            // The follower moves when it is asked: what it gives is applied to a copy that is kept only with its logs.
            let mut ahead = self.follower.clone();
            match ahead.next().await? {
                None => return Ok(Looked { done: true, gone }),
                Some(Step::Forward(block)) => {
                    let entries = self.entries(block).await?;
                    self.follower = ahead;
                    self.forward(block, entries);
                }
                Some(Step::Back(block)) => {
                    // Another chain's node has other blocks too: that is no reorganisation.
                    if gone == 0 {
                        self.node.check_chain().await?;
                    }
                    self.follower = ahead;
                    self.back(block);
                    gone += 1;
                }
            }
        }
        Ok(Looked { done: false, gone })
    }

    /// The last block that may be read in one go: one that lies deeper than any reorganisation that is followed.
    async fn far_behind(&self) -> Result<Option<u64>, L1Error> {
        let (at, head) = (self.follower.at().number, self.node.head().await?.number);
        let last = head.saturating_sub(self.depth as u64).min(at.saturating_add(self.range));
        Ok((last >= at.saturating_add(RANGE_MIN.min(self.range))).then_some(last))
    }

    /// Goes to a block by the logs of all blocks up to it. What lies behind is not taken back any more.
    async fn leap(&mut self, last: u64) -> Result<(), L1Error> {
        let at = self.follower.at();
        let missing = |number| L1Error::Unreadable {
            method: "eth_getBlock",
            why: format!("block {number} is gone: a reorganisation deeper than {}", self.depth),
        };
        let logs =
            match self.node.logs_between(at.number.saturating_add(1)..=last, &self.contracts(), None).await {
                Ok(logs) => logs,
                // Too many blocks, or too many logs.
                Err(L1Error::Refused { .. }) if self.range > 1 => {
                    self.range /= 2;
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
        let mut entries = Vec::with_capacity(logs.len());
        let mut known: Option<Block> = None;
        for log in logs {
            let number = log.block_number.unwrap_or_default();
            let block = match known.filter(|block| block.number == number) {
                Some(block) => block,
                None => self.node.block(number.into()).await?.ok_or_else(|| missing(number))?,
            };
            known = Some(block);
            entries.push(entry(log, block));
        }
        let there = self.node.block(at.number.into()).await?.filter(|there| there.hash == at.hash);
        there.ok_or_else(|| missing(at.number))?;
        let end = self.node.block(last.into()).await?.ok_or_else(|| missing(last))?;
        let follower = Follower::new(self.node.clone(), [end], self.depth).ok_or_else(|| missing(last))?;
        entries.iter().for_each(|entry| self.tip.apply(&self.at, entry));
        self.base = self.tip.clone();
        self.journal.clear();
        self.follower = follower;
        Ok(())
    }

    /// Goes back some blocks, to read them again; `false` if not so many are kept.
    pub(super) fn again(&mut self, blocks: usize) -> bool {
        let known: Vec<Block> = self.follower.known().collect();
        let kept = known.len().saturating_sub(blocks);
        let known = known.into_iter().take(kept);
        let Some(follower) = Follower::new(self.node.clone(), known, self.depth) else { return false };
        self.follower = follower;
        self.take_back(self.follower.at().number.saturating_add(1));
        true
    }

    fn contracts(&self) -> [Address; 6] {
        let at = &self.at;
        [at.registry, at.inbox, at.batches, at.assertions, at.dispute_game, at.step_game]
    }

    async fn entries(&self, block: Block) -> Result<Vec<Entry>, L1Error> {
        let logs = self.node.logs(block.hash, &self.contracts()).await?;
        Ok(logs.into_iter().map(|log| entry(log, block)).collect())
    }

    fn forward(&mut self, block: Block, entries: Vec<Entry>) {
        entries.iter().for_each(|entry| self.tip.apply(&self.at, entry));
        self.journal.push_back((block, entries));
        while self.journal.len() > self.depth.max(1) + 1 {
            let Some((_, old)) = self.journal.pop_front() else { break };
            old.iter().for_each(|entry| self.base.apply(&self.at, entry));
        }
    }

    fn back(&mut self, block: Block) {
        self.take_back(block.number);
    }

    /// Undoes a block and all that came after it.
    fn take_back(&mut self, from: u64) {
        self.journal.retain(|(known, _)| known.number < from);
        self.tip = self.base.clone();
        for entry in self.journal.iter().flat_map(|(_, entries)| entries) {
            self.tip.apply(&self.at, entry);
        }
    }
}

fn entry(log: Log, block: Block) -> Entry {
    let transaction = log.transaction_hash.unwrap_or_default();
    Entry { transaction, log: log.inner, block: block.number, time: block.time }
}
