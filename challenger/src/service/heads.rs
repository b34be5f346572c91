//! The view at the node's head, over reorganisations: nothing is stored, everything is read again from the chain.

use std::collections::VecDeque;

use bindings::deployment::Contracts;
use bindings::l1::{Block, Follower, L1, L1Error, Step};

use super::view::{Entry, View};

/// Blocks that are read before others get a turn.
const BLOCKS: usize = 512;

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
        let first = node.block(from.into()).await?.ok_or_else(gone)?;
        let follower = Follower::new(node.clone(), [first], depth).ok_or_else(gone)?;
        let (base, tip) = (View::default(), View::default());
        let mut this = Self { node, at, follower, base, tip, journal: VecDeque::new(), depth };
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
                    self.follower = ahead;
                    self.back(block);
                    gone += 1;
                }
            }
        }
        Ok(Looked { done: false, gone })
    }

    async fn entries(&self, block: Block) -> Result<Vec<Entry>, L1Error> {
        let at = &self.at;
        let of = [at.registry, at.inbox, at.batches, at.assertions, at.dispute_game, at.step_game];
        let logs = self.node.logs(block.hash, &of).await?;
        let entry = |log: alloy::rpc::types::Log| Entry {
            transaction: log.transaction_hash.unwrap_or_default(),
            log: log.inner,
            block: block.number,
            time: block.time,
        };
        Ok(logs.into_iter().map(entry).collect())
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
        self.journal.retain(|(known, _)| known.number < block.number);
        self.tip = self.base.clone();
        for entry in self.journal.iter().flat_map(|(_, entries)| entries) {
            self.tip.apply(&self.at, entry);
        }
    }
}
