//! One group: order and numbers, signatures, the transaction, and what to do when its outcome is unknown.

use std::collections::BTreeSet;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::sign::{Draft, Pen, What, sign};
use super::{Message, Parts, Paused, RETRY, Reply, SealError, Sealed};
use crate::book::Undo;
use crate::ledger::{InferenceStep, encode_delegation, encode_withdrawal};
use crate::store::{Delegated, Group, Mark, StoreError, Withdrawn};

pub(super) struct Sealer {
    parts: Parts,
    next: u64,
}

/// What a group has done to the book, and who waits for it.
#[derive(Default)]
struct Waiting {
    undo: Vec<Undo>,
    /// In the order of their numbers.
    sealed: Vec<Reply<Sealed>>,
    received: Vec<Reply<()>>,
    entered: Vec<(Mark, Reply<Mark>)>,
}

impl Sealer {
    pub(super) fn new(parts: Parts, next: u64) -> Self {
        parts.metrics.next_number.set(next as i64);
        Self { parts, next }
    }

    /// Seals what came together. An error is the end: somebody else writes to the store.
    pub(super) async fn seal(
        &mut self,
        messages: Vec<Message>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let begin = Instant::now();
        let time = self.parts.posting.now();
        let deadline = self.parts.posting.deadline(time);
        let mut group = Group { epoch: self.parts.epoch, first: self.next, ..Group::default() };
        let mut waiting = Waiting::default();
        let mut drafts = Vec::new();
        let mut messages = messages.into_iter();
        let mut paused = None;
        for message in messages.by_ref() {
            match message {
                Message::Pause(reply) => {
                    // What came before it is committed first.
                    paused = Some(reply);
                    break;
                }
                Message::Enter { cursor, acc, entries, reply } => {
                    let number = self.next + drafts.len() as u64;
                    for (account, undo) in entries.iter().filter_map(|e| self.parts.book.enter(e)) {
                        waiting.undo.push(undo);
                        group.accounts.push((account, Vec::new()));
                    }
                    let mark = Mark { number, cursor, acc };
                    group.marks.push(mark);
                    waiting.entered.push((mark, reply));
                }
                Message::Received(request, reply) => {
                    group.received.push(*request);
                    waiting.received.push(reply);
                }
                Message::GivenUp(hash) => group.given_up.push(hash.0),
                Message::Executed(_, reply)
                | Message::Delegation { reply, .. }
                | Message::Withdrawal { reply, .. }
                    if deadline.is_err() =>
                {
                    let reason = deadline.clone().err().unwrap_or_default();
                    let _ = reply.send(Err(SealError::NoReceipts(reason)));
                }
                message => {
                    let number = self.next + drafts.len() as u64;
                    let until = deadline.as_ref().map_or(0, |d| d.saturating_add(self.parts.posting.slack()));
                    drafts.extend(self.apply(message, number, (time, until), &mut group, &mut waiting));
                }
            }
        }
        let pen = Pen {
            domain: self.parts.domain,
            signer: self.parts.signer.clone(),
            proposer: self.parts.proposer,
            epoch: self.parts.epoch,
            deadline: deadline.unwrap_or_default(),
        };
        let ready = match sign(&pen, drafts).await {
            Ok(ready) => ready,
            Err(reason) => {
                self.fail(waiting, &reason);
                return Ok(());
            }
        };
        let mut sealed = Vec::with_capacity(ready.len());
        for item in ready {
            sealed.push(item.sealed);
            group.receipts.push(item.numbered);
            group.inferred.extend(item.inferred);
        }
        let signed = begin.elapsed();
        if let Err(error) = self.commit(&mut group, stop).await {
            self.fail(waiting, &error.to_string());
            drop(paused);
            return if matches!(error, StoreError::Fenced { .. }) { Err(error) } else { Ok(()) };
        }
        self.next += group.receipts.len() as u64;
        let metrics = &self.parts.metrics;
        metrics.next_number.set(self.next as i64);
        metrics.group_size.observe((group.receipts.len() + group.received.len()) as f64);
        metrics.sign_seconds.observe(signed.as_secs_f64());
        metrics.commit_seconds.observe((begin.elapsed() - signed).as_secs_f64());
        // Whoever does not listen any more finds the receipt by its request's hash.
        for (reply, sealed) in waiting.sealed.into_iter().zip(sealed) {
            let _ = reply.send(Ok(sealed));
        }
        for reply in waiting.received {
            let _ = reply.send(Ok(()));
        }
        for (mark, reply) in waiting.entered {
            let _ = reply.send(Ok(mark));
        }
        if let Some(paused) = paused {
            self.pause(paused, stop).await?;
            // What came behind it goes on from there.
            let rest: Vec<Message> = messages.collect();
            if !rest.is_empty() {
                return Box::pin(self.seal(rest, stop)).await;
            }
        }
        Ok(())
    }

    /// Lets somebody else look at what was promised while nothing changes, and correct the accounts.
    async fn pause(
        &mut self,
        reply: tokio::sync::oneshot::Sender<Paused>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let (sender, accounts) = tokio::sync::oneshot::channel();
        if reply.send(Paused { next: self.next, accounts: sender }).is_err() {
            return Ok(());
        }
        let accounts = tokio::select! {
            accounts = accounts => accounts,
            () = stop.cancelled() => return Ok(()),
        };
        // Dropped: nothing changes.
        let Ok(accounts) = accounts else { return Ok(()) };
        self.parts.book.replace(&accounts);
        let mut group = Group { epoch: self.parts.epoch, first: self.next, ..Group::default() };
        group.accounts = accounts.iter().map(|(leaf, _)| (leaf.index, Vec::new())).collect();
        match self.commit(&mut group, stop).await {
            Err(error @ StoreError::Fenced { .. }) => Err(error),
            // The accounts of the store are made anew at every start.
            _ => Ok(()),
        }
    }

    /// Executes one step on the book. A refused one has its answer and no number.
    fn apply(
        &self,
        message: Message,
        number: u64,
        (time, until): (u64, u64),
        group: &mut Group,
        waiting: &mut Waiting,
    ) -> Option<Draft> {
        let book = &self.parts.book;
        let (outcome, reply, account, what) = match message {
            Message::Executed(executed, reply) if executed.request.valid_until < until => {
                let _ = reply.send(Err(SealError::TooShort(until)));
                return None;
            }
            Message::Withdrawal { order, reply, .. } if order.valid_until < until => {
                let _ = reply.send(Err(SealError::TooShort(until)));
                return None;
            }
            Message::Executed(executed, reply) => {
                let r = &executed.request;
                let step = InferenceStep {
                    nonce: r.nonce,
                    model: r.model,
                    price_in: executed.price.input,
                    price_out: executed.price.output,
                    prompt_length: r.prompt_length,
                    output_length: executed.output.length(),
                    max_tokens: r.max_tokens,
                    max_fee: r.max_fee,
                    valid_until: r.valid_until,
                };
                let outcome = book.infer(r.account, executed.signed.delegate(), &step, time);
                (outcome, reply, r.account, What::Inference(executed))
            }
            Message::Delegation { terms, hash, signature, reply } => {
                let outcome = book.delegate_to(&terms, hash).map(|(owner, undo)| (0, owner, undo));
                if outcome.is_ok() {
                    group.delegated.push(Delegated {
                        hash: hash.0,
                        account: terms.account,
                        delegate: terms.delegate,
                        body: encode_delegation(&terms),
                        signature,
                    });
                }
                (outcome, reply, terms.account, What::Delegation { hash })
            }
            Message::Withdrawal { order, hash, signature, reply } => {
                let outcome = book.withdraw(&order, time).map(|(owner, undo)| (0, owner, undo));
                if outcome.is_ok() {
                    let body = encode_withdrawal(&order);
                    group.withdrawn.push(Withdrawn { hash: hash.0, account: order.account, body, signature });
                }
                (outcome, reply, order.account, What::Withdrawal { hash })
            }
            Message::Received(..) | Message::GivenUp(_) | Message::Enter { .. } | Message::Pause(_) => {
                return None;
            }
        };
        match outcome {
            Ok((fee, payee, undo)) => {
                waiting.undo.push(undo);
                waiting.sealed.push(reply);
                // The last state of an account is the one that counts: see `commit`.
                group.accounts.push((account, Vec::new()));
                Some(Draft { number, payee, fee, what })
            }
            Err(refusal) => {
                let _ = reply.send(Err(refusal.into()));
                None
            }
        }
    }

    /// Commits, as often as it takes to know that it is done. The group is never changed in between, so that a number
    /// never stands for two things.
    async fn commit(&self, group: &mut Group, stop: &CancellationToken) -> Result<(), StoreError> {
        let nothing = group.receipts.is_empty() && group.received.is_empty() && group.given_up.is_empty();
        if nothing && group.marks.is_empty() && group.accounts.is_empty() {
            return Ok(());
        }
        let touched: BTreeSet<u32> = group.accounts.iter().map(|(account, _)| *account).collect();
        let leaf = |account: u32| Some((account, self.parts.book.account(account)?.encode()));
        group.accounts = touched.into_iter().filter_map(leaf).collect();
        loop {
            let error = match self.parts.db.commit(group).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.parts.metrics.commit_errors.inc();
            // Was it committed before the answer was lost?
            match self.parts.db.next_number(group.epoch).await {
                Ok(next)
                    if !group.receipts.is_empty() && next == group.first + group.receipts.len() as u64 =>
                {
                    let first = &group.receipts[0];
                    let stored = self.parts.db.receipts_from(group.epoch, group.first, 1).await;
                    let ours = stored.map(|s| s.first().is_some_and(|s| s.signature == first.signature));
                    match ours {
                        Ok(true) => return Ok(()),
                        Ok(false) => return Err(fenced(group, next)),
                        Err(_) => {}
                    }
                }
                Ok(next) if !group.receipts.is_empty() && next != group.first => {
                    return Err(fenced(group, next));
                }
                _ => {}
            }
            if error.is_final() {
                tracing::error!(%error, "a group cannot be stored: nothing of it is promised");
                return Err(error);
            }
            tracing::warn!(%error, "the store does not take a group: trying again");
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = stop.cancelled() => return Err(error),
            }
        }
    }

    fn fail(&self, waiting: Waiting, reason: &str) {
        self.parts.book.undo(waiting.undo.into_iter());
        for reply in waiting.sealed {
            let _ = reply.send(Err(SealError::Store(reason.to_owned())));
        }
        for reply in waiting.received {
            let _ = reply.send(Err(SealError::Store(reason.to_owned())));
        }
        for (_, reply) in waiting.entered {
            let _ = reply.send(Err(SealError::Store(reason.to_owned())));
        }
    }
}

fn fenced(group: &Group, found: u64) -> StoreError {
    StoreError::Fenced { epoch: group.epoch, expected: group.first, found }
}
