//! An assertion's batch: its bytes from L1, decoded and derived, and checked against what L1 derived.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolCall;
use bindings::batches::Batches;
use bindings::deployment::Deployment;
use bindings::l1::{L1, L1Error};
use bisection::ledger::request::Domain;
use bisection::ledger::{
    Batch, Context, Derived, Parent, Refused, Rules, Step, assertion_id, token as packed_token,
};
use executor::trace::Published;

use super::view::{Posted, View};
use crate::view::word;

/// Batches that are kept for further questions.
const KEPT: usize = 8;

/// Why an assertion's batch is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The node.
    #[error(transparent)]
    Node(#[from] L1Error),
    /// The node does not have the data: a pruned one, or a reorganisation under way.
    #[error("the node does not have the transaction {0}, which holds the data of an assertion")]
    NoData(B256),
    /// L1 took what our rules refuse.
    #[error("L1 took an assertion's data that the rules refuse: {0}; this program and the contracts differ")]
    Refused(#[from] Refused),
    /// L1 derived something else.
    #[error("L1 derived another assertion than {0} from its data; this program and the contracts differ")]
    Differs(B256),
}

/// A batch that is understood.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) posted: Arc<Posted>,
    pub(super) batch: Batch,
    pub(super) derived: Derived,
    pub(super) parent: Parent,
    pub(super) end: Parent,
}

/// The rules of a deployment.
pub(super) fn rules(of: &Deployment) -> Rules {
    let p = &of.parameters.rollup;
    Rules {
        domain: Domain::new(of.chain_id, of.contracts.inbox.0.0),
        entry_fee: p.entry_fee,
        expire: p.expire,
        slack: p.slack,
        force_delay: p.force_delay,
        forced_entries: p.forced_entries.into(),
    }
}

/// The last batches.
#[derive(Default)]
pub(super) struct Opener(VecDeque<Arc<Opened>>);

impl Opener {
    /// The batch of an assertion that is built on `parent`.
    pub(super) async fn open(
        &mut self,
        node: &L1,
        rules: &Rules,
        view: &View,
        posted: &Arc<Posted>,
        parent: Parent,
    ) -> Result<Arc<Opened>, BatchError> {
        if let Some(known) = self.0.iter().find(|x| x.posted.id == posted.id && x.parent == parent) {
            return Ok(Arc::clone(known));
        }
        let bytes = data(node, posted).await?;
        let opened = Arc::new(derive(rules, view, posted, parent, &bytes)?);
        self.0.push_back(Arc::clone(&opened));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
        Ok(opened)
    }
}

/// The data: in the log if a contract posted them, else in the calldata of a plain account's transaction.
async fn data(node: &L1, posted: &Posted) -> Result<Bytes, BatchError> {
    if let Some(data) = &posted.data {
        return Ok(data.clone());
    }
    let calldata = node.calldata(posted.transaction).await?;
    let call = calldata.and_then(|bytes| Batches::postCall::abi_decode(&bytes).ok());
    call.map(|call| call.data).ok_or(BatchError::NoData(posted.transaction))
}

fn derive(
    rules: &Rules,
    view: &View,
    posted: &Arc<Posted>,
    parent: Parent,
    bytes: &[u8],
) -> Result<Opened, BatchError> {
    let context = Context { rules, registry: &view.registry, parent };
    let batch = context.decode(bytes)?;
    let derived = context.derive(&batch)?;
    let (proposer, defender) = (posted.proposer.0.0, posted.defender.0.0);
    let id =
        assertion_id(crate::view::hash(posted.parent), derived.batch_hash, proposer, defender, posted.time);
    // The id binds every byte of the data, and everything that L1 knows besides.
    if word(id) != posted.id {
        return Err(BatchError::Differs(posted.id));
    }
    let end = Parent { root: derived.state_root, cursor: derived.cursor, inbox: batch.head.inbox_hash };
    Ok(Opened { posted: Arc::clone(posted), batch, derived, parent, end })
}

impl Opened {
    /// What an inference step was asked and gave: prompt tokens and output. `None` if it has no item, or its prompt is not known.
    pub(super) fn inference(&self, step: u32, view: &View) -> Option<(Vec<u32>, Published)> {
        let header = self.derived.step(step)?.header?;
        let posted = &self.batch.steps.get(step as usize)?.step;
        let prompt: &[u8] = match posted {
            Step::Inference { prompt, .. } => prompt,
            Step::Request { .. } => view.prompts.get(&self.parent.cursor.checked_add(step.into())?)?,
            _ => return None,
        };
        let unpack = |bytes: &[u8], count: u32| {
            (0..count).map(|i| packed_token(bytes, header.token_bits, i)).collect::<Option<Vec<u32>>>()
        };
        let prompt = unpack(prompt, header.prompt_length)?;
        let output = posted.output()?;
        let output = if header.vector {
            Published::Vector(output.as_chunks().0.iter().map(|x| i32::from_le_bytes(*x)).collect())
        } else {
            Published::Tokens(unpack(output, header.output_length)?)
        };
        Some((prompt, output))
    }

    /// The item of a step: games count items.
    pub(super) fn item_of(&self, step: u32) -> Option<u32> {
        self.derived.step(step)?.header?;
        let before = self.derived.steps.iter().take(step as usize);
        u32::try_from(before.filter(|step| step.header.is_some()).count()).ok()
    }
}
