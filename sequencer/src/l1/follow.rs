//! Reading L1 block by block, and taking back what a reorganisation took.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use bindings::deployment::Deployment;
use bindings::l1::{Block, Follower, L1, L1Error, Step};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::events::read_block;
use super::state::Shared;
use super::view::View;
use crate::store::{BlockRow, Db, StoreError};

/// Blocks that a reorganisation may take.
const DEPTH: usize = 128;

/// Why L1 cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// The node.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The view after any of the last blocks: one that is old enough, and the blocks since.
pub(super) struct History {
    safe: View,
    recent: VecDeque<BlockRow>,
}

/// Reads L1.
pub(super) struct Reader {
    pub(super) node: L1,
    pub(super) deployment: Arc<Deployment>,
    pub(super) db: Db,
    follower: Follower,
    history: History,
    /// A block was taken back and the shared view still has it.
    stale: bool,
}

impl History {
    /// Of the blocks that are in the store; and the view after the last.
    pub(super) fn load(deployment: &Deployment, rows: Vec<BlockRow>) -> Result<(Self, View), StoreError> {
        let mut safe = View::new(deployment);
        let mut recent = VecDeque::from(rows);
        while recent.len() > DEPTH {
            let Some(row) = recent.pop_front() else { break };
            safe.apply(&row)?;
        }
        let history = Self { safe, recent };
        let view = history.view()?;
        Ok((history, view))
    }

    fn view(&self) -> Result<View, StoreError> {
        let mut view = self.safe.clone();
        self.recent.iter().try_for_each(|row| view.apply(row))?;
        Ok(view)
    }

    fn forward(&mut self, row: BlockRow) -> Result<(), StoreError> {
        self.recent.push_back(row);
        // Seldom, because what is executed here was executed before.
        if self.recent.len() > 2 * DEPTH {
            for row in self.recent.drain(..DEPTH) {
                self.safe.apply(&row)?;
            }
        }
        Ok(())
    }

    /// The last blocks, of one chain without gaps.
    fn known(&self) -> Vec<Block> {
        let mut known: VecDeque<Block> = VecDeque::new();
        for row in self.recent.iter().rev().take(DEPTH + 1) {
            let hash = B256::from(row.hash);
            if known.front().is_some_and(|after| after.parent != hash) {
                break;
            }
            let (number, parent, time) = (row.number, B256::from(row.parent), row.time);
            known.push_front(Block { number, hash, parent, time, base_fee: 0 });
        }
        known.into()
    }
}

/// The follower does not give a block twice: what is to be stored of it is stored, however long it takes.
async fn patiently<F: Future<Output = Result<(), StoreError>>>(
    act: impl Fn() -> F,
) -> Result<(), StoreError> {
    loop {
        match act().await {
            Err(error) if !error.is_final() => {
                tracing::warn!(%error, "the store does not take a block of L1: trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => return outcome,
        }
    }
}

impl Reader {
    /// Goes on from the stored blocks, or begins before the rollup's first one.
    pub(super) async fn new(
        node: L1,
        deployment: Arc<Deployment>,
        db: Db,
        mut history: History,
    ) -> Result<Self, FollowError> {
        if history.recent.is_empty() {
            let first = deployment.block.saturating_sub(1);
            let gone = || L1Error::Unreadable { method: "eth_getBlock", why: format!("no block {first}") };
            let block = node.block(BlockNumberOrTag::Number(first).into()).await?.ok_or_else(gone)?;
            let (hash, parent) = (block.hash.0, block.parent.0);
            let row = BlockRow { number: block.number, hash, parent, time: block.time, logs: Vec::new() };
            db.keep_block(&row, 0).await?;
            history.forward(row)?;
        }
        let gone = || StoreError::Damaged("blocks of L1");
        let follower = Follower::new(node.clone(), history.known(), DEPTH).ok_or_else(gone)?;
        Ok(Self { node, deployment, db, follower, history, stale: false })
    }

    /// One step towards the head; whether this is it.
    pub(super) async fn step(&mut self, shared: &Shared) -> Result<bool, FollowError> {
        match self.follower.next().await? {
            Some(Step::Back(block)) => {
                tracing::info!(number = block.number, hash = %block.hash, "a reorganisation took a block of L1");
                self.stale = true;
                shared.write().synced = None;
                patiently(|| self.db.forget_blocks(block.number)).await?;
                while self.history.recent.back().is_some_and(|row| row.number >= block.number) {
                    self.history.recent.pop_back();
                }
                Ok(false)
            }
            Some(Step::Forward(block)) => {
                let row = self.read(&block).await?;
                let keep = row.number.saturating_sub(DEPTH as u64 + 8);
                patiently(|| self.db.keep_block(&row, keep)).await?;
                self.history.forward(row.clone())?;
                self.publish(shared, Some(&row))?;
                Ok(false)
            }
            None => {
                self.publish(shared, None)?;
                shared.write().synced = Some(Instant::now());
                Ok(true)
            }
        }
    }

    fn publish(&mut self, shared: &Shared, row: Option<&BlockRow>) -> Result<(), StoreError> {
        if self.stale {
            let view = self.history.view()?;
            let mut state = shared.write();
            (state.view, state.seen) = (view, Instant::now());
            self.stale = false;
        } else if let Some(row) = row {
            let mut state = shared.write();
            state.view.apply(row)?;
            state.seen = Instant::now();
        }
        Ok(())
    }

    /// What is in a block; nothing if it is gone meanwhile, because then it is taken back next.
    async fn read(&self, block: &Block) -> Result<BlockRow, FollowError> {
        loop {
            let error = match read_block(&self.node, &self.deployment.contracts, block).await {
                Ok(row) => return Ok(row),
                Err(error) => error,
            };
            let there = self.node.block(block.number.into()).await;
            if there.is_ok_and(|there| there.is_none_or(|there| there.hash != block.hash)) {
                let (hash, parent) = (block.hash.0, block.parent.0);
                let row = BlockRow { number: block.number, hash, parent, time: block.time, logs: Vec::new() };
                return Ok(row);
            }
            tracing::warn!(%error, number = block.number, "a block of L1 cannot be read: trying again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Reads for ever; says when there is something new.
    pub(super) async fn run(
        mut self,
        shared: Arc<Shared>,
        poll: Duration,
        news: watch::Sender<u64>,
        stop: CancellationToken,
    ) {
        loop {
            let outcome = tokio::select! {
                outcome = self.step(&shared) => outcome,
                () = stop.cancelled() => return,
            };
            let wait = match outcome {
                Ok(false) => continue,
                Ok(true) => {
                    news.send_modify(|n| *n += 1);
                    poll
                }
                Err(error) => {
                    tracing::warn!(%error, "L1 cannot be read: trying again");
                    poll.max(Duration::from_millis(500))
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
