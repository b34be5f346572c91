//! Is an assertion right: the ledger's steps, where outputs end, and every inference, in that order; the cheapest dispute
//! comes first. Descendants of a wrong assertion are not looked at: they are void with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::B256;
use bindings::l1::L1;
use bisection::Hash;
use bisection::ledger::{Rules, shape};

use super::batch::{BatchError, Opened, Opener};
use super::book::Book;
use super::metrics::Metrics;
use super::models::{Claim, ModelError, Models, sampling};
use super::view::{Posted, Status, View};

/// What is wrong with an assertion: what to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A step of the ledger has no proof.
    Step(u32),
    /// An output goes on or ends where it must not.
    Shape { step: u32, index: u32 },
    /// An output is not what the model gives.
    Output { step: u32, item: u32 },
}

/// What is known of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it is right.
    Right,
    /// The first thing that is wrong.
    Wrong(Fault),
    /// Right as far as it could be checked: these models are not here.
    Unchecked(BTreeSet<Hash>),
}

/// How far the check of an assertion has come.
#[derive(Default)]
struct Progress {
    verdict: Option<Verdict>,
    /// The next step whose inference is to be checked.
    next: usize,
    missing: BTreeSet<Hash>,
}

/// What is to be done next about an assertion.
enum Gathered {
    Settled(Verdict),
    Claims(Hash, Vec<Claim>),
}

/// Everything that is judged by.
pub(super) struct Judge {
    rules: Rules,
    book: Book,
    opener: Opener,
    progress: BTreeMap<B256, Progress>,
    models: Arc<Mutex<Models>>,
    positions: usize,
    depth: u64,
    metrics: Arc<Metrics>,
}

/// Why a judgement is not to be had now.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What is final is wrong: nobody disputed it in time.
    #[error("the confirmed assertion {0} is wrong: {1}; what is built on it cannot be judged")]
    Final(B256, String),
    /// The thread that computes failed.
    #[error("a check ended badly: {0}")]
    Thread(String),
}

impl Judge {
    pub(super) fn new(
        rules: Rules,
        models: Arc<Mutex<Models>>,
        (positions, depth): (usize, u64),
        metrics: Arc<Metrics>,
    ) -> Self {
        let book = Book::new(rules);
        let (opener, progress) = (Opener::default(), BTreeMap::new());
        Self { rules, book, opener, progress, models, positions, depth, metrics }
    }

    /// What is known of an assertion.
    pub(super) fn verdict(&self, id: &B256) -> Option<&Verdict> {
        self.progress.get(id)?.verdict.as_ref()
    }

    /// Models that assertions need and that are not here.
    pub(super) fn missing(&self) -> BTreeSet<Hash> {
        self.progress.values().flat_map(|progress| progress.missing.iter().copied()).collect()
    }

    /// Goes on, for a while. Is there more to do.
    pub(super) async fn advance(&mut self, node: &L1, view: &View, head: u64) -> Result<bool, JudgeError> {
        if !self.book.agree(view.chain.iter().map(|posted| posted.id)) {
            self.book = Book::new(self.rules);
        }
        for height in self.book.height()..view.chain.len() {
            let Some(posted) = view.chain.get(height) else { break };
            if matches!(self.verdict(&posted.id), Some(Verdict::Wrong(Fault::Step(_)))) {
                break;
            }
            let opened = self.open(node, view, height).await?;
            if let Err(wrong) = self.book.take(posted.id, &opened.derived, opened.end) {
                if height < view.confirmed {
                    return Err(JudgeError::Final(posted.id, wrong.to_string()));
                }
                tracing::error!(assertion = %posted.id, %wrong, "an assertion's ledger is wrong");
                self.conclude(posted, Verdict::Wrong(Fault::Step(wrong.step)));
                break;
            }
        }
        let old = |posted: &&Arc<Posted>| posted.block.saturating_add(self.depth) < head;
        self.book.settle(view.chain.iter().take(view.confirmed).take_while(old).count());
        self.outputs(node, view).await
    }

    /// Drops what is known of assertions that are settled or gone. Only for a view of the node's head: in one that is on its
    /// way there, those to come are missing, and verdicts take long.
    pub(super) fn forget(&mut self, view: &View) {
        self.progress.retain(|id, _| view.tables.get(id).is_some_and(|t| t.status == Status::Pending));
    }

    /// An assertion's batch, its parent's steps being taken.
    async fn open(&mut self, node: &L1, view: &View, height: usize) -> Result<Arc<Opened>, JudgeError> {
        let posted = view.chain.get(height).ok_or(BatchError::NoData(B256::ZERO))?;
        let parent = self.book.end_of(height);
        Ok(self.opener.open(node, &self.rules, view, posted, parent).await?)
    }

    /// The batch of a pending assertion whose parent's steps are taken.
    pub(super) async fn opened(
        &mut self,
        node: &L1,
        view: &View,
        id: B256,
    ) -> Result<Option<Arc<Opened>>, JudgeError> {
        match view.chain.iter().position(|posted| posted.id == id) {
            Some(height) if height <= self.book.height() => Ok(Some(self.open(node, view, height).await?)),
            _ => Ok(None),
        }
    }

    /// The Ledger witness of a step. The book stands before the assertion then, and goes on when it is needed.
    pub(super) fn witness(&mut self, view: &View, opened: &Opened, step: u32) -> Option<Vec<u8>> {
        let height = view.chain.iter().position(|posted| posted.id == opened.posted.id)?;
        if height > self.book.height() || !self.book.truncate(height) {
            return None;
        }
        self.book.witness(&opened.derived, step)
    }

    /// Checks outputs of the first assertion that has no verdict.
    async fn outputs(&mut self, node: &L1, view: &View) -> Result<bool, JudgeError> {
        for height in view.confirmed..self.book.height() {
            let Some(posted) = view.chain.get(height) else { break };
            match self.verdict(&posted.id) {
                Some(Verdict::Wrong(_)) => return Ok(false),
                Some(_) => continue,
                None => {}
            }
            let opened = self.open(node, view, height).await?;
            if let Some(verdict) = self.some_outputs(view, &opened).await? {
                self.conclude(posted, verdict);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The next few outputs of an assertion; its verdict if that settles it.
    async fn some_outputs(&mut self, view: &View, opened: &Opened) -> Result<Option<Verdict>, JudgeError> {
        let (model, claims) = match self.gather(view, opened) {
            Gathered::Settled(verdict) => return Ok(Some(verdict)),
            Gathered::Claims(model, claims) => (model, claims),
        };
        let (models, count) = (Arc::clone(&self.models), claims.len() as u64);
        let first = claims.first().map_or(0, |claim| claim.step as usize);
        let checked = tokio::task::spawn_blocking(move || {
            let mut models = models.lock().unwrap_or_else(PoisonError::into_inner);
            let wrong = models.check(&model, &claims)?;
            Ok::<_, ModelError>(wrong.and_then(|i| claims.get(i)).map(|claim| claim.step))
        });
        let checked = checked.await.map_err(|e| JudgeError::Thread(e.to_string()));
        let wrong = match checked.and_then(|wrong| Ok(wrong?)) {
            Ok(wrong) => wrong,
            Err(error) => {
                // Nothing is skipped: it is tried again.
                self.progress.entry(opened.posted.id).or_default().next = first;
                return Err(error);
            }
        };
        self.metrics.outputs.inc_by(count);
        let fault = wrong.and_then(|step| Some(Fault::Output { step, item: opened.item_of(step)? }));
        Ok(fault.map(Verdict::Wrong))
    }

    /// The next claims about one model, as many as are checked together.
    fn gather(&mut self, view: &View, opened: &Opened) -> Gathered {
        let progress = self.progress.entry(opened.posted.id).or_default();
        if progress.next == 0
            && let Some(fault) = shape_fault(view, opened)
        {
            return Gathered::Settled(Verdict::Wrong(fault));
        }
        let (mut claims, mut model, mut positions) = (Vec::new(), None, 0usize);
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(step) = opened.derived.steps.get(progress.next) {
            let index = u32::try_from(progress.next).unwrap_or(u32::MAX);
            let Some(header) = step.header else {
                progress.next += 1;
                continue;
            };
            if models.get(&header.model).is_none() {
                if progress.missing.insert(header.model) {
                    let assertion = opened.posted.id;
                    tracing::error!(%assertion, model = %header.model, "a model is missing: its outputs are NOT checked");
                }
                progress.next += 1;
                continue;
            }
            let Some((prompt, output)) = opened.inference(index, view) else {
                tracing::error!(step = index, "the prompt of a request made on L1 is not known");
                return Gathered::Settled(Verdict::Unchecked(BTreeSet::from([header.model])));
            };
            let claim = Claim { step: index, sampling: sampling(&header), prompt, output };
            positions = positions.saturating_add(claim.positions());
            if model.is_some_and(|m| m != header.model) || !claims.is_empty() && positions > self.positions {
                break;
            }
            model = Some(header.model);
            claims.push(claim);
            progress.next += 1;
        }
        let Some(model) = model else {
            let missing = progress.missing.clone();
            let right = missing.is_empty();
            return Gathered::Settled(if right { Verdict::Right } else { Verdict::Unchecked(missing) });
        };
        Gathered::Claims(model, claims)
    }

    fn conclude(&mut self, posted: &Posted, verdict: Verdict) {
        let (assertion, proposer, block) = (posted.id, posted.proposer, posted.block);
        let kind = match &verdict {
            Verdict::Right => {
                tracing::info!(%assertion, block, steps = posted.derived.steps, "an assertion is right");
                "right"
            }
            Verdict::Wrong(fault) => {
                tracing::warn!(%assertion, %proposer, block, ?fault, "an assertion is WRONG");
                "wrong"
            }
            Verdict::Unchecked(missing) => {
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                tracing::error!(%assertion, ?missing, "an assertion could not be checked");
                "unchecked"
            }
        };
        self.metrics.judged(kind);
        self.progress.entry(assertion).or_default().verdict = Some(verdict);
    }
}

/// The first output that does not end where it should.
fn shape_fault(view: &View, opened: &Opened) -> Option<Fault> {
    let mut steps = (0u32..).zip(opened.derived.steps.iter().zip(&opened.batch.steps));
    steps.find_map(|(step, (derived, posted))| {
        let face = view.models.get(&derived.header?.model)?.face()?;
        let index = shape::wrong(derived, &posted.step, &face)?;
        Some(Fault::Shape { step, index })
    })
}
