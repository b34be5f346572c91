//! Heads, as blocks that are new and blocks that are gone.

use std::collections::VecDeque;

use alloy::primitives::B256;

use super::{L1, L1Error};

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its parent's hash.
    pub parent: B256,
    /// Its timestamp in seconds.
    pub time: u64,
    /// Its base fee in wei.
    pub base_fee: u128,
}

/// One step of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next block.
    Forward(Block),
    /// A reorganisation took the last block that was given: forget what it did.
    Back(Block),
}

/// Walks a chain block by block from any point, over reorganisations.
///
/// It is only ever at one block. [`Follower::next`] says which step leads towards the node's head: a service applies
/// it, durably, before it asks for the next one, and after a restart goes on from the blocks that it has kept.
#[derive(Clone, Debug)]
pub struct Follower {
    node: L1,
    /// The blocks that were given, the present one last. Never empty.
    known: VecDeque<Block>,
    depth: usize,
}

impl Follower {
    /// Stands at the last of `known`, blocks of one chain in order (at least one); a reorganisation of up to `depth`
    /// blocks can be followed, if they are known.
    pub fn new(node: L1, known: impl IntoIterator<Item = Block>, depth: usize) -> Option<Self> {
        let known: VecDeque<Block> = known.into_iter().collect();
        (!known.is_empty()).then_some(Self { node, known, depth })
    }

    /// The present block.
    pub fn at(&self) -> Block {
        // Never empty: `new` refuses, and `next` keeps the last.
        self.known.back().copied().unwrap_or(Block {
            number: 0,
            hash: B256::ZERO,
            parent: B256::ZERO,
            time: 0,
            base_fee: 0,
        })
    }

    /// The next step towards the node's head; `None` if this is its head, or the node is behind us.
    ///
    /// A node that is behind (a load balancer's other machine) has not reorganised: only another block at a height that
    /// we have been at counts.
    pub async fn next(&mut self) -> Result<Option<Step>, L1Error> {
        let at = self.at();
        match self.node.block(at.number.into()).await? {
            // The node is behind us.
            None => return Ok(None),
            Some(there) if there.hash != at.hash => {
                let before = self.known.len().checked_sub(2).and_then(|i| self.known.get(i)).is_some();
                if !before {
                    let why = format!(
                        "block {} ({}) is gone and nothing before it is kept: a reorganisation deeper than {}",
                        at.number, at.hash, self.depth
                    );
                    return Err(L1Error::Unreadable { method: "eth_getBlock", why });
                }
                self.known.pop_back();
                return Ok(Some(Step::Back(at)));
            }
            Some(_) => {}
        }
        let Some(next) = self.node.block((at.number + 1).into()).await? else { return Ok(None) };
        if next.parent != at.hash {
            // Reorganised between the two questions: the next call sees it.
            return Ok(None);
        }
        self.known.push_back(next);
        while self.known.len() > self.depth.max(1) + 1 {
            self.known.pop_front();
        }
        Ok(Some(Step::Forward(next)))
    }

    /// The blocks to go on from after a restart.
    pub fn known(&self) -> impl Iterator<Item = Block> + '_ {
        self.known.iter().copied()
    }
}
