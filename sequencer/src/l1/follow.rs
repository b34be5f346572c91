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
use crate::ledger::Hash;
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

/// Blocks with something of the rollup in them after which a new checkpoint is worth its while.
const FRESH: usize = 16;

/// Blocks that are read from the store at once.
const PAGE: u32 = 512;

/// The view after any of the last blocks: one that is old enough, and the blocks since.
pub(super) struct History {
    safe: View,
    recent: VecDeque<BlockRow>,
    /// Blocks with something in them that `safe` has taken since the last checkpoint was drawn up.
    fresh: usize,
    drawn_up: Option<Checkpoint>,
}

/// A view to begin from, once its last assertion is final.
pub(super) struct Checkpoint {
    block: u64,
    /// Height and id of the last assertion in it.
    head: (usize, Hash),
    bytes: Vec<u8>,
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
    fn from(safe: View) -> Self {
        Self { safe, recent: VecDeque::new(), fresh: 0, drawn_up: None }
    }

    /// Of the store: its checkpoint and the blocks since, or all blocks; and the view after the last.
    pub(super) async fn load(deployment: &Deployment, db: &Db) -> Result<(Self, View), StoreError> {
        let mut history = Self::from(View::new(deployment));
        if let Some((block, bytes)) = db.checkpoint().await? {
            match View::restore(deployment, &bytes).filter(|view| view.block == block) {
                Some(view) => history = Self::from(view),
                None => tracing::warn!(block, "the store's checkpoint cannot be read: all blocks are"),
            }
        }
        let from = history.safe.block;
        history.read(db).await?;
        // A checkpoint alone, without the blocks to go on from, is no beginning.
        if history.recent.is_empty() && from > 0 {
            history = Self::from(View::new(deployment));
            history.read(db).await?;
        }
        let view = history.view()?;
        tracing::info!(from, to = view.block, "L1 is known from the store");
        Ok((history, view))
    }

    /// Takes the stored blocks after its own.
    async fn read(&mut self, db: &Db) -> Result<(), StoreError> {
        let mut next = self.safe.block.saturating_add(1);
        loop {
            let rows = db.blocks(next, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            next = last.number.saturating_add(1);
            for row in rows {
                if let Some(checkpoint) = self.forward(row)? {
                    db.keep_checkpoint(checkpoint.block, &checkpoint.bytes).await?;
                }
            }
        }
    }

    fn view(&self) -> Result<View, StoreError> {
        let mut view = self.safe.clone();
        self.recent.iter().try_for_each(|row| view.apply(row))?;
        Ok(view)
    }

    /// Takes a block; a checkpoint if there is a new one to be stored.
    fn forward(&mut self, row: BlockRow) -> Result<Option<Checkpoint>, StoreError> {
        self.recent.push_back(row);
        // Seldom, because what is executed here was executed before.
        if self.recent.len() <= 2 * DEPTH {
            return Ok(None);
        }
        for row in self.recent.drain(..DEPTH) {
            self.fresh += usize::from(!row.logs.is_empty());
            self.safe.apply(&row)?;
        }
        Ok(self.settle())
    }

    /// Draws a checkpoint up, and gives it when everything in it is final: nothing of it is taken back then, so that it is
    /// the same however the blocks after it end.
    fn settle(&mut self) -> Option<Checkpoint> {
        if let Some(Checkpoint { head: (height, id), .. }) = &self.drawn_up
            && self.safe.nodes.get(*height).is_none_or(|node| node.id != *id)
        {
            self.drawn_up = None;
        }
        if self.drawn_up.is_none() && self.fresh >= FRESH {
            let bytes = self.safe.save()?;
            let node = self.safe.nodes.last()?;
            let head = (self.safe.nodes.len().saturating_sub(1), node.id);
            self.drawn_up = Some(Checkpoint { block: self.safe.block, head, bytes });
            self.fresh = 0;
        }
        let is_final = |checkpoint: &mut Checkpoint| {
            self.safe.nodes.get(checkpoint.head.0).is_some_and(|node| node.confirmed)
        };
        self.drawn_up.take_if(is_final)
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

/// Takes the block before the rollup's first one.
async fn begin(
    node: &L1,
    deployment: &Deployment,
    db: &Db,
    history: &mut History,
) -> Result<(), FollowError> {
    let first = deployment.block.saturating_sub(1);
    let gone = || L1Error::Unreadable { method: "eth_getBlock", why: format!("no block {first}") };
    let block = node.block(BlockNumberOrTag::Number(first).into()).await?.ok_or_else(gone)?;
    let (hash, parent) = (block.hash.0, block.parent.0);
    let row = BlockRow { number: block.number, hash, parent, time: block.time, logs: Vec::new() };
    patiently(|| db.keep_block(&row, 0)).await?;
    history.forward(row)?;
    Ok(())
}

fn follower(node: &L1, history: &History) -> Result<Follower, FollowError> {
    let gone = || StoreError::Damaged("blocks of L1");
    Ok(Follower::new(node.clone(), history.known(), DEPTH).ok_or_else(gone)?)
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
            begin(&node, &deployment, &db, &mut history).await?;
        }
        let follower = follower(&node, &history)?;
        Ok(Self { node, deployment, db, follower, history, stale: false })
    }

    /// One step towards the head; whether this is it.
    pub(super) async fn step(&mut self, shared: &Shared) -> Result<bool, FollowError> {
        let step = match self.follower.next().await {
            Ok(step) => step,
            Err(error) if !self.is_lost().await => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "L1 is read again from the rollup's first block");
                self.begin_again(shared).await?;
                return Ok(false);
            }
        };
        match step {
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
                if let Some(checkpoint) = self.history.forward(row.clone())? {
                    patiently(|| self.db.keep_checkpoint(checkpoint.block, &checkpoint.bytes)).await?;
                    tracing::info!(block = checkpoint.block, "what L1 says up to a block is summed up");
                }
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

    /// Is the last block that is known gone from L1, and all before it.
    async fn is_lost(&self) -> bool {
        let at = self.follower.at();
        let alone = self.follower.known().count() == 1;
        alone && matches!(self.node.block(at.number.into()).await, Ok(Some(there)) if there.hash != at.hash)
    }

    /// A reorganisation went deeper than blocks are kept for: all is read anew.
    async fn begin_again(&mut self, shared: &Shared) -> Result<(), FollowError> {
        self.stale = true;
        shared.write().synced = None;
        patiently(|| self.db.forget_blocks(0)).await?;
        self.history = History::from(View::new(&self.deployment));
        begin(&self.node, &self.deployment, &self.db, &mut self.history).await?;
        self.follower = follower(&self.node, &self.history)?;
        Ok(())
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
