//! That a step stands in a posted batch: what `Results.verifyInference`, `Exits` and a claim against a receipt are shown.

use bisection::ledger::{Context, ItemHeader, Parent, Registry, Rules};

use super::state::Shared;
use crate::ledger::Hash;
use crate::posting::{Place, Posting};
use crate::store::{Db, StoreError};

/// A step with its place.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The assertion.
    pub assertion: Hash,
    /// Index of the step in its batch.
    pub step: u32,
    /// State root before.
    pub pre: Hash,
    /// State root after.
    pub post: Hash,
    /// F || D.
    pub data: Vec<u8>,
    /// Siblings of the step's leaf.
    pub path: Vec<Hash>,
    /// Header of its item, if it has one.
    pub item: Option<ItemHeader>,
    /// What is to become of it.
    pub place: Place,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not posted, or not any more.
    #[error("this request is not in a posted batch yet")]
    NotPosted,
    /// The batch is not in the store.
    #[error("somebody else has posted this: its batch is not kept here")]
    NotOurs,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not fit what is on L1.
    #[error("the stored batch does not fit its assertion: {0}")]
    Damaged(String),
}

/// Where to look.
struct Found {
    assertion: Hash,
    batch: Hash,
    parent: Parent,
    registry: Registry,
    rules: Rules,
    /// Index among the entries, or among the signed items.
    step: Step,
    place: Place,
}

enum Step {
    Entry(u64),
    Signed(u64),
}

impl Shared {
    /// The proof of a receipt's number.
    pub async fn prove(&self, db: &Db, number: u64) -> Result<Proof, ProofError> {
        let place = self.place(number);
        let (Place::Posted(id) | Place::Challenged(id) | Place::Final(id)) = place else {
            return Err(ProofError::NotPosted);
        };
        let found = self.find(id, place, |state, batch, _| {
            let span = state.spans.get(batch).ok_or(ProofError::NotOurs)?;
            let left_out = span.left_out.iter().filter(|n| **n < number).count() as u64;
            Ok(Step::Signed(number.saturating_sub(span.from).saturating_sub(left_out)))
        })?;
        found.prove(db).await
    }

    /// The proof of a request that was made on L1.
    pub async fn prove_l1(&self, db: &Db, request: &Hash) -> Result<Proof, ProofError> {
        let request = self.l1_request(request).ok_or(ProofError::NotPosted)?;
        let (Place::Posted(id) | Place::Challenged(id) | Place::Final(id)) = request.place else {
            return Err(ProofError::NotPosted);
        };
        let step =
            |_: &_, _: &_, parent: &Parent| Ok(Step::Entry(request.entry.saturating_sub(parent.cursor)));
        self.find(id, request.place, step)?.prove(db).await
    }

    fn find(
        &self,
        assertion: Hash,
        place: Place,
        step: impl FnOnce(&super::state::State, &Hash, &Parent) -> Result<Step, ProofError>,
    ) -> Result<Found, ProofError> {
        let state = self.read();
        let nodes = &state.view.nodes;
        let height = nodes.iter().position(|node| node.id == assertion).ok_or(ProofError::NotPosted)?;
        let (Some(node), Some(before)) = (nodes.get(height), nodes.get(height.wrapping_sub(1))) else {
            return Err(ProofError::NotPosted);
        };
        let inbox = state.view.acc(before.cursor);
        let parent = Parent { root: before.state_root, cursor: before.cursor, inbox };
        let step = step(&state, &node.batch, &parent)?;
        let (registry, rules) = (state.view.registry.clone(), state.view.rules);
        Ok(Found { assertion, batch: node.batch, parent, registry, rules, step, place })
    }
}

impl Found {
    async fn prove(self, db: &Db) -> Result<Proof, ProofError> {
        let data = db.batch_data(&self.batch.0).await?.ok_or(ProofError::NotOurs)?;
        let context = Context { rules: &self.rules, registry: &self.registry, parent: self.parent };
        let damaged = |e: &dyn std::fmt::Display| ProofError::Damaged(e.to_string());
        let batch = context.decode(&data).map_err(|e| damaged(&e))?;
        let derived = context.derive(&batch).map_err(|e| damaged(&e))?;
        let index = match self.step {
            Step::Entry(entry) => entry,
            Step::Signed(item) => item.saturating_add(derived.entries.into()),
        };
        let step = u32::try_from(index).map_err(|e| damaged(&e))?;
        let found = derived.step(step).ok_or(ProofError::NotPosted)?;
        Ok(Proof {
            assertion: self.assertion,
            step,
            pre: found.leaf.pre,
            post: found.leaf.post,
            data: found.leaf.body.encode(),
            path: derived.path(step).map_err(|e| damaged(&e))?,
            item: found.header,
            place: self.place,
        })
    }
}
