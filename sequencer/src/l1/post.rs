//! Who posts: batches when they are due, confirmations, stakes and fees.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use bindings::assertions::Assertions;
use bindings::batches::Batches;
use bindings::bond_vault::BondVault;
use bindings::deployment::Deployment;
use bindings::exits::Exits;
use bindings::l1::{L1, L1Error, SendError, Sender};
use bisection::ledger::inbox;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cheat::Cheat;
use super::plan::{Limits, Outcome, Plan, PlanError, Planned, outlook};
use super::state::{Shared, Span, State};
use super::view::Entered;
use crate::book::Book;
use crate::ledger::{Account, Delegation, Hash};
use crate::sealer::{SealError, SealerHandle};
use crate::store::{BatchRow, Db, StoreError};

/// What posting is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) confirmations: u64,
    /// How long an item waits for others.
    pub(super) age: Duration,
    pub(super) limits: Limits,
    pub(super) defender: Address,
    pub(super) stake: U256,
    pub(super) claim_fees: bool,
    pub(super) poll: Duration,
}

/// Why posting did not get on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Node(#[from] L1Error),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("entry {0} of the inbox is overdue and cannot be taken yet: nothing can be posted before it")]
    Stuck(u64),
}

/// The one that sends transactions.
pub(super) struct Poster {
    pub(super) shared: Arc<Shared>,
    pub(super) db: Db,
    pub(super) book: Arc<Book>,
    pub(super) sealer: SealerHandle,
    pub(super) node: L1,
    pub(super) sender: Sender,
    pub(super) deployment: Arc<Deployment>,
    pub(super) terms: Terms,
    pub(super) cheat: Option<Cheat>,
    /// The head that accounts were last brought in line with.
    pub(super) head: Hash,
    /// The batch that was stored last.
    pub(super) last: Option<BatchRow>,
    /// What was set aside last for withdrawals in the inbox.
    pub(super) leaving: HashMap<u32, u128>,
    /// Since when something waits to be posted.
    pub(super) waiting: Option<Instant>,
    /// Batches after which accounts have something else than was promised.
    pub(super) differing: HashSet<Hash>,
    pub(super) cheats: HashSet<Hash>,
    /// Batches that failed one after the other; limits are halved with each.
    pub(super) failures: u32,
    /// What was tried at which block, so that it is not tried again before the next.
    pub(super) tried: HashMap<Hash, u64>,
    /// The block at which it was last looked whether there is enough for stakes.
    pub(super) drawn: u64,
}

/// With less than so many stakes, the vault is asked.
const STAKES_AT_HAND: U256 = U256::from_limbs([4, 0, 0, 0]);

impl Poster {
    /// Posts until it is stopped.
    pub(super) async fn run(mut self, mut news: watch::Receiver<u64>, stop: CancellationToken) {
        loop {
            let outcome = tokio::select! {
                outcome = self.step() => outcome,
                () = stop.cancelled() => return,
            };
            let pause = match outcome {
                Ok(()) => {
                    self.failures = 0;
                    self.shared.write().failing = None;
                    Duration::ZERO
                }
                Err(PostError::Seal(SealError::Stopping)) => return,
                Err(error) => {
                    tracing::warn!(%error, "posting does not get on");
                    // A smaller batch takes as large a stake.
                    let funds = matches!(error, PostError::Send(SendError::Funds { .. }));
                    self.failures = self.failures.saturating_add(u32::from(!funds));
                    let mut state = self.shared.write();
                    let since = state.failing.as_ref().map_or_else(Instant::now, |(since, _)| *since);
                    state.failing = Some((since, error.to_string()));
                    self.terms.poll
                }
            };
            tokio::select! {
                () = async {
                    tokio::time::sleep(pause).await;
                    let _ = tokio::time::timeout(self.terms.poll.max(Duration::from_millis(200)), news.changed()).await;
                } => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn step(&mut self) -> Result<(), PostError> {
        if self.shared.read().synced.is_none() {
            return Ok(());
        }
        self.disarm();
        if self.is_out_of_line() {
            self.bring_in_line().await?;
        }
        self.set_leaving_aside();
        self.take_entries().await?;
        let posted = self.post().await;
        self.settle().await?;
        self.draw().await?;
        posted
    }

    /// One cheat is enough.
    fn disarm(&mut self) {
        let state = self.shared.read();
        let (nodes, lost) = (&state.view.nodes, &state.view.lost);
        let mut batches = nodes.iter().map(|n| n.batch).chain(lost.iter().map(|l| l.batch));
        if self.cheat.is_some() && batches.any(|batch| self.cheats.contains(&batch)) {
            self.cheat = None;
        }
    }

    /// Has L1 another ledger than accounts were promised.
    fn is_out_of_line(&mut self) -> bool {
        let state = self.shared.read();
        let moved = state.marks.iter().any(|mark| {
            mark.cursor > state.view.entries.len() as u64 || state.view.acc(mark.cursor).0 != mark.acc
        });
        let nodes = state.view.right();
        let Some(at) = nodes.iter().position(|node| node.id == self.head) else { return true };
        let new = nodes.get(at + 1..).unwrap_or_default();
        let ours = |batch: &Hash| state.spans.contains_key(batch) && !self.differing.contains(batch);
        let unexpected = new.iter().any(|node| !ours(&node.batch));
        if let Some(last) = nodes.last() {
            self.head = last.id;
        }
        moved || unexpected
    }

    /// Gives accounts what they have after L1's ledger and everything that was promised since.
    async fn bring_in_line(&mut self) -> Result<(), PostError> {
        let missing = {
            let state = self.shared.read();
            state.marks.iter().any(|mark| mark.cursor > state.view.entries.len() as u64)
        };
        if missing {
            tracing::warn!(
                "L1 has lost entries of the inbox that were taken: waiting for what takes their place"
            );
        }
        let paused = self.sealer.pause().await?;
        let (ledger, taken) = outlook(&self.shared, &self.db, paused.next, self.terms.limits).await?;
        let moved: Vec<_> = {
            let mut state = self.shared.write();
            state.taken = taken;
            if let Some(last) = state.view.right().last() {
                self.head = last.id;
            }
            let accs: Vec<Hash> = state.marks.iter().map(|mark| state.view.acc(mark.cursor)).collect();
            let known = state.view.entries.len() as u64;
            let marks = state.marks.iter_mut().zip(accs);
            let moved = marks.filter(|(mark, acc)| mark.cursor <= known && mark.acc != acc.0);
            moved
                .map(|(mark, acc)| {
                    mark.acc = acc.0;
                    *mark
                })
                .collect()
        };
        for mark in &moved {
            self.db.move_mark(self.shared.fixed.epoch, mark).await?;
        }
        tracing::info!(accounts = ledger.accounts().len(), "accounts are brought in line with L1");
        paused.replace(accounts(&ledger));
        Ok(())
    }

    /// Withdrawals in the inbox count as done as soon as they are seen.
    fn set_leaving_aside(&mut self) {
        let state = self.shared.read();
        let mut amounts: HashMap<u32, u128> = HashMap::new();
        for entered in state.view.entries.iter().skip(state.taken as usize) {
            if let inbox::Entry::Forced(forced) = &entered.entry {
                let sum = amounts.entry(forced.account).or_default();
                *sum = sum.saturating_add(forced.amount);
            }
        }
        drop(state);
        if self.leaving != amounts {
            self.book.leaving(&amounts);
            self.leaving = amounts;
        }
    }

    /// Takes entries that are deep enough into the order of promises.
    async fn take_entries(&self) -> Result<(), PostError> {
        let (cursor, acc, entries) = {
            let state = self.shared.read();
            let position = state.position(self.shared.fixed.proposer);
            // One cut at a time: what was taken before has to be posted first, or to be where this would be.
            if state.view.wrong.is_some() || state.marks.iter().any(|mark| mark.number > position.number) {
                return Ok(());
            }
            let to = state.takeable(state.taken, self.terms.confirmations);
            if to == state.taken {
                return Ok(());
            }
            let entries = state.view.entries.get(state.taken as usize..to as usize).unwrap_or_default();
            (to, state.view.acc(to), entries.iter().map(|e| e.entry).collect::<Vec<_>>())
        };
        tracing::info!(cursor, entries = entries.len(), "entries of the inbox are taken");
        let mark = self.sealer.enter(cursor, acc.0, entries).await?;
        let mut state = self.shared.write();
        state.marks.push(mark);
        state.taken = cursor;
        Ok(())
    }

    /// Posts the next batch, if it is due.
    async fn post(&mut self) -> Result<(), PostError> {
        let fixed = self.shared.fixed;
        let sealed = self.db.next_number(fixed.epoch).await?;
        let stored = {
            let state = self.shared.read();
            if state.view.wrong.is_some() {
                return Ok(());
            }
            let position = state.position(fixed.proposer);
            let (to, until) = state.segment(position);
            let count = sealed.saturating_sub(position.number);
            if count == 0 && to == position.cursor {
                self.waiting = None;
                return Ok(());
            }
            let stored = self.stored(&state, position.number);
            let since = *self.waiting.get_or_insert_with(Instant::now);
            let full = count >= self.terms.limits.items as u64 || until.is_some();
            if stored.is_none() && !full && since.elapsed() < self.terms.age {
                return Ok(());
            }
            stored
        };
        if let Some(row) = stored {
            return self.send(row).await;
        }
        // Copies the ledger: only when there is something to post.
        let plan = Plan::next(&self.shared.read(), fixed.proposer, fixed.epoch);
        let shrink = 1 << (self.failures / 3).min(12);
        let limits = Limits {
            items: (self.terms.limits.items / shrink).max(1),
            bytes: (self.terms.limits.bytes / shrink).max(1),
        };
        let planned = self.plan(plan, sealed, limits).await?;
        let Some((id, planned)) = planned else {
            self.waiting = None;
            return Ok(());
        };
        let row = self.keep(id, planned).await?;
        self.send(row).await
    }

    /// The batch that was stored last, if it can still be posted.
    fn stored(&self, state: &State, number: u64) -> Option<BatchRow> {
        let (parent, now) = (state.view.parent().0, state.now());
        let fits = |row: &&BatchRow| {
            let refuted = state.view.lost.iter().any(|lost| lost.batch.0 == row.hash);
            row.parent == parent.0 && row.from == number && row.time > now && self.failures == 0 && !refuted
        };
        self.last.as_ref().filter(fits).cloned()
    }

    /// Makes the next batch; one of entries alone if some that it would leave are overdue.
    async fn plan(
        &mut self,
        mut plan: Plan,
        sealed: u64,
        limits: Limits,
    ) -> Result<Option<(Hash, Planned)>, PostError> {
        let mut planned = loop {
            match plan.make(&self.db, sealed, limits, self.cheat).await? {
                Outcome::Batch(planned) => break planned,
                Outcome::Nothing(to) if plan.skip(&self.shared.read(), to) => {}
                Outcome::Nothing(_) => return Ok(None),
            }
        };
        let overdue = {
            let state = self.shared.read();
            let next = planned.made.parent.cursor;
            let rules = &state.view.rules;
            let left = state.view.entries.get(next as usize);
            let is_late = |e: &Arc<Entered>| e.entry.time().saturating_add(rules.force_delay) <= planned.time;
            let late = left.is_some_and(is_late);
            let due = plan.position.cursor.saturating_add(rules.forced_entries);
            late.then(|| {
                let to = state.takeable(next, 1);
                let reaches = to >= due || !state.view.entries.get(to as usize).is_some_and(is_late);
                if reaches { Ok(to) } else { Err(PostError::Stuck(to)) }
            })
        };
        if let Some(to) = overdue {
            plan.only_entries(&self.shared.read(), to?);
            match plan.make(&self.db, sealed, limits, None).await? {
                Outcome::Batch(entries) => planned = entries,
                Outcome::Nothing(_) => return Ok(None),
            }
            // What was promised comes after them now.
            self.differing.insert(planned.made.hash);
        }
        Ok(Some((plan.id, *planned)))
    }

    /// Stores a batch before it is sent.
    async fn keep(&mut self, parent: Hash, planned: Planned) -> Result<BatchRow, PostError> {
        let Planned { made, from, to, time } = planned;
        let row = BatchRow {
            hash: made.hash.0,
            parent: parent.0,
            from,
            to,
            left_out: made.left_out,
            time,
            data: made.bytes,
        };
        self.db.keep_batch(self.shared.fixed.epoch, &row).await?;
        if made.differs {
            self.differing.insert(made.hash);
        }
        if made.cheated {
            self.cheats.insert(made.hash);
        }
        let left_out = row.left_out.clone();
        self.shared.write().spans.insert(made.hash, Span { from, to, left_out });
        tracing::info!(batch = %made.hash, from, to, steps = made.steps, bytes = row.data.len(), "a batch is made");
        self.last = Some(row.clone());
        Ok(row)
    }

    /// Sends a stored batch, and waits until L1 was read as far as it is in it.
    async fn send(&mut self, row: BatchRow) -> Result<(), PostError> {
        let data = Bytes::from(row.data);
        let (parent, defender) = (B256::from(row.parent), self.terms.defender);
        let call = Batches::postCall { parent, defender, data };
        let to = self.deployment.contracts.batches;
        let mut sending = std::pin::pin!(self.sender.send(to, call.abi_encode().into(), self.terms.stake));
        let included = loop {
            tokio::select! {
                included = &mut sending => break included?,
                () = tokio::time::sleep(self.terms.poll) => {
                    let state = self.shared.read();
                    let there = state.view.nodes.iter().any(|node| node.batch.0 == row.hash);
                    // A reorganisation took its parent, and the nonces of earlier transactions with it: plan again.
                    if there || (state.synced.is_some() && state.view.parent().0.0 != row.parent) {
                        return Ok(());
                    }
                }
            }
        };
        let number = included.receipt.block_number.unwrap_or_default();
        tracing::info!(batch = %Hash(row.hash), number, gas = included.receipt.gas_used, "a batch is posted");
        self.waiting = None;
        for _ in 0..100 {
            let there = {
                let state = self.shared.read();
                state.synced.is_some() && state.view.block >= number
            };
            if there {
                break;
            }
            tokio::time::sleep(self.terms.poll).await;
        }
        Ok(())
    }

    /// Takes what lies in the vault before it runs out of stakes: those of final batches are paid there.
    async fn draw(&mut self) -> Result<(), PostError> {
        let block = self.shared.read().view.block;
        if std::mem::replace(&mut self.drawn, block) == block {
            return Ok(());
        }
        let (node, account) = (&self.node, self.shared.fixed.proposer);
        let vault = self.deployment.contracts.vault;
        if node.balance(account).await? >= self.terms.stake.saturating_mul(STAKES_AT_HAND) {
            return Ok(());
        }
        let amount = node.call(vault, &BondVault::balanceOfCall { account }, BlockId::latest()).await?;
        if amount < self.terms.stake {
            return Ok(());
        }
        let call = BondVault::withdrawCall { amount, to: account };
        let included = self.sender.send(vault, call.abi_encode().into(), U256::ZERO).await?;
        tracing::info!(%amount, gas = included.receipt.gas_used, "what lies in the vault is taken for new stakes");
        Ok(())
    }

    /// What is ours is confirmed, stakes come back, fees are claimed.
    async fn settle(&mut self) -> Result<(), PostError> {
        let at = &self.deployment.contracts;
        let mut calls: Vec<(Hash, Address, Bytes)> = Vec::new();
        let block = {
            let state = self.shared.read();
            let view = &state.view;
            let proposer = self.shared.fixed.proposer;
            let ours_behind =
                |i: usize| view.nodes.get(i..).is_some_and(|n| n.iter().any(|n| n.proposer == proposer));
            let first = view.right().iter().position(|node| !node.confirmed);
            if let Some((i, node)) = first.and_then(|i| Some((i, view.right().get(i)?))) {
                let window = u64::from(self.deployment.parameters.games.window);
                let over = view.time.max(state.now()) >= node.posted_at.saturating_add(window);
                if over && node.games.is_empty() && ours_behind(i) {
                    let call = Assertions::confirmCall { assertion: B256::from(node.id.0) };
                    calls.push((node.id, at.assertions, call.abi_encode().into()));
                }
            }
            for lost in view.lost.iter().filter(|l| l.proposer == proposer && !l.rejected && !l.reclaimed) {
                let call = Assertions::reclaimCall { assertion: B256::from(lost.id.0) };
                calls.push((lost.id, at.assertions, call.abi_encode().into()));
            }
            if self.terms.claim_fees {
                for pair in view.right().windows(2) {
                    let [before, node] = pair else { continue };
                    let (Some(from), Some(to)) = (before.state, node.state) else { continue };
                    if node.confirmed && !node.fees_paid && node.proposer == proposer && to.fees > from.fees {
                        let assertion = B256::from(node.id.0);
                        let call =
                            Exits::feesCall { assertion, before: fields(from), afterwards: fields(to) };
                        calls.push((node.id, at.exits, call.abi_encode().into()));
                    }
                }
            }
            view.block
        };
        for (id, to, data) in calls {
            if self.tried.insert(id, block) == Some(block) {
                continue;
            }
            match self.sender.send(to, data, U256::ZERO).await {
                Ok(included) => {
                    tracing::info!(assertion = %id, gas = included.receipt.gas_used, "an assertion is settled");
                }
                // Too early by the chain's clock, or done by somebody else.
                Err(error @ (SendError::WouldRevert { .. } | SendError::Reverted { .. })) => {
                    tracing::debug!(assertion = %id, %error, "an assertion is not settled yet");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn fields(state: bisection::ledger::State) -> Exits::LedgerState {
    Exits::LedgerState {
        accountsRoot: B256::from(state.accounts_root.0),
        accounts: state.accounts,
        fees: state.fees,
    }
}

/// All accounts of a ledger, with their delegations in force.
pub(super) fn accounts(ledger: &bisection::ledger::Ledger) -> Vec<(Account, Option<Delegation>)> {
    let delegation = |account: &Account| {
        ledger.accounts().delegation(account.index).copied().filter(|_| account.delegation != Hash::default())
    };
    ledger.accounts().iter().map(|account| (*account, delegation(account))).collect()
}
