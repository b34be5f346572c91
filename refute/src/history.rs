//! A rollup's history, read from L1 alone: what was posted, and the proofs that follow from it. Nobody has to be trusted,
//! least of all the sequencer.

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::{SolCall, SolEvent, SolEventInterface};
use anyhow::Context as _;
use bindings::assertions::Assertions;
use bindings::batches::Batches;
use bindings::deployment::Deployment;
use bindings::inbox::Inbox;
use bindings::l1::L1;
use bindings::model_registry::ModelRegistry::{self, ModelRegistryEvents};
use bindings::receipts::Receipts::{Item, StepParts, StepProof};
use bisection::Hash;
use bisection::ledger::request::Domain;
use bisection::ledger::{Context, Derived, ItemHeader, Model, Parent, Price, Registry, Rules};

/// Blocks that are asked for at once: what public nodes allow.
const RANGE: u64 = 2_000;

/// `Status` of an assertion in the contract.
const PENDING: u8 = 1;
const CONFIRMED: u8 = 2;

/// An assertion as it was posted.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) assertion: B256,
    parent: B256,
    pub(crate) proposer: Address,
    pub(crate) epoch: u32,
    first_number: u64,
    signed: u64,
    transaction: B256,
    block: B256,
}

impl Posted {
    /// Is a number of its proposer's epoch one of its.
    pub(crate) fn holds(&self, number: u64) -> bool {
        number.checked_sub(self.first_number).is_some_and(|k| k < self.signed)
    }
}

/// Reads a rollup's history.
pub(crate) struct History<'a> {
    l1: &'a L1,
    of: &'a Deployment,
    registry: Registry,
}

impl<'a> History<'a> {
    /// Reads models and prices.
    pub(crate) async fn open(l1: &'a L1, of: &'a Deployment) -> anyhow::Result<Self> {
        let mut this = Self { l1, of, registry: Registry::new() };
        for log in this.logs(of.contracts.registry, None).await? {
            match ModelRegistryEvents::decode_log(&log.inner)?.data {
                ModelRegistryEvents::ModelAnnounced(x) => {
                    let call = ModelRegistry::modelsCall { model: x.model };
                    let m = l1.call(of.contracts.registry, &call, BlockId::latest()).await?;
                    let model = Model {
                        vector: m.kind == 1,
                        token_bits: m.tokenBits,
                        context: m.context,
                        vocabulary: m.vocabulary,
                    };
                    this.registry.announce(Hash(x.model.0), model);
                }
                ModelRegistryEvents::PriceScheduled(x) => {
                    let price = Price { from: x.from, price_in: x.priceIn, price_out: x.priceOut };
                    this.registry.schedule(&Hash(x.model.0), price);
                }
                _ => {}
            }
        }
        Ok(this)
    }

    async fn logs(&self, of: Address, about: Option<B256>) -> anyhow::Result<Vec<alloy::rpc::types::Log>> {
        let head = self.l1.head().await?.number;
        let mut logs = Vec::new();
        let mut from = self.of.block;
        while from <= head {
            let to = head.min(from + RANGE - 1);
            logs.extend(self.l1.logs_between(from..=to, &[of], about).await?);
            from = to + 1;
        }
        Ok(logs)
    }

    /// All assertions, or one of them, oldest first; also those that were rejected.
    pub(crate) async fn posted(&self, assertion: Option<B256>) -> anyhow::Result<Vec<Posted>> {
        let logs = self.logs(self.of.contracts.assertions, assertion).await?;
        let read = |log: &alloy::rpc::types::Log| {
            let x = Assertions::AssertionPosted::decode_log(&log.inner).ok()?.data;
            Some(Posted {
                assertion: x.assertion,
                parent: x.parent,
                proposer: x.proposer,
                epoch: x.derived.epoch,
                first_number: x.derived.firstNumber,
                signed: u64::from(x.derived.steps.saturating_sub(x.derived.entries)),
                transaction: log.transaction_hash?,
                block: log.block_hash?,
            })
        };
        Ok(logs.iter().filter_map(read).collect())
    }

    /// Everything that follows from an assertion's batch.
    pub(crate) async fn derived(&self, posted: &Posted) -> anyhow::Result<Derived> {
        let at = &self.of.contracts;
        let latest = BlockId::latest();
        let call = Assertions::derivedOfCall { assertion: posted.parent };
        let parent = self.l1.call(at.assertions, &call, latest).await?;
        let inbox = match parent.cursor.checked_sub(1) {
            None => B256::ZERO,
            Some(_) => {
                let call = Inbox::accumulatorCall { index: parent.cursor };
                self.l1.call(at.inbox, &call, latest).await?
            }
        };
        let p = &self.of.parameters.rollup;
        let rules = Rules {
            domain: Domain::new(self.of.chain_id, at.inbox.0.0),
            entry_fee: p.entry_fee,
            expire: p.expire,
            slack: p.slack,
            force_delay: p.force_delay,
            forced_entries: p.forced_entries.into(),
        };
        let parent = Parent { root: Hash(parent.stateRoot.0), cursor: parent.cursor, inbox: Hash(inbox.0) };
        let context = Context { rules: &rules, registry: &self.registry, parent };
        let data = self.data(posted).await?;
        let batch =
            context.decode(&data).map_err(|e| anyhow::anyhow!("the batch on L1 cannot be read: {e}"))?;
        context.derive(&batch).map_err(|e| anyhow::anyhow!("the batch on L1 cannot be read: {e}"))
    }

    /// A batch's bytes: of the transaction that posted it, or of the log if a contract did.
    async fn data(&self, posted: &Posted) -> anyhow::Result<Bytes> {
        for log in self.l1.logs(posted.block, &[self.of.contracts.batches]).await? {
            match Batches::BatchData::decode_log(&log.inner) {
                Ok(x) if x.assertion == posted.assertion => return Ok(x.data.data),
                _ => {}
            }
        }
        let call = self.l1.calldata(posted.transaction).await?.context("the node has lost a transaction")?;
        Ok(Batches::postCall::abi_decode(&call)?.data)
    }

    /// Is an assertion confirmed; `None` if it is not in the chain any more.
    pub(crate) async fn is_final(&self, posted: &Posted) -> anyhow::Result<Option<bool>> {
        let call = Assertions::assertionOfCall { assertion: posted.assertion };
        let status = self.l1.call(self.of.contracts.assertions, &call, BlockId::latest()).await?.status;
        Ok(match status {
            PENDING => Some(false),
            CONFIRMED => Some(true),
            _ => None,
        })
    }

    /// The newest step of a request that is in the chain.
    pub(crate) async fn find(&self, request: B256) -> anyhow::Result<Option<StepProof>> {
        for posted in self.posted(None).await?.iter().rev() {
            if self.is_final(posted).await?.is_none() {
                continue;
            }
            let derived = self.derived(posted).await?;
            let of_request = |step: &bisection::ledger::DerivedStep| {
                step.leaf.body.request().is_some_and(|hash| hash.0 == request.0)
            };
            if let Some(index) = derived.steps.iter().position(of_request) {
                return Ok(Some(proof(posted.assertion, &derived, index)?));
            }
        }
        Ok(None)
    }

    /// The request of a step that was found here.
    pub(crate) fn request_of(&self, proof: &StepProof) -> anyhow::Result<B256> {
        let body =
            bisection::ledger::Body::decode(&proof.parts.data).context("a step that cannot be read")?;
        Ok(body.request().map_or(B256::ZERO, |hash| B256::from(hash.0)))
    }

    /// The step that holds a number, of whatever became of its assertion.
    pub(crate) async fn number(
        &self,
        proposer: Address,
        epoch: u32,
        number: u64,
    ) -> anyhow::Result<Option<(StepProof, B256)>> {
        let posted = self.posted(None).await?;
        let holding = posted.iter().find(|x| x.proposer == proposer && x.epoch == epoch && x.holds(number));
        let Some(holding) = holding else { return Ok(None) };
        let derived = self.derived(holding).await?;
        let index = usize::try_from(u64::from(derived.entries) + (number - holding.first_number))?;
        let step = derived.steps.get(index).context("a step beyond its batch")?;
        let output = step.header.map_or(B256::ZERO, |header| B256::from(header.output_root.0));
        Ok(Some((proof(holding.assertion, &derived, index)?, output)))
    }
}

/// What shows the contracts a step of a batch.
pub(crate) fn proof(assertion: B256, derived: &Derived, index: usize) -> anyhow::Result<StepProof> {
    let step = u32::try_from(index)?;
    let found = derived.step(step).context("a step beyond its batch")?;
    let path = derived.path(step).map_err(|_| anyhow::anyhow!("a step beyond its batch"))?;
    let leaf = &found.leaf;
    Ok(StepProof {
        assertion,
        step,
        parts: StepParts {
            pre: B256::from(leaf.pre.0),
            post: B256::from(leaf.post.0),
            data: leaf.body.encode().into(),
        },
        path: path.iter().map(|hash| B256::from(hash.0)).collect(),
        item: item(found.header.as_ref()),
    })
}

/// As the contracts have it; all zeros without one.
fn item(header: Option<&ItemHeader>) -> Item {
    let Some(x) = header else { return Item::default() };
    Item {
        modelId: B256::from(x.model.0),
        kind: u8::from(x.vector),
        tokenBits: x.token_bits,
        promptLength: x.prompt_length,
        outputLength: x.output_length,
        temperature: x.sampling.temperature,
        topK: x.sampling.top_k,
        topP: x.sampling.top_p,
        minP: x.sampling.min_p,
        seed: B256::from(x.seed.0),
        promptRoot: B256::from(x.prompt_root.0),
        outputRoot: B256::from(x.output_root.0),
    }
}
