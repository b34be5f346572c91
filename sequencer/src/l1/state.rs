//! What posting knows, shared between who reads L1, who posts, and who promises.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use alloy::primitives::Address;
use bisection::ledger::inbox;

use super::make::Taken;
use super::view::{Listed, Node, View};
use crate::clock;
use crate::engine::Price;
use crate::ledger::Hash;
use crate::posting::{L1Request, Place, Posting, Report};
use crate::store::Mark;

/// The epoch in which what was rejected is posted again: numbers of the other one are promised already.
pub(super) fn second_epoch(epoch: u32) -> u32 {
    epoch | 1 << 31
}

/// Which receipts a batch of ours holds.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) left_out: Vec<u64>,
}

impl Span {
    fn holds(&self, number: u64) -> bool {
        (self.from..self.to).contains(&number)
    }
}

/// Where the next batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The next receipt.
    pub(super) number: u64,
    /// The next entry.
    pub(super) cursor: u64,
}

/// Everything that posting knows.
pub(super) struct State {
    pub(super) view: View,
    /// When the head of L1 was last seen to be `view`'s block.
    pub(super) synced: Option<Instant>,
    /// When `view`'s block was taken.
    pub(super) seen: Instant,
    /// In order.
    pub(super) marks: Vec<Mark>,
    /// Outputs of L1 requests.
    pub(super) results: HashMap<Hash, (u32, Vec<u8>)>,
    /// Our batches by batch hash.
    pub(super) spans: HashMap<Hash, Span>,
    /// Entries up to here are in the accounts that requests are judged by.
    pub(super) taken: u64,
    /// Since when posting fails, and why.
    pub(super) failing: Option<(Instant, String)>,
    /// What the proposer has, in wei.
    pub(super) balance: Option<f64>,
}

/// What does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    pub(super) proposer: Address,
    pub(super) epoch: u32,
    /// Seconds within which a receipt promises to be posted.
    pub(super) promise: u64,
    /// How long a node may be silent.
    pub(super) silence: Duration,
}

/// The state with its lock.
pub struct Shared {
    pub(super) fixed: Fixed,
    state: RwLock<State>,
}

impl Shared {
    pub(super) fn new(fixed: Fixed, state: State) -> Self {
        Self { fixed, state: RwLock::new(state) }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The time of L1's next block, or later.
    pub(super) fn now(&self) -> u64 {
        clock::now().max(self.view.time.saturating_add(self.seen.elapsed().as_secs()))
    }

    /// The time of a batch that is made now: ahead, so that it is not over before the batch is included.
    pub(super) fn batch_time(&self) -> u64 {
        let slack = self.view.rules.slack;
        self.now().saturating_add((slack - slack / 4).max(1).min(slack))
    }

    /// Our nodes, with what they hold, the last first.
    fn ours<'a>(
        &'a self,
        nodes: &'a [Node],
        proposer: Address,
    ) -> impl Iterator<Item = (&'a Node, &'a Span)> {
        nodes
            .iter()
            .rev()
            .filter(move |node| node.proposer == proposer)
            .filter_map(|node| Some((node, self.spans.get(&node.batch)?)))
    }

    /// Where the next batch begins.
    pub(super) fn position(&self, proposer: Address) -> Position {
        let number = self.ours(self.view.right(), proposer).next().map_or(0, |(_, span)| span.to);
        Position { number, cursor: self.view.parent().1.cursor }
    }

    /// Entries that come before the receipt at a position, up to which cursor; and the number before which more come.
    pub(super) fn segment(&self, at: Position) -> (u64, Option<u64>) {
        let known = self.view.entries.len() as u64;
        let before = self.marks.iter().filter(|mark| mark.number <= at.number);
        let to = before.map(|mark| mark.cursor).max().unwrap_or(0).max(at.cursor).min(known.max(at.cursor));
        let behind = self.marks.iter().find(|mark| mark.number > at.number && mark.cursor > to);
        (to, behind.map(|mark| mark.number))
    }

    /// Up to where entries could be taken now, from a cursor: deep enough, and requests executed or too old.
    pub(super) fn takeable(&self, from: u64, confirmations: u64) -> u64 {
        let mut to = from;
        while let Some(entered) = self.view.entries.get(to as usize) {
            let deep = entered.block.saturating_add(confirmations.saturating_sub(1)) <= self.view.block;
            if !deep || !self.is_executable(to, &entered.entry) {
                break;
            }
            to += 1;
        }
        to
    }

    fn is_executable(&self, index: u64, entry: &inbox::Entry) -> bool {
        match entry {
            inbox::Entry::Deposit(_) | inbox::Entry::Forced(_) => true,
            inbox::Entry::Request(r) => {
                let expires = r.time.saturating_add(self.view.rules.expire);
                let priced = self.view.registry.price_at(&r.model, self.now()).is_some();
                priced
                    && (self.results.contains_key(&self.request_hash(index, entry)) || expires < self.now())
            }
        }
    }

    /// Request hash of an entry.
    pub(super) fn request_hash(&self, index: u64, entry: &inbox::Entry) -> Hash {
        self.view.rules.domain.l1_request(entry.hash(index))
    }

    /// Entries `from .. to` with their outputs.
    pub(super) fn entries(&self, from: u64, to: u64) -> Vec<Taken> {
        let entries = (from..to).map_while(|i| Some((i, self.view.entries.get(i as usize)?)));
        let taken = |(index, entered): (u64, &std::sync::Arc<super::view::Entered>)| {
            let output = match &entered.entry {
                inbox::Entry::Request(_) => {
                    self.results.get(&self.request_hash(index, &entered.entry)).cloned()
                }
                _ => None,
            };
            Taken { entry: entered.entry, output }
        };
        entries.map(taken).collect()
    }

    fn place(&self, proposer: Address, number: u64) -> Place {
        let mut ours = self.ours(&self.view.nodes, proposer);
        if let Some((node, span)) = ours.find(|(_, span)| span.holds(number)) {
            return match node {
                _ if span.left_out.contains(&number) => Place::LeftOut,
                node if node.confirmed => Place::Final(node.id),
                node if !node.games.is_empty() => Place::Challenged(node.id),
                node => Place::Posted(node.id),
            };
        }
        let lost = self.view.lost.iter().rev().filter(|lost| lost.proposer == proposer);
        let holds = |batch: &Hash| self.spans.get(batch).is_some_and(|span| span.holds(number));
        lost.filter(|lost| holds(&lost.batch))
            .map(|lost| Place::Rejected(lost.id))
            .next()
            .unwrap_or(Place::Waiting)
    }
}

/// Seconds before an entry is overdue at which nothing more is promised, and how long a receipt must last at least.
const MARGIN: u64 = 60;

impl Posting for Shared {
    fn deadline(&self, now: u64) -> Result<u64, String> {
        let state = self.read();
        let Some(synced) = state.synced else { return Err("L1 is still being read".into()) };
        if synced.elapsed() > self.fixed.silence {
            return Err(format!("L1's node has not answered for {} seconds", synced.elapsed().as_secs()));
        }
        let view = &state.view;
        if let Some((height, why)) = &view.wrong {
            return Err(format!("assertion {height} on L1 is wrong ({why}): it has to be refuted first"));
        }
        let position = state.position(self.fixed.proposer);
        let next = view.numbers.get(&(self.fixed.proposer, self.fixed.epoch)).copied().unwrap_or(0);
        if next < position.number {
            return Err("numbers of this epoch can no longer be posted in order: begin another epoch".into());
        }
        if let Some((since, why)) = &state.failing
            && since.elapsed().as_secs() > self.fixed.promise / 4
        {
            return Err(format!("nothing could be posted for {} seconds: {why}", since.elapsed().as_secs()));
        }
        let margin = MARGIN.min(view.rules.force_delay / 4);
        let left = view.entries.get(state.taken.max(position.cursor) as usize);
        let overdue = left.map_or(u64::MAX, |e| e.entry.time().saturating_add(view.rules.force_delay));
        let deadline = now.saturating_add(self.fixed.promise).min(overdue.saturating_sub(margin));
        if deadline < now.saturating_add(margin) {
            return Err("an entry of the inbox is nearly overdue and cannot be taken yet".into());
        }
        Ok(deadline)
    }

    fn posts(&self) -> bool {
        true
    }

    fn now(&self) -> u64 {
        self.read().now()
    }

    fn slack(&self) -> u64 {
        self.read().view.rules.slack
    }

    fn price(&self, model: &Hash) -> Option<Price> {
        let state = self.read();
        let (_, price) = state.view.registry.price_at(model, state.batch_time())?;
        Some(Price { input: price.price_in, output: price.price_out })
    }

    fn dearest(&self, model: &Hash) -> Option<Price> {
        let state = self.read();
        let first = state.batch_time();
        let last = first.saturating_add(self.fixed.promise).saturating_add(state.view.rules.slack);
        let (_, now) = state.view.registry.price_at(model, first)?;
        let later = state.view.listed.iter().filter_map(|listed| match listed {
            Listed::Price(of, price) if of == model => Some(price),
            _ => None,
        });
        let later = later.filter(|price| price.from > first && price.from <= last);
        let both = |Price { input, output }, price: &bisection::ledger::Price| Price {
            input: price.price_in.max(input),
            output: price.price_out.max(output),
        };
        Some(later.fold(Price { input: now.price_in, output: now.price_out }, both))
    }

    fn place(&self, number: u64) -> Place {
        self.read().place(self.fixed.proposer, number)
    }

    fn report(&self) -> Option<Report> {
        let state = self.read();
        let proposer = self.fixed.proposer;
        let pending = || state.view.nodes.iter().filter(|node| node.proposer == proposer && !node.confirmed);
        let taken = state.view.nodes.last().map_or(0, |node| node.cursor);
        Some(Report {
            block: state.view.block,
            silent: state.synced.map(|synced| synced.elapsed().as_secs()),
            pending: pending().count(),
            challenged: pending().filter(|node| !node.games.is_empty()).count(),
            lost: state.view.lost.iter().filter(|lost| lost.proposer == proposer).count(),
            backlog: (state.view.entries.len() as u64).saturating_sub(taken),
            failing: state.failing.as_ref().map_or(0, |(since, _)| since.elapsed().as_secs()),
            wrong: state.view.wrong.is_some(),
            balance: state.balance,
        })
    }

    fn l1_request(&self, request: &Hash) -> Option<L1Request> {
        let state = self.read();
        let mut entries = (0_u64..).zip(&state.view.entries);
        let (entry, model) = entries.find_map(|(index, entered)| match &entered.entry {
            inbox::Entry::Request(r) if state.request_hash(index, &entered.entry) == *request => {
                Some((index, r.model))
            }
            _ => None,
        })?;
        let node = state.view.nodes.iter().find(|node| node.cursor > entry);
        let place = match node {
            None => Place::Waiting,
            Some(node) if node.confirmed => Place::Final(node.id),
            Some(node) if !node.games.is_empty() => Place::Challenged(node.id),
            Some(node) => Place::Posted(node.id),
        };
        Some(L1Request { entry, model, place, output: state.results.get(request).cloned() })
    }
}
