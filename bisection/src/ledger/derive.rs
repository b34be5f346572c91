//! Everything that is a function of a batch's data. docs/rollup.md, 8.3.

use super::batch::{Batch, Step};
use super::body::{Body, StepLeaf};
use super::decode::Reading;
use super::item::ItemHeader;
use super::models::Line;
use super::refused::{Fault, Refused};
use super::request::{Domain, Request, item_seed};
use super::rules::Context;
use super::{Address, inbox};
use crate::hash::{Hash, tagged};
use crate::proof::{self, Wrong};
use crate::tree;

/// A step as posting derives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedStep {
    /// What its leaf commits to.
    pub leaf: StepLeaf,
    /// Header of its item, if it has one.
    pub header: Option<ItemHeader>,
}

/// What is stored of a batch, and its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// `H("rf.batch", head with table, stepsRoot)`.
    pub batch_hash: Hash,
    /// Root over the item hashes; pad without items.
    pub items_root: Hash,
    /// Root over the step leaves.
    pub steps_root: Hash,
    /// State root after the last step.
    pub state_root: Hash,
    /// The head's time, in seconds.
    pub time: u64,
    /// The head's cursor.
    pub cursor: u64,
    /// The head's epoch.
    pub epoch: u32,
    /// The head's first number.
    pub first_number: u64,
    /// Items: leaves under `items_root`.
    pub items: u32,
    /// Entries: its first steps.
    pub entries: u32,
    /// All steps in order.
    pub steps: Vec<DerivedStep>,
}

impl Derived {
    /// Of a batch whose steps were derived from this root on.
    pub(super) fn assemble(batch: &Batch, parent: Hash, steps: Vec<DerivedStep>) -> Self {
        let steps_root = tree::root(step_leaves(&steps));
        let items = item_hashes(&steps);
        let head = batch.head.encode(batch.signed());
        Self {
            batch_hash: tagged(b"rf.batch", &[&head, &steps_root.0]),
            items: u32::try_from(items.len()).unwrap_or(u32::MAX),
            items_root: tree::root(items),
            steps_root,
            state_root: steps.last().map_or(parent, |step| step.leaf.post),
            time: batch.head.time,
            cursor: batch.head.cursor,
            epoch: batch.head.epoch,
            first_number: batch.head.first_number,
            entries: u32::try_from(batch.entries()).unwrap_or(u32::MAX),
            steps,
        }
    }

    /// A step; `None` out of range.
    pub fn step(&self, index: u32) -> Option<&DerivedStep> {
        usize::try_from(index).ok().and_then(|i| self.steps.get(i))
    }

    /// The siblings of a step's leaf under `steps_root`.
    ///
    /// # Errors
    /// There is no such step.
    pub fn path(&self, step: u32) -> Result<Vec<Hash>, Wrong> {
        proof::path(step_leaves(&self.steps), step.into())
    }

    /// The step that an item is of, and its header. Games count items, not steps.
    pub fn item(&self, index: u32) -> Option<(u32, &ItemHeader)> {
        let mut items = (0u32..).zip(&self.steps).filter_map(|(i, step)| Some((i, step.header.as_ref()?)));
        items.nth(usize::try_from(index).ok()?)
    }

    /// The siblings of an item's hash under `items_root`.
    ///
    /// # Errors
    /// There is no such item.
    pub fn item_path(&self, item: u32) -> Result<Vec<Hash>, Wrong> {
        proof::path(item_hashes(&self.steps), item.into())
    }
}

impl Context<'_> {
    /// What posting derives from a batch that [`Context::decode`] gave.
    ///
    /// # Errors
    /// A table or a model index that no decoded batch has.
    pub fn derive(&self, batch: &Batch) -> Result<Derived, Refused> {
        let lines = self.registry.lines(&batch.head.table, batch.head.time)?;
        let mut pre = self.parent.root;
        let mut steps = Vec::with_capacity(batch.steps.len());
        for ((index, entry), posted) in (0u32..).zip(self.parent.cursor..).zip(&batch.steps) {
            let derived = body(&self.rules.domain, &lines, entry, &posted.step);
            let (body, header) = derived.map_err(|fault| Refused::Step { step: index, fault })?;
            steps.push(DerivedStep { leaf: StepLeaf { pre, post: posted.root, body }, header });
            pre = posted.root;
        }
        Ok(Derived::assemble(batch, self.parent.root, steps))
    }
}

fn step_leaves(steps: &[DerivedStep]) -> Vec<Hash> {
    (0u32..).zip(steps).map(|(i, step)| step.leaf.hash(i)).collect()
}

fn item_hashes(steps: &[DerivedStep]) -> Vec<Hash> {
    steps.iter().filter_map(|step| step.leaf.body.item()).collect()
}

/// F || D of a step, and its item's header. `entry` is its index in the inbox, if it is one.
pub(super) fn body(
    domain: &Domain,
    lines: &[Line],
    entry: u64,
    step: &Step,
) -> Result<(Body, Option<ItemHeader>), Fault> {
    let reading = Reading { lines, time: 0, expire: 0 };
    Ok(match step {
        Step::Deposit(entry) => (Body::Deposit(*entry), None),
        Step::Forced { entry, paid } => (Body::Forced { entry: *entry, paid: *paid }, None),
        Step::Request { entry: f, model, output_length, output } => {
            let request = domain.l1_request(inbox::Entry::Request(*f).hash(entry));
            let model = reading.line(*model)?.model;
            let header = (*output_length != 0).then(|| ItemHeader {
                model: f.model,
                vector: model.vector,
                token_bits: model.token_bits,
                prompt_length: f.prompt_length,
                output_length: *output_length,
                sampling: f.sampling,
                seed: item_seed(f.seed, &f.sampling, request),
                prompt_root: f.prompt,
                output_root: tree::tensor_root(output),
            });
            let item = header.map_or(Hash::default(), |header| header.hash());
            (Body::Request { entry: *f, request, item, output_length: *output_length }, header)
        }
        Step::Inference { call, sampling, seed, prompt, output } => {
            let line = reading.line(call.model)?;
            let prompt_root = tree::tensor_root(prompt);
            let request = Request {
                account: call.account,
                nonce: call.nonce,
                model: line.id,
                prompt: prompt_root,
                prompt_length: call.prompt_length,
                max_tokens: call.max_tokens,
                sampling: *sampling,
                seed: *seed,
                max_fee: call.max_fee,
                valid_until: call.valid_until,
            }
            .digest(domain);
            let header = ItemHeader {
                model: line.id,
                vector: line.model.vector,
                token_bits: line.model.token_bits,
                prompt_length: call.prompt_length,
                output_length: call.output_length,
                sampling: *sampling,
                seed: item_seed(*seed, sampling, request),
                prompt_root,
                output_root: tree::tensor_root(output),
            };
            let (price_in, price_out) = (line.price.price_in, line.price.price_out);
            let item = header.hash();
            (
                Body::Inference { call: *call, request, item, model: line.id, price_in, price_out },
                Some(header),
            )
        }
        Step::Withdrawal { order, signature } => {
            let request = order.digest(domain);
            (Body::Withdrawal { order: *order, signature: *signature, request }, None)
        }
        Step::Delegation { order, signature } => {
            let request = order.digest(domain);
            (Body::Delegation { order: *order, signature: *signature, request }, None)
        }
    })
}

/// `H("rf.asser", parent, batch hash, address proposer, address defender, u64 postedAt)`.
pub fn assertion_id(
    parent: Hash,
    batch_hash: Hash,
    proposer: Address,
    defender: Address,
    posted_at: u64,
) -> Hash {
    tagged(b"rf.asser", &[&parent.0, &batch_hash.0, &proposer, &defender, &posted_at.to_be_bytes()])
}

/// The chain's beginning: `H("rf.genes", u64 chainId, address Assertions)`.
pub fn genesis_id(chain_id: u64, assertions: Address) -> Hash {
    tagged(b"rf.genes", &[&chain_id.to_be_bytes(), &assertions])
}
